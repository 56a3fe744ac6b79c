//! `/api/shop/limited-packages` and `/api/shop/buy-limited`.

use serde_json::{Value, json};

use crate::app::{Answer, App, replay};
use crate::provider::{club, until, wait_for};

/// Offers a package, and returns its code.
async fn offer(app: &App, code: &str, more: Value) {
    let mut terms = json!({
        "code": code, "name": "시험", "name_en": "Test", "price_cents": 499, "gold": 600,
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z", "is_active": true,
    });
    for (name, value) in more.as_object().unwrap() {
        terms[name] = value.clone();
    }
    let admin = app.admin().await;
    let answer = app.post("/api/admin/limited-packages", Some(&admin), terms).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

async fn promote(app: &App, terms: Value) {
    let admin = app.admin().await;
    let answer = app.post("/api/admin/promo-codes", Some(&admin), terms).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

async fn buy(app: &App, token: &str, wish: Value) -> Answer {
    app.post("/api/shop/buy-limited", Some(token), wish).await
}

async fn listed(app: &App, token: &str, code: &str) -> Value {
    let packages = app.get("/api/shop/limited-packages", Some(token)).await;
    let found = packages.body.as_array().unwrap().iter().find(|one| one["code"] == code).cloned();
    found.unwrap_or_else(|| panic!("{code} is not in {}", packages.text))
}

async fn players(app: &App) -> Vec<String> {
    let mut tokens = Vec::new();
    for name in ["minjun", "seoyeon", "dohyun", "jiwoo"] {
        tokens.push(app.sign_in("/api/auth/login", (name, "1234")).await);
    }
    tokens
}

#[tokio::test]
async fn the_demos_packages_are_sold_as_the_price_list_says() {
    let app = club(&[]).await;
    let token = app.player().await;
    let starter = listed(&app, &token, "WEEKEND_STARTER").await;
    let told = [
        "package_id",
        "price_cents",
        "gold",
        "per_user_limit",
        "remaining_stock",
        "user_remaining",
        "is_active",
    ];
    let expected = json!(["WEEKEND_STARTER", 499, 600, 1, 1000, 1, true]);
    assert_eq!(json!(told.map(|name| &starter[name])), expected);
    let bought = buy(&app, &token, json!({"package_id": "WEEKEND_STARTER"})).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let told =
        ["code", "product_id", "total_price_cents", "gold_granted", "new_gold_balance", "status"];
    let expected = json!(["WEEKEND_STARTER", "WEEKEND_STARTER", 499, 600, 1600, "completed"]);
    assert_eq!(json!(told.map(|name| &bought.body[name])), expected);
    let starter = listed(&app, &token, "WEEKEND_STARTER").await;
    assert_eq!((&starter["remaining_stock"], &starter["user_remaining"]), (&json!(999), &json!(0)));
    let again = buy(&app, &token, json!({"package_id": "WEEKEND_STARTER"})).await;
    again.is_problem(409, "USER_LIMIT");
    assert_eq!((&again.body["had"], &again.body["most"]), (&json!(1), &json!(1)));
    assert!(listed(&app, &token, "VIP_BLITZ").await["remaining_stock"].is_null());
}

#[tokio::test]
async fn what_is_gone_is_gone_until_a_void_gives_it_back() {
    let app = club(&[]).await;
    let tokens = players(&app).await;
    offer(&app, "TWO_LEFT", json!({"stock_total": 2})).await;
    let wish = |card: &str| json!({"package_id": "TWO_LEFT", "card_token": card});
    let held = buy(&app, &tokens[0], wish("tok_pending")).await;
    assert_eq!(held.status, 202, "{}", held.text);
    assert_eq!(buy(&app, &tokens[1], wish("tok_approve")).await.status, 200);
    let sold_out = buy(&app, &tokens[2], wish("tok_approve")).await;
    sold_out.is_problem(409, "OUT_OF_STOCK");
    assert_eq!(
        (&sold_out.body["remaining_stock"], &sold_out.body["code"]),
        (&json!(0), &json!("TWO_LEFT"))
    );
    let declined = buy(&app, &tokens[2], wish("tok_decline")).await;
    declined.is_problem(409, "OUT_OF_STOCK");

    // Held for two minutes, not five.
    wait_for(&app, 121).await;
    until(&app, &tokens[0], &held.body["receipt_code"], "voided").await;
    let declined = buy(&app, &tokens[2], wish("tok_decline")).await;
    declined.is_problem(402, "PAYMENT_DECLINED");
    assert_eq!(buy(&app, &tokens[3], wish("tok_approve")).await.status, 200, "it came back twice");
    buy(&app, &tokens[2], wish("tok_approve")).await.is_problem(409, "OUT_OF_STOCK");
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_package_is_sold_in_its_window_only() {
    let app = club(&[]).await;
    let token = app.player().await;
    let now: chrono::DateTime<chrono::Utc> =
        app.get("/test/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
    let at = |seconds| (now + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
    offer(&app, "SOON", json!({"starts_at": at(100), "ends_at": at(200)})).await;
    let wish = json!({"package_id": "SOON"});
    buy(&app, &token, wish.clone()).await.is_problem(409, "WINDOW_CLOSED");
    assert_eq!(listed(&app, &token, "SOON").await["is_active"], false);
    wait_for(&app, 100).await;
    assert_eq!(buy(&app, &token, wish.clone()).await.status, 200);
    wait_for(&app, 100).await;
    buy(&app, &token, wish).await.is_problem(409, "WINDOW_CLOSED");

    offer(&app, "OFF", json!({})).await;
    let admin = app.admin().await;
    let off = app.post("/api/admin/limited-packages/OFF/disable", Some(&admin), json!({})).await;
    assert!(off.status.is_success(), "{}", off.text);
    buy(&app, &token, json!({"package_id": "OFF"})).await.is_problem(409, "WINDOW_CLOSED");
    buy(&app, &token, json!({"package_id": "NEVER"})).await.is_problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn promotions_take_off_and_run_out() {
    let app = club(&[]).await;
    let tokens = players(&app).await;
    offer(&app, "SALE", json!({"price_cents": 1_999})).await;
    promote(&app, json!({"code": "TEN", "percent": 10, "max_uses": 2, "per_user_limit": 1})).await;
    promote(&app, json!({"code": "DOLLAR", "cents_off": 100, "package_id": "SALE"})).await;
    let wish = |promo: &str, card: &str| json!({"package_id": "SALE", "quantity": 2, "promo_code": promo, "card_token": card});
    // 39.98 less 10 %: 35.982, floored.
    let bought = buy(&app, &tokens[0], wish("ten", "tok_approve")).await;
    assert_eq!(
        (&bought.body["total_price_cents"], &bought.body["promo_off_cents"]),
        (&json!(3_598), &json!(400)),
        "{}",
        bought.text
    );
    let again = buy(&app, &tokens[0], wish("TEN", "tok_approve")).await;
    again.is_problem(409, "USER_LIMIT");
    // What is declined is not used up.
    buy(&app, &tokens[1], wish("TEN", "tok_decline")).await.is_problem(402, "PAYMENT_DECLINED");
    assert_eq!(buy(&app, &tokens[1], wish("TEN", "tok_approve")).await.status, 200);
    buy(&app, &tokens[2], wish("TEN", "tok_approve")).await.is_problem(409, "PROMO_EXHAUSTED");
    let dollar = buy(&app, &tokens[2], wish("DOLLAR", "tok_approve")).await;
    assert_eq!(dollar.body["total_price_cents"], 3_898, "{}", dollar.text);
    buy(&app, &tokens[2], wish("NOTHING", "tok_approve")).await.is_problem(404, "NOT_FOUND");
    let elsewhere = json!({"package_id": "VIP_BLITZ", "promo_code": "DOLLAR"});
    buy(&app, &tokens[2], elsewhere).await.is_problem(404, "NOT_FOUND");
    let charged: Vec<i64> = sqlx::query_scalar(
        "select amount_cents from sandbox.charges where state = 'captured' order by amount_cents",
    )
    .fetch_all(&mut app.database.superuser().await)
    .await
    .unwrap();
    assert_eq!(charged, [3_598, 3_598, 3_898], "the provider took exactly what was said");
}

#[tokio::test]
async fn five_limited_purchases_in_ten_seconds_are_enough() {
    let app = club(&[]).await;
    let token = app.player().await;
    offer(&app, "MANY", json!({})).await;
    let wish = json!({"package_id": "MANY"});
    for _ in 0..5 {
        assert_eq!(buy(&app, &token, wish.clone()).await.status, 200);
    }
    let refused = buy(&app, &token, wish.clone()).await;
    refused.is_problem(429, "RATE_LIMIT");
    let told = (&refused.body["limit"], &refused.body["setting"]);
    assert_eq!(told, (&json!("limited_purchases"), &json!("CLUB_LIMIT_LIMITED_PURCHASES")));
    assert!(refused.headers.contains_key("retry-after") && refused.body["ends_at"].is_string());
    wait_for(&app, 11).await;
    assert_eq!(buy(&app, &token, wish).await.status, 200);
}

#[tokio::test]
async fn what_nobody_honest_sends_is_refused_and_writes_nothing() {
    let app = club(&[]).await;
    let token = app.player().await;
    let before = app.database.events().await;
    let wrong = [
        json!({}),
        json!({"package_id": "VIP_BLITZ", "quantity": 11}),
        json!({"package_id": "VIP_BLITZ", "quantity": 0}),
        json!({"package_id": "VIP_BLITZ", "quantity": -1}),
        json!({"package_id": "VIP_BLITZ", "quantity": 4_294_967_297_u64}),
        json!({"package_id": "VIP_BLITZ", "total_price_cents": 1}),
        json!({"package_id": "VIP_BLITZ", "gold": 1_000_000}),
        json!({"package_id": 7}),
        json!({"package_id": "VIP_BLITZ", "promo_code": "a b"}),
        json!({"package_id": "VIP_BLITZ", "currency": "EUR"}),
    ];
    for wish in wrong {
        buy(&app, &token, wish).await.is_problem(422, "VALIDATION_FAILED");
    }
    let other = json!({"package_id": "VIP_BLITZ", "user_id": 22});
    buy(&app, &token, other).await.is_problem(403, "USER_MISMATCH");
    assert_eq!(app.database.events().await, before);
}
