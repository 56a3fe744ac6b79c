//! Every way a payment can go, by the sandbox's card tokens.

use serde_json::{Value, json};

use crate::app::{Answer, App, replay};
use crate::provider::{club, tell, until, wait_for};

async fn buy(app: &App, token: &str, card: &str) -> Answer {
    app.post("/api/shop/buy", Some(token), json!({"product_id": 1001, "card_token": card})).await
}

async fn gold(app: &App, token: &str) -> i64 {
    app.get("/api/users/balance", Some(token)).await.body["gold"].as_i64().unwrap()
}

/// Buys with a card that leaves the purchase pending; its receipt.
async fn pending(app: &App, token: &str, card: &str) -> Value {
    let answer = buy(app, token, card).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let told = (&answer.body["success"], &answer.body["reason_code"], &answer.body["status"]);
    assert_eq!(told, (&json!(false), &json!("PAYMENT_PENDING"), &json!("pending")));
    assert!(answer.body["new_gold_balance"].is_null());
    answer.body["receipt_code"].clone()
}

async fn settle(app: &App, token: &str, receipt: &Value) -> Answer {
    let path = format!("/api/shop/transactions/{}/settle", receipt.as_str().unwrap());
    app.post(&path, Some(token), json!({})).await
}

async fn verifies(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_declined_card_says_why() {
    let app = club(&[]).await;
    let token = app.player().await;
    let cards = [
        ("tok_decline", "PAYMENT_DECLINED"),
        ("tok_decline_insufficient_funds", "INSUFFICIENT_FUNDS"),
        ("tok_decline_expired_card", "EXPIRED_CARD"),
    ];
    for (card, reason) in cards {
        let answer = buy(&app, &token, card).await;
        answer.is_problem(402, "PAYMENT_DECLINED");
        assert_eq!(answer.body["decline_reason"], reason);
        let line = until(&app, &token, &answer.body["receipt_code"], "failed").await;
        assert_eq!(line["reason_code"], reason);
    }
    assert_eq!(gold(&app, &token).await, 1_000);
}

#[tokio::test]
async fn a_pending_purchase_is_completed_once_by_message_and_polls_together() {
    let app = club(&[]).await;
    let token = app.player().await;
    let receipt = pending(&app, &token, "tok_pending").await;
    let polled = settle(&app, &token, &receipt).await;
    assert_eq!((polled.status.as_u16(), &polled.body["status"]), (200, &json!("pending")));
    let messages = (0..5).map(|n| {
        let (app, receipt, id) = (&app, &receipt, format!("evt-{}", n % 2));
        async move { tell(app, &id, receipt, "succeeded").await }
    });
    let polls = (0..5).map(|_| settle(&app, &token, &receipt));
    futures::join!(futures::future::join_all(messages), futures::future::join_all(polls));
    until(&app, &token, &receipt, "completed").await;
    let settled = settle(&app, &token, &receipt).await;
    assert_eq!(settled.body["success"], true, "{}", settled.text);
    assert_eq!(
        (&settled.body["status"], &settled.body["new_gold_balance"]),
        (&json!("completed"), &json!(1100))
    );
    assert_eq!(gold(&app, &token).await, 1_100);
    // What comes afterwards changes nothing.
    tell(&app, "evt-late", &receipt, "failed").await;
    assert_eq!(settle(&app, &token, &receipt).await.body["status"], "completed");
    verifies(&app).await;
}

#[tokio::test]
async fn a_pending_purchase_is_declined_by_message() {
    let app = club(&[]).await;
    let token = app.player().await;
    let receipt = pending(&app, &token, "tok_pending").await;
    tell(&app, "evt-1", &receipt, "failed").await;
    until(&app, &token, &receipt, "failed").await;
    tell(&app, "evt-2", &receipt, "succeeded").await;
    let settled = settle(&app, &token, &receipt).await;
    assert_eq!(
        (&settled.body["success"], &settled.body["status"]),
        (&json!(false), &json!("failed"))
    );
    assert_eq!(gold(&app, &token).await, 1_000);
}

#[tokio::test]
async fn a_pending_purchase_is_given_up_after_five_minutes_at_the_provider_first() {
    let app = club(&[]).await;
    let token = app.player().await;
    let receipt = pending(&app, &token, "tok_pending").await;
    wait_for(&app, 299).await;
    assert_eq!(settle(&app, &token, &receipt).await.body["status"], "pending");
    wait_for(&app, 2).await;
    let line = until(&app, &token, &receipt, "voided").await;
    assert_eq!(line["reason_code"], "TIMED_OUT");
    let state: String = sqlx::query_scalar("select state from sandbox.charges")
        .fetch_one(&mut app.database.superuser().await)
        .await
        .unwrap();
    assert_eq!(state, "voided");
    tell(&app, "evt-late", &receipt, "succeeded").await;
    assert_eq!(settle(&app, &token, &receipt).await.body["status"], "voided");
    assert_eq!(gold(&app, &token).await, 1_000);
    verifies(&app).await;
}

#[tokio::test]
async fn a_purchase_ends_by_itself_when_the_provider_decides() {
    let app = club(&[("CLUB_SANDBOX_DELAY_MS", "50")]).await;
    let token = app.player().await;
    let paid = pending(&app, &token, "tok_pending_success").await;
    until(&app, &token, &paid, "completed").await;
    let failed = pending(&app, &token, "tok_pending_failure").await;
    until(&app, &token, &failed, "failed").await;
    assert_eq!(gold(&app, &token).await, 1_100);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_found_again() {
    let app = club(&[]).await;
    let token = app.player().await;
    let receipt = pending(&app, &token, "tok_timeout").await;
    let settled = settle(&app, &token, &receipt).await;
    assert_eq!(settled.body["status"], "completed", "{}", settled.text);
    assert_eq!(gold(&app, &token).await, 1_100);
    // And by itself, without anybody asking.
    let receipt = pending(&app, &token, "tok_timeout").await;
    until(&app, &token, &receipt, "completed").await;
    assert_eq!(gold(&app, &token).await, 1_200);
}

#[tokio::test]
async fn messages_that_come_first_or_three_times_credit_once() {
    let app = club(&[("CLUB_SANDBOX_DELAY_MS", "50")]).await;
    let token = app.player().await;
    for (card, balance) in [("tok_webhook_first", 1_100), ("tok_duplicate_webhook", 1_200)] {
        let bought = buy(&app, &token, card).await;
        assert_eq!(bought.status, 200, "{card}: {}", bought.text);
        assert_eq!(bought.body["new_gold_balance"], balance, "{card}");
        until(&app, &token, &bought.body["receipt_code"], "completed").await;
    }
    assert_eq!(gold(&app, &token).await, 1_200);
    verifies(&app).await;
}

#[tokio::test]
async fn money_that_is_taken_after_the_void_goes_back_and_that_is_recorded() {
    let app = club(&[("CLUB_SANDBOX_DELAY_MS", "50")]).await;
    let token = app.player().await;
    let receipt = pending(&app, &token, "tok_capture_after_void").await;
    wait_for(&app, 301).await;
    until(&app, &token, &receipt, "voided").await;
    wait_for(&app, 5).await;
    let recorded = "select count(*) from events where event_type = 'late_capture_refunded'";
    let refunded = "select coalesce(sum(amount_cents), 0)::bigint from sandbox.refunds";
    let mut database = app.database.superuser().await;
    let latest = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let count: i64 = sqlx::query_scalar(recorded).fetch_one(&mut database).await.unwrap();
        if count == 1 {
            break;
        }
        assert!(tokio::time::Instant::now() < latest, "it is not recorded");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let cents: i64 = sqlx::query_scalar(refunded).fetch_one(&mut database).await.unwrap();
    assert_eq!(cents, 299);
    assert_eq!(settle(&app, &token, &receipt).await.body["status"], "voided");
    assert_eq!(gold(&app, &token).await, 1_000);
    verifies(&app).await;
}

#[tokio::test]
async fn what_the_provider_gives_back_or_the_bank_takes_back_takes_the_gold() {
    let app = club(&[("CLUB_SANDBOX_DELAY_MS", "50")]).await;
    let token = app.player().await;
    let bought = buy(&app, &token, "tok_late_refund").await;
    assert_eq!(bought.body["new_gold_balance"], 1_100, "{}", bought.text);
    let line = until(&app, &token, &bought.body["receipt_code"], "refunded").await;
    assert_eq!(line["refunded_cents"], 299);
    assert_eq!(gold(&app, &token).await, 1_000);

    // Spent before the bank takes it back: a debt.
    let bought = buy(&app, &token, "tok_chargeback").await;
    let spent = app.post("/test/spend", Some(&token), json!({"gold": 1_070})).await;
    until(&app, &token, &bought.body["receipt_code"], "charged_back").await;
    let balance = app.get("/api/users/balance", Some(&token)).await.body;
    if spent.status == 200 {
        assert_eq!((&balance["gold"], &balance["debt"]), (&json!(0), &json!(70)));
        let locked = buy(&app, &token, "tok_approve").await;
        locked.is_problem(403, "SPEND_LOCKED");
        assert_eq!((&locked.body["lock"], &locked.body["debt"]), (&json!("debt"), &json!(70)));
    } else {
        // The bank was faster than this test.
        assert_eq!((&balance["gold"], &balance["debt"]), (&json!(1_000), &json!(0)));
    }
    verifies(&app).await;
}

#[tokio::test]
async fn a_player_settles_only_purchases_of_their_own() {
    let app = club(&[]).await;
    let token = app.player().await;
    let receipt = pending(&app, &token, "tok_pending").await;
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    settle(&app, &other, &receipt).await.is_problem(404, "NOT_FOUND");
    settle(&app, &token, &json!("000000000000")).await.is_problem(404, "NOT_FOUND");
    settle(&app, &token, &json!("nonsense")).await.is_problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn too_many_purchases_or_cards_stop_buying_for_a_while() {
    let app = club(&[("CLUB_LIMIT_PURCHASES", "3/300"), ("CLUB_LIMIT_CARDS", "2/60")]).await;
    let token = app.player().await;
    for card in ["tok_a", "tok_b"] {
        assert_eq!(buy(&app, &token, card).await.status, 200);
    }
    let before = app.database.events().await;
    let blocked = buy(&app, &token, "tok_c").await;
    blocked.is_problem(429, "FRAUD_BLOCK");
    assert_eq!(
        (&blocked.body["limit"], &blocked.body["setting"]),
        (&json!("cards"), &json!("CLUB_LIMIT_CARDS"))
    );
    assert!(blocked.body["ends_at"].is_string() && blocked.headers.contains_key("retry-after"));
    // One event says so, however often somebody tries.
    buy(&app, &token, "tok_a").await.is_problem(429, "FRAUD_BLOCK");
    assert_eq!(app.database.events().await, before + 1);
    wait_for(&app, 61).await;
    assert_eq!(buy(&app, &token, "tok_a").await.status, 200);
    let blocked = buy(&app, &token, "tok_a").await;
    blocked.is_problem(429, "FRAUD_BLOCK");
    assert_eq!(blocked.body["limit"], "purchases");
}
