//! `/api/admin/transactions`.

use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{Answer, App, replay};
use crate::provider::{club, until};

const TRANSACTIONS: &str = "/api/admin/transactions";

async fn buy(app: &App, token: &str, card: &str) -> Answer {
    app.post("/api/shop/buy", Some(token), json!({"product_id": 1001, "card_token": card})).await
}

async fn ask(
    app: &App,
    token: &str,
    key: &str,
    receipt: &Value,
    what: &str,
    wish: Value,
) -> Answer {
    let path = format!("{TRANSACTIONS}/{}/{what}", receipt.as_str().unwrap());
    app.post_keyed(&path, token, key, &wish).await
}

async fn force(app: &App, token: &str, key: &str, receipt: &Value, outcome: &str) -> Answer {
    let wish = json!({"outcome": outcome, "reason": "the player called"});
    ask(app, token, key, receipt, "force-settle", wish).await
}

async fn refund(app: &App, token: &str, key: &str, receipt: &Value, cents: Option<u64>) -> Answer {
    let wish = json!({"amount_cents": cents, "reason": "the player called"});
    ask(app, token, key, receipt, "refund", wish).await
}

async fn verifies(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn everybodys_purchases_are_found_by_what_they_are() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let completed = buy(&app, &player, "tok_approve").await;
    buy(&app, &player, "tok_decline").await.is_problem(402, "PAYMENT_DECLINED");
    let pending = buy(&app, &player, "tok_pending").await;
    let wish = json!({"package_id": "WEEKEND_STARTER"});
    let package = app.post("/api/shop/buy-limited", Some(&admin), wish).await;
    assert_eq!(package.status, 200, "{}", package.text);
    let at = package.body["position"].as_u64().unwrap();
    let all = app.get_at(TRANSACTIONS, &admin, at).await;
    let skus: Vec<_> =
        all.body["items"].as_array().unwrap().iter().map(|line| line["sku"].clone()).collect();
    let small = json!("GOLD_PACK_SMALL");
    assert_eq!(skus, [json!("WEEKEND_STARTER"), small.clone(), small.clone(), small]);

    let receipt = completed.body["receipt_code"].as_str().unwrap();
    let queries = [
        ("status=pending".to_owned(), 1),
        ("status=failed".to_owned(), 1),
        ("status=completed".to_owned(), 2),
        ("kind=item".to_owned(), 0),
        ("user_id=23".to_owned(), 3),
        ("product_id=1001&status=completed".to_owned(), 1),
        ("package_id=WEEKEND_STARTER".to_owned(), 1),
        (format!("receipt_code={receipt}"), 1),
        ("from=2026-01-01T00:00:00Z".to_owned(), 4),
        ("until=2026-01-01T00:00:00Z".to_owned(), 0),
        ("refund_pending=true".to_owned(), 0),
    ];
    for (query, count) in queries {
        let found = app.get(&format!("{TRANSACTIONS}?{query}"), Some(&admin)).await;
        assert_eq!(found.body["items"].as_array().unwrap().len(), count, "{query}: {}", found.text);
    }
    let line = app.get(&format!("{TRANSACTIONS}?status=pending"), Some(&admin)).await;
    let line = &line.body["items"][0];
    assert_eq!((&line["user_id"], &line["amount_cents"]), (&json!(23), &json!(299)));
    assert_eq!(line["receipt_code"], pending.body["receipt_code"]);

    let mut seen = vec![];
    let mut path = format!("{TRANSACTIONS}?limit=3");
    loop {
        let page = app.get(&path, Some(&admin)).await;
        seen.extend(page.body["items"].as_array().unwrap().clone());
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("{TRANSACTIONS}?limit=3&cursor={cursor}");
    }
    assert_eq!(json!(seen), all.body["items"], "pages together are the list");
    for wrong in ["status=great", "receipt_code=1", "colour=red", "product_id=1&package_id=A"] {
        let answer = app.get(&format!("{TRANSACTIONS}?{wrong}"), Some(&admin)).await;
        answer.is_problem(400, "BAD_REQUEST");
    }
    let auditor = app.sign_in("/api/auth/admin/login", ("auditor", "auditor123")).await;
    assert_eq!(app.get(TRANSACTIONS, Some(&auditor)).await.status, 200);
    app.get(TRANSACTIONS, Some(&player)).await.is_problem(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_pending_purchase_is_made_to_end_at_the_provider_first() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let receipt = buy(&app, &player, "tok_pending").await.body["receipt_code"].clone();
    let forced = force(&app, &admin, "k-1", &receipt, "success").await;
    assert_eq!(forced.status, 200, "{}", forced.text);
    let told = (&forced.body["status"], &forced.body["new_gold_balance"]);
    assert_eq!(told, (&json!("completed"), &json!(1_100)));
    let position = forced.body["position"].as_i64().unwrap();
    let kept = query_scalar("select text from event_texts where position = $1").bind(position);
    let kept: String = kept.fetch_one(&mut app.database.superuser().await).await.unwrap();
    assert_eq!(kept, "the player called");
    assert_eq!(force(&app, &admin, "k-1", &receipt, "success").await.status, 200);
    assert_eq!(force(&app, &admin, "k-2", &receipt, "success").await.status, 200, "as wanted");
    let refused = force(&app, &admin, "k-3", &receipt, "failed").await;
    refused.is_problem(409, "CONFLICT");
    assert_eq!(refused.body["purchase_status"], "completed");

    let receipt = buy(&app, &player, "tok_pending").await.body["receipt_code"].clone();
    let forced = force(&app, &admin, "k-4", &receipt, "failed").await;
    let told = (&forced.body["status"], &forced.body["reason_code"]);
    assert_eq!(told, (&json!("voided"), &json!("GIVEN_UP_BY_STAFF")), "{}", forced.text);
    let state = query_scalar("select state from sandbox.charges where receipt_code = $1");
    let state = state.bind(receipt.as_str()).fetch_one(&mut app.database.superuser().await).await;
    assert_eq!(state.ok(), Some("voided".to_owned()));
    let refused = force(&app, &admin, "k-5", &receipt, "success").await;
    refused.is_problem(409, "CONFLICT");
    assert_eq!(refused.body["purchase_status"], "voided");
    until(&app, &player, &receipt, "voided").await;
    verifies(&app).await;
}

#[tokio::test]
async fn forcing_is_for_those_who_may_and_for_purchases_that_are_there() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let receipt = buy(&app, &player, "tok_pending").await.body["receipt_code"].clone();
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    for token in [&player, &support] {
        force(&app, token, "k", &receipt, "success").await.is_problem(403, "FORBIDDEN");
        refund(&app, token, "k", &receipt, None).await.is_problem(403, "FORBIDDEN");
    }
    for unknown in [json!("00c0ffee0001"), json!("nonsense")] {
        force(&app, &admin, "k", &unknown, "success").await.is_problem(404, "NOT_FOUND");
        refund(&app, &admin, "k", &unknown, None).await.is_problem(404, "NOT_FOUND");
    }
    for (what, wish) in [
        ("force-settle", json!({"outcome": "maybe", "reason": "why not"})),
        ("force-settle", json!({"outcome": "success"})),
        ("refund", json!({"amount_cents": 0, "reason": "nothing"})),
        ("refund", json!({"amount_cents": 1})),
        ("refund", json!({"reason": "two", "currency": "USD"})),
    ] {
        let answer = ask(&app, &admin, "k", &receipt, what, wish).await;
        answer.is_problem(422, "VALIDATION_FAILED");
    }
    let path = format!("{TRANSACTIONS}/{}/refund", receipt.as_str().unwrap());
    let without = app.post(&path, Some(&admin), json!({"reason": "no key"})).await;
    without.is_problem(400, "IDEMPOTENCY_KEY_REQUIRED");
    let pending = refund(&app, &admin, "k", &receipt, None).await;
    pending.is_problem(409, "PURCHASE_NOT_COMPLETED");
}

#[tokio::test]
async fn a_refund_takes_gold_in_proportion_and_what_is_spent_is_owed() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let receipt = buy(&app, &player, "tok_approve").await.body["receipt_code"].clone();
    let part = refund(&app, &admin, "k-1", &receipt, Some(150)).await;
    assert_eq!(part.status, 200, "{}", part.text);
    let told = (&part.body["status"], &part.body["refunded_cents"], &part.body["gold_taken"]);
    assert_eq!(told, (&json!("partially_refunded"), &json!(150), &json!(50)));
    assert_eq!(part.body["new_gold_balance"], 1_050);
    let again = refund(&app, &admin, "k-1", &receipt, Some(150)).await;
    assert_eq!(again.text, part.text);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    refund(&app, &admin, "k-2", &receipt, Some(150)).await.is_problem(409, "REFUND_TOO_LARGE");

    let spent = app.post_keyed("/test/spend", &player, "s-1", &json!({"gold": 1_030})).await;
    assert_eq!(spent.status, 200, "{}", spent.text);
    let rest = refund(&app, &admin, "k-3", &receipt, None).await;
    let told = (&rest.body["status"], &rest.body["amount_cents"], &rest.body["refunded_cents"]);
    assert_eq!(told, (&json!("refunded"), &json!(149), &json!(299)), "{}", rest.text);
    let left = (&rest.body["gold_taken"], &rest.body["debt"], &rest.body["new_gold_balance"]);
    assert_eq!(left, (&json!(20), &json!(30), &json!(0)));
    refund(&app, &admin, "k-4", &receipt, None).await.is_problem(409, "NOTHING_TO_REFUND");
    let line = until(&app, &player, &receipt, "refunded").await;
    assert_eq!(line["refunded_cents"], 299);
    verifies(&app).await;
}

#[tokio::test]
async fn what_the_provider_does_not_give_back_moves_nothing() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let receipt = buy(&app, &player, "tok_refund_refused").await.body["receipt_code"].clone();
    let refused = refund(&app, &admin, "k-1", &receipt, None).await;
    refused.is_problem(409, "CONFLICT");
    assert_eq!(refused.body["refund_status"], "refused");
    let balance = app.get("/api/users/balance", Some(&player)).await;
    assert_eq!(balance.body["gold"], 1_100);
    verifies(&app).await;
}

#[tokio::test]
async fn benefits_are_taken_back_as_far_as_they_are_unused() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let gift = json!({"gold": 60_000, "reason": "for benefits"});
    app.post_keyed("/api/admin/users/23/grant", &admin, "g", &gift).await;
    let wish = json!({"product_id": 2001, "kind": "item", "quantity": 3});
    let bought = app.post("/api/shop/buy", Some(&player), wish).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let receipt = bought.body["receipt_code"].clone();
    let item = bought.body["item_id"].as_str().unwrap();
    let used = app.post(&format!("/api/inventory/{item}/use"), Some(&player), json!({})).await;
    assert_eq!(used.status, 200, "{}", used.text);

    force(&app, &admin, "k-0", &receipt, "failed").await.is_problem(409, "CONFLICT");
    let cents = refund(&app, &admin, "k-1", &receipt, Some(1)).await;
    cents.is_problem(422, "VALIDATION_FAILED");
    let back = refund(&app, &admin, "k-2", &receipt, None).await;
    let told = (&back.body["status"], &back.body["gold_returned"], &back.body["new_gold_balance"]);
    assert_eq!(
        told,
        (&json!("partially_refunded"), &json!(40_000), &json!(41_000)),
        "{}",
        back.text
    );
    let again = refund(&app, &admin, "k-2", &receipt, None).await;
    assert_eq!(again.text, back.text);
    refund(&app, &admin, "k-3", &receipt, None).await.is_problem(409, "NOTHING_TO_REFUND");
    verifies(&app).await;
}

#[tokio::test]
async fn items_bought_with_refunded_gold_are_taken_back_for_what_is_owed() {
    let app = club(&[("CLUB_SPEND_ORDER", "paid_first")]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let product = json!({
        "kind": "item", "sku": "charm", "name": "부적", "name_en": "Charm", "price_gold": 100,
    });
    let made = app.post("/api/admin/shop/products", Some(&admin), product).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let receipt = buy(&app, &player, "tok_approve").await.body["receipt_code"].clone();
    let wish = json!({"product_id": "charm", "kind": "item"});
    assert_eq!(app.post("/api/shop/buy", Some(&player), wish).await.status, 200);
    let spend = app.post_keyed("/test/spend", &player, "s-1", &json!({"gold": 1_000})).await;
    assert_eq!(spend.body["new_gold_balance"], 0, "{}", spend.text);
    let wish = json!({"take_back_items": true, "reason": "the player called"});
    let back = ask(&app, &admin, "k-1", &receipt, "refund", wish).await;
    let told = (&back.body["status"], &back.body["gold_returned"], &back.body["debt"]);
    assert_eq!(told, (&json!("refunded"), &json!(100), &json!(0)), "{}", back.text);
    let balance = app.get("/api/users/balance", Some(&player)).await;
    assert_eq!((&balance.body["gold"], &balance.body["debt"]), (&json!(0), &json!(0)));
    verifies(&app).await;
}
