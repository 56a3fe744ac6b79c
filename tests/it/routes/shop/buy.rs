//! `/api/shop/buy` and `/api/shop/transactions`.

use serde_json::{Value, json};

use crate::app::{Answer, App, PLAYER_ID};

async fn buy(app: &App, token: &str, body: Value) -> Answer {
    app.post("/api/shop/buy", Some(token), body).await
}

async fn gold(app: &App, token: &str) -> i64 {
    app.get("/api/users/balance", Some(token)).await.body["gold"].as_i64().unwrap()
}

fn is_hex(value: &Value, length: usize) -> bool {
    let text = value.as_str().unwrap();
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[tokio::test]
async fn a_purchase_answers_word_for_word_and_shows_wherever_one_looks() {
    let app = App::start().await;
    let token = app.player().await;
    let wish = json!({"user_id": 23, "product_id": 1001, "quantity": 1});
    let bought = buy(&app, &token, wish).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let known = r#"{"success":true,"message":"구매 완료","gold_granted":100,"new_gold_balance":1100,"charge_id":""#;
    assert!(bought.text.starts_with(known), "{}", bought.text);
    assert!(is_hex(&bought.body["charge_id"], 18), "{}", bought.text);
    assert!(is_hex(&bought.body["receipt_code"], 12), "{}", bought.text);
    let expected = json!({"user_id": 23, "product_id": 1001, "quantity": 1, "gold_spent": 0, "status": "completed"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&bought.body[name], value, "{name}");
    }
    assert!(bought.body.get("reason_code").is_none_or(Value::is_null));
    assert_eq!(bought.body["position"], app.database.last_of_accounts().await);

    let balance = app.get("/api/users/balance", Some(&token)).await;
    assert_eq!((&balance.body["gold"], &balance.body["gold_paid"]), (&json!(1100), &json!(100)));
    let statement = app.get("/api/users/statement", Some(&token)).await;
    let line = &statement.body["items"][0];
    assert_eq!((&line["kind"], &line["balance_after"]), (&json!("purchase"), &json!(1100)));
    assert_eq!(line["reference"], bought.body["receipt_code"]);
    assert_eq!(line["position"], bought.body["position"]);
    let listed = app.get("/api/shop/transactions", Some(&token)).await;
    let first = &listed.body["items"][0];
    for name in ["receipt_code", "charge_id", "product_id", "quantity", "status"] {
        assert_eq!(first[name], bought.body[name], "{name}");
    }
    assert_eq!((&first["amount_cents"], &first["kind"]), (&json!(299), &json!("gold")));
}

#[tokio::test]
async fn a_product_goes_by_three_names_and_its_quantity_multiplies_price_and_gold() {
    let app = App::start().await;
    let token = app.player().await;
    let mut expected = 1000;
    for name in [json!(1001), json!("1001"), json!("GOLD_PACK_SMALL")] {
        let bought = buy(&app, &token, json!({"product_id": name})).await;
        expected += 100;
        assert_eq!(bought.body["new_gold_balance"], expected, "{}", bought.text);
        assert_eq!(bought.body["product_id"], 1001, "{name}");
    }
    let wish = json!({
        "product_id": 1002, "quantity": 99, "kind": "gold", "payment_method": "CARD",
        "card_token": "tok_approve", "currency": "USD", "user_id": PLAYER_ID,
    });
    let bought = buy(&app, &token, wish).await;
    assert_eq!(bought.body["gold_granted"], 54_450, "{}", bought.text);
    assert_eq!(bought.body["new_gold_balance"], expected + 54_450);
    let listed = app.get("/api/shop/transactions", Some(&token)).await;
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    // 12.99 × 99 × 92 %, floored to a cent.
    assert_eq!(items[0]["amount_cents"], 118_312);
    let page = app.get("/api/shop/transactions?limit=3", Some(&token)).await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/api/shop/transactions?cursor={cursor}"), Some(&token)).await;
    assert_eq!(rest.body["items"], json!([items[3]]));
    assert!(rest.body["next_cursor"].is_null());
}

#[tokio::test]
async fn a_declined_card_moves_no_gold_and_stays_in_the_list() {
    let app = App::start().await;
    let token = app.player().await;
    let declined =
        buy(&app, &token, json!({"product_id": 1001, "card_token": "tok_decline"})).await;
    declined.is_problem(402, "PAYMENT_DECLINED");
    assert_eq!(declined.body["success"], false);
    assert_eq!(declined.body["reason_code"], "PAYMENT_DECLINED");
    assert_eq!(gold(&app, &token).await, 1000);
    let listed = app.get("/api/shop/transactions", Some(&token)).await;
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", listed.text);
    assert_eq!(
        (&items[0]["status"], &items[0]["reason_code"]),
        (&json!("failed"), &json!("PAYMENT_DECLINED"))
    );
    assert_eq!(items[0]["receipt_code"], declined.body["receipt_code"]);
    let statement = app.get("/api/users/statement?kind=purchase", Some(&token)).await;
    assert_eq!(statement.body["items"], json!([]));
}

#[tokio::test]
async fn refusals_say_why_and_write_nothing() {
    let app = App::start().await;
    let token = app.player().await;
    let before = app.database.events().await;
    let refused = [
        (json!({"product_id": 1004}), 403, "RANK_REQUIRED"),
        (json!({"product_id": 1001, "user_id": 22}), 403, "USER_MISMATCH"),
        (json!({"product_id": 9999}), 404, "NOT_FOUND"),
        (json!({"product_id": "9999"}), 404, "NOT_FOUND"),
        (json!({"product_id": "GOLD_PACK_HUGE"}), 404, "NOT_FOUND"),
        (json!({"product_id": 1001, "kind": "item"}), 404, "NOT_FOUND"),
    ];
    for (wish, status, code) in refused {
        let answer = buy(&app, &token, wish).await;
        answer.is_problem(status, code);
        assert_eq!(
            (&answer.body["success"], &answer.body["reason_code"]),
            (&json!(false), &json!(code))
        );
        assert_eq!(answer.headers["x-request-id"], answer.body["request_id"].as_str().unwrap());
        assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    let old_client = json!({"package_id": "PREMIUM_GEMS_100", "payment_method": "CARD"});
    let answer = buy(&app, &token, old_client).await;
    answer.is_problem(422, "VALIDATION_FAILED");
    let missing = &answer.body["errors"][0];
    assert_eq!(
        (&missing["type"], &missing["loc"]),
        (&json!("missing"), &json!(["body", "product_id"]))
    );
    assert_eq!(answer.body["error"]["details"], answer.body["errors"]);

    let anonymous = app.post("/api/shop/buy", None, json!({"product_id": 1001})).await;
    anonymous.is_problem(401, "UNAUTHENTICATED");
    assert_eq!(app.database.events().await, before);
    assert_eq!(gold(&app, &token).await, 1000);
}
