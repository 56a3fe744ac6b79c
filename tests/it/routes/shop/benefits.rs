//! Buying benefits with gold: `/api/shop/products`, `/api/shop/buy` with kind `item`.

use serde_json::{Value, json};

use crate::app::{App, PLAYER_ID};
use crate::provider::{club, wait_for};

async fn grant(app: &App, gold: u64) {
    let admin = app.admin().await;
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let body = json!({"gold": gold, "reason": "for the test"});
    let key = uuid::Uuid::now_v7().to_string();
    assert_eq!(app.post_keyed(&path, &admin, &key, &body).await.status, 200);
}

async fn buy(app: &App, token: &str, sku: &str) -> crate::app::Answer {
    app.post("/api/shop/buy", Some(token), json!({"product_id": sku, "kind": "item"})).await
}

#[tokio::test]
async fn a_benefit_costs_gold_and_becomes_an_item() {
    let app = club(&[]).await;
    let token = app.player().await;
    let listed = app.get("/api/shop/products", None).await;
    let benefits = listed.body.as_array().unwrap();
    let find = |sku: &str| benefits.iter().find(|one| one["sku"] == sku).unwrap().clone();
    assert_eq!(find("early_promotion")["limit"], json!({"count": 1, "per": "ever"}));
    assert_eq!(find("attendance_connect")["price_gold"], 30_000);

    let poor = buy(&app, &token, "attendance_connect").await;
    poor.is_problem(409, "INSUFFICIENT_GOLD");
    assert_eq!((&poor.body["gold"], &poor.body["needed"]), (&json!(1_000), &json!(30_000)));
    grant(&app, 40_000).await;
    let bought = buy(&app, &token, "attendance_connect").await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let told = ["gold_spent", "new_gold_balance", "gold_granted", "quantity"]
        .map(|name| &bought.body[name]);
    assert_eq!(told, [&json!(30_000), &json!(11_000), &json!(0), &json!(1)]);
    let item = bought.body["item_id"].as_str().unwrap();
    assert_eq!(item, format!("{}-1", bought.body["receipt_code"].as_str().unwrap()));
    let statement = app.get("/api/users/statement", Some(&token)).await;
    let line = &statement.body["items"][0];
    assert_eq!((&line["kind"], &line["gold"]), (&json!("item"), &json!(-30_000)));
    let listed = app.get("/api/shop/transactions", Some(&token)).await;
    let line = &listed.body["items"][0];
    assert_eq!((&line["kind"], &line["gold_spent"]), (&json!("item"), &json!(30_000)));
    let inventory = app.get("/api/inventory", Some(&token)).await;
    assert_eq!(inventory.body["items"][0]["status"], "purchased", "{}", inventory.text);
}

#[tokio::test]
async fn limits_count_in_their_period() {
    let app = club(&[("CLUB_APPROVAL_THRESHOLD", "10000000")]).await;
    let token = app.player().await;
    grant(&app, 2_000_000).await;
    assert_eq!(buy(&app, &token, "early_promotion").await.status, 200);
    let again = buy(&app, &token, "early_promotion").await;
    again.is_problem(409, "USER_LIMIT");
    assert!(again.body.get("ends_at").is_none_or(Value::is_null), "once ever");

    assert_eq!(buy(&app, &token, "charge_30_percent").await.status, 200);
    let again = buy(&app, &token, "charge_30_percent").await;
    again.is_problem(409, "USER_LIMIT");
    let ends: chrono::DateTime<chrono::Utc> =
        again.body["ends_at"].as_str().unwrap().parse().unwrap();
    let now: chrono::DateTime<chrono::Utc> =
        app.get("/test/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
    wait_for(&app, u32::try_from((ends - now).num_seconds()).unwrap() + 1).await;
    let token = app.player().await;
    assert_eq!(buy(&app, &token, "charge_30_percent").await.status, 200, "a new week");
}

#[tokio::test]
async fn a_benefit_is_no_pack_and_a_pack_is_no_benefit() {
    let app = club(&[]).await;
    let token = app.player().await;
    let pack = json!({"product_id": 1001, "kind": "item"});
    app.post("/api/shop/buy", Some(&token), pack).await.is_problem(404, "NOT_FOUND");
    let benefit = json!({"product_id": "early_promotion"});
    let answer = app.post("/api/shop/buy", Some(&token), benefit).await;
    answer.is_problem(404, "NOT_FOUND");
    assert!(answer.body["detail"].as_str().unwrap().contains("item"), "{}", answer.text);
}
