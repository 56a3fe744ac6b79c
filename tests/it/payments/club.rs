//! The whole club on Stripe: the shop's flows over HTTP, with the money at a server that speaks
//! Stripe's API.

use serde_json::{Value, json};

use crate::app::{Answer, App, PLAYER_ID, demo_database, program, replay};
use crate::provider::{until, wait_for};

const WEBHOOK_SECRET: &str = "whsec_of_the_tests";

async fn club() -> App {
    let url = std::env::var("STRIPE_TEST_URL")
        .expect("STRIPE_TEST_URL is not set: run the tests with `make test`");
    let settings = settings(&url);
    App::start_on(demo_database().await, &settings).await
}

fn settings(url: &str) -> [(&str, &str); 5] {
    [
        ("CLUB_PAYMENTS", "stripe"),
        ("STRIPE_API_KEY", "sk_test_club"),
        ("STRIPE_API_URL", url),
        ("STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
        ("CLUB_LIMITS", "off"),
    ]
}

async fn buy(app: &App, token: &str, card: &str) -> Answer {
    app.post("/api/shop/buy", Some(token), json!({"product_id": 1001, "card_token": card})).await
}

async fn buy_limited(app: &App, token: &str, card: &str) -> Answer {
    let wish = json!({"package_id": "ONE_LEFT", "card_token": card});
    app.post("/api/shop/buy-limited", Some(token), wish).await
}

async fn gold(app: &App, token: &str) -> Value {
    app.get("/api/users/balance", Some(token)).await.body["gold"].clone()
}

/// A card whose owner has to prove who they are: the purchase stays pending.
async fn undecided_card() -> String {
    let url = std::env::var("STRIPE_TEST_URL").unwrap();
    let card =
        json!({"number": "4000002500003155", "exp_month": 12, "exp_year": 2030, "cvc": "123"});
    let request = reqwest::Client::new().post(format!("{url}/v1/payment_methods"));
    let request = request.bearer_auth("sk_test_club").json(&json!({"type": "card", "card": card}));
    let method: Value = request.send().await.unwrap().json().await.unwrap();
    method["id"].as_str().unwrap().to_owned()
}

async fn refund(app: &App, receipt: &Value, key: &str, more: Value) -> Answer {
    let admin = app.admin().await;
    let path = format!("/api/admin/transactions/{}/refund", receipt.as_str().unwrap());
    let mut body = json!({"reason": "the player asked"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    app.post_keyed(&path, &admin, key, &body).await
}

/// Nothing differs between what Stripe and what the log knows of this club's purchases. The server
/// is everybody's, so charges of other tests are not ours to explain.
async fn agrees(app: &App) {
    let url = std::env::var("STRIPE_TEST_URL").unwrap();
    let reconciled = program("club", &app.database.url())
        .args(["reconcile", "--format", "json"])
        .envs(settings(&url))
        .output()
        .await
        .unwrap();
    let said: Value = serde_json::from_slice(&reconciled.stdout).unwrap_or_default();
    let ours: Vec<String> = sqlx::query_scalar(
        "select payload->>'charge_id' from events where event_type = 'purchase_requested'",
    )
    .fetch_all(&mut app.database.superuser().await)
    .await
    .unwrap();
    let differences = said["differences"].as_array().cloned().unwrap_or_default();
    let about_ours = differences.iter().filter(|one| ours.iter().any(|id| one["charge_id"] == *id));
    assert_eq!(about_ours.collect::<Vec<_>>(), Vec::<&Value>::new());
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn buying_declining_refunding_on_stripe() {
    let app = club().await;
    let token = app.player().await;
    let bought = buy(&app, &token, "pm_card_visa").await;
    assert_eq!(
        (bought.status.as_u16(), &bought.body["new_gold_balance"]),
        (200, &json!(1_100)),
        "{}",
        bought.text
    );
    buy(&app, &token, "pm_card_chargeDeclined").await.is_problem(402, "PAYMENT_DECLINED");
    assert_eq!(gold(&app, &token).await, 1_100);

    let receipt = &bought.body["receipt_code"];
    until(&app, &token, receipt, "completed").await;
    let part = refund(&app, receipt, "r-1", json!({"amount_cents": 100})).await;
    assert_eq!(
        (part.status.as_u16(), &part.body["refunded_cents"]),
        (200, &json!(100)),
        "{}",
        part.text
    );
    assert_eq!(gold(&app, &token).await, 1_067);
    // Spent before the rest goes back: a debt, which earnings repay first.
    assert_eq!(app.post("/test/spend", Some(&token), json!({"gold": 1_030})).await.status, 200);
    let rest = refund(&app, receipt, "r-2", json!({})).await;
    assert_eq!(
        (&rest.body["status"], &rest.body["debt"]),
        (&json!("refunded"), &json!(30)),
        "{}",
        rest.text
    );
    let repeat = refund(&app, receipt, "r-2", json!({})).await;
    assert_eq!(repeat.body["refunded_cents"], rest.body["refunded_cents"]);
    buy(&app, &token, "pm_card_visa").await.is_problem(403, "SPEND_LOCKED");
    let admin = app.admin().await;
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    app.post_keyed(&path, &admin, "g-1", &json!({"gold": 50, "reason": "sorry"})).await;
    assert_eq!(gold(&app, &token).await, 20);
    agrees(&app).await;
}

#[tokio::test]
async fn stock_is_held_while_stripe_waits_and_comes_back_with_the_void() {
    let app = club().await;
    let admin = app.admin().await;
    let terms = json!({
        "code": "ONE_LEFT", "name": "하나", "name_en": "One", "price_cents": 499, "gold": 600,
        "stock_total": 1, "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z",
        "is_active": true,
    });
    let offered = app.post("/api/admin/limited-packages", Some(&admin), terms).await;
    assert!(offered.status.is_success(), "{}", offered.text);
    let token = app.player().await;
    let held = buy_limited(&app, &token, &undecided_card().await).await;
    assert_eq!(held.status, 202, "{}", held.text);
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    buy_limited(&app, &other, "pm_card_visa").await.is_problem(409, "OUT_OF_STOCK");
    wait_for(&app, 121).await;
    until(&app, &token, &held.body["receipt_code"], "voided").await;
    let bought = buy_limited(&app, &other, "pm_card_visa").await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    agrees(&app).await;
}

#[tokio::test]
async fn the_staff_ends_what_stripe_has_not_decided() {
    let app = club().await;
    let (token, admin) = (app.player().await, app.admin().await);
    let pending = buy(&app, &token, &undecided_card().await).await;
    let receipt = pending.body["receipt_code"].as_str().unwrap();
    until(&app, &token, &pending.body["receipt_code"], "pending").await;
    let path = format!("/api/admin/transactions/{receipt}/force-settle");
    let wish = json!({"outcome": "failed", "reason": "the player asked"});
    let forced = app.post_keyed(&path, &admin, "f-1", &wish).await;
    assert_eq!(
        (forced.status.as_u16(), &forced.body["status"]),
        (200, &json!("voided")),
        "{}",
        forced.text
    );
    assert_eq!(gold(&app, &token).await, 1_000);
    agrees(&app).await;
}
