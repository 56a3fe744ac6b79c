//! `/api/inventory`.

use serde_json::{Value, json};

use crate::app::App;
use crate::provider::{club, wait_for};

/// A benefit that can be used for a day.
async fn bought(app: &App, token: &str) -> String {
    let admin = app.admin().await;
    let terms = json!({
        "id": 3001, "kind": "item", "sku": "day_pass", "name": "하루권", "name_en": "Day pass",
        "price_gold": 10, "valid_days": 1,
    });
    let defined = app.post("/api/admin/shop/products", Some(&admin), terms).await;
    assert!(defined.status.is_success(), "{}", defined.text);
    let wish = json!({"product_id": 3001, "kind": "item", "quantity": 2});
    let bought = app.post("/api/shop/buy", Some(token), wish).await;
    assert_eq!(bought.body["item_ids"].as_array().map(Vec::len), Some(2), "{}", bought.text);
    bought.body["item_id"].as_str().unwrap().to_owned()
}

async fn statuses(app: &App, token: &str) -> Vec<Value> {
    let inventory = app.get("/api/inventory", Some(token)).await;
    let items = inventory.body["items"].as_array().unwrap().clone();
    items.into_iter().map(|item| item["status"].clone()).collect()
}

#[tokio::test]
async fn an_item_is_used_once_and_expires() {
    let app = club(&[]).await;
    let token = app.player().await;
    let item = bought(&app, &token).await;
    let path = format!("/api/inventory/{item}/use");
    let first = app.post_keyed(&path, &token, "use-1", &json!({})).await;
    assert_eq!((first.status.as_u16(), &first.body["status"]), (200, &json!("used")));
    let repeat = app.post_keyed(&path, &token, "use-1", &json!({})).await;
    assert_eq!(repeat.body, first.body, "a repeat tells what the first time told");
    app.post(&path, Some(&token), json!({})).await.is_problem(404, "NOT_FOUND");
    assert_eq!(statuses(&app, &token).await, ["purchased", "used"]);

    wait_for(&app, 86_401).await;
    let token = app.player().await;
    let other = format!("/api/inventory/{}/use", item.replace("-1", "-2"));
    let late = app.post(&other, Some(&token), json!({})).await;
    assert!([409, 404].contains(&late.status.as_u16()), "{}", late.text);
    assert_eq!(statuses(&app, &token).await, ["expired", "used"]);
    // The log says so, too, soon.
    let expired = "select count(*) from events where event_type = 'item_expired'";
    let mut database = app.database.superuser().await;
    let latest = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while sqlx::query_scalar::<_, i64>(expired).fetch_one(&mut database).await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < latest, "nobody says that it has expired");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn nobody_uses_what_is_somebody_elses() {
    let app = club(&[]).await;
    let token = app.player().await;
    let item = bought(&app, &token).await;
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let path = format!("/api/inventory/{item}/use");
    app.post(&path, Some(&other), json!({})).await.is_problem(404, "NOT_FOUND");
    app.post("/api/inventory/nonsense/use", Some(&token), json!({}))
        .await
        .is_problem(404, "NOT_FOUND");
    assert_eq!(app.get("/api/inventory", Some(&other)).await.body["items"], json!([]));
}
