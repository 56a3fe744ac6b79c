//! `/api/shop/limits`: what players set against spending too much.

use serde_json::{Value, json};

use crate::app::{Answer, App};
use crate::provider::{club, wait_for};

async fn set(app: &App, token: &str, wish: Value) -> Answer {
    app.call("PUT".parse().unwrap(), "/api/shop/limits", Some(token), Some(wish)).await
}

async fn buy(app: &App, token: &str, quantity: u8) -> Answer {
    app.post("/api/shop/buy", Some(token), json!({"product_id": 1001, "quantity": quantity})).await
}

#[tokio::test]
async fn a_monthly_limit_counts_at_once_and_a_raise_after_a_day() {
    let app = club(&[]).await;
    let token = app.player().await;
    let none = app.get("/api/shop/limits", Some(&token)).await;
    assert!(none.body["monthly_spend_cents"].is_null(), "{}", none.text);
    assert_eq!(buy(&app, &token, 1).await.status, 200);
    let low = set(&app, &token, json!({"monthly_spend_cents": 700})).await;
    let told = ["monthly_spend_cents", "spent_this_month_cents", "left_this_month_cents"];
    assert_eq!(json!(told.map(|name| &low.body[name])), json!([700, 299, 401]), "{}", low.text);
    // A decline costs nothing.
    let declined = json!({"product_id": 1001, "card_token": "tok_decline"});
    app.post("/api/shop/buy", Some(&token), declined).await.is_problem(402, "PAYMENT_DECLINED");
    let refused = buy(&app, &token, 2).await;
    refused.is_problem(409, "USER_LIMIT");
    assert_eq!(
        (&refused.body["limit"], &refused.body["left_cents"]),
        (&json!("monthly_spend"), &json!(401))
    );
    assert_eq!(buy(&app, &token, 1).await.status, 200);

    let raised = set(&app, &token, json!({"monthly_spend_cents": null})).await;
    assert_eq!(raised.body["monthly_spend_cents"], 700, "{}", raised.text);
    assert!(raised.body["next"]["effective_at"].is_string());
    buy(&app, &token, 1).await.is_problem(409, "USER_LIMIT");
    wait_for(&app, 86_401).await;
    let token = app.player().await;
    assert_eq!(buy(&app, &token, 99).await.status, 200);
}

#[tokio::test]
async fn a_pause_locks_spending_and_is_never_made_shorter() {
    let app = club(&[]).await;
    let token = app.player().await;
    let paused = set(&app, &token, json!({"cooling_off_hours": 2})).await;
    assert!(paused.body["cooling_off_until"].is_string(), "{}", paused.text);
    let refused = buy(&app, &token, 1).await;
    refused.is_problem(403, "SPEND_LOCKED");
    assert_eq!(refused.body["lock"], "cooling_off");
    let spend = app.post("/test/spend", Some(&token), json!({"gold": 1})).await;
    spend.is_problem(403, "SPEND_LOCKED");
    set(&app, &token, json!({"cooling_off_hours": 1}))
        .await
        .is_problem(409, "PAUSE_CANNOT_BE_SHORTENED");
    wait_for(&app, 7_201).await;
    let token = app.player().await;
    assert_eq!(buy(&app, &token, 1).await.status, 200);

    let excluded = set(&app, &token, json!({"self_exclusion_days": "forever"})).await;
    assert_eq!(
        (&excluded.body["self_excluded"], &excluded.body["self_excluded_until"]),
        (&json!(true), &json!(null))
    );
    set(&app, &token, json!({"self_exclusion_days": 30}))
        .await
        .is_problem(409, "PAUSE_CANNOT_BE_SHORTENED");
    let refused = buy(&app, &token, 1).await;
    refused.is_problem(403, "SPEND_LOCKED");
    assert_eq!(refused.body["lock"], "self_exclusion");
}

#[tokio::test]
async fn one_thing_is_set_at_a_time_and_within_bounds() {
    let app = club(&[]).await;
    let token = app.player().await;
    let wrong = [
        json!({}),
        json!({"monthly_spend_cents": 100, "cooling_off_hours": 1}),
        json!({"monthly_spend_cents": -1}),
        json!({"monthly_spend_cents": "100"}),
        json!({"cooling_off_hours": 0}),
        json!({"cooling_off_hours": 10_000}),
        json!({"self_exclusion_days": 29}),
        json!({"self_exclusion_days": "soon"}),
        json!({"limit": 1}),
    ];
    for wish in wrong {
        set(&app, &token, wish).await.is_problem(422, "VALIDATION_FAILED");
    }
}
