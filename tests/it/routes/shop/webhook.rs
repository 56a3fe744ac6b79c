//! `/api/shop/webhook/payment`: what is believed, and what is not.

use serde_json::json;

use crate::provider::{self, Message, OLD_SECRET, SECRET, club, message, send, signed};

#[tokio::test]
async fn only_what_is_signed_now_by_a_known_secret_is_believed() {
    let app = club(&[]).await;
    let now = provider::now(&app).await;
    let body = json!({"event_id": "e", "receipt_code": "00c0ffee0001", "status": "succeeded"});
    let body = body.to_string();
    let believed = [(SECRET, now), (OLD_SECRET, now), (SECRET, now - 299), (SECRET, now + 290)];
    for (secret, timestamp) in believed {
        let answer = send(&app, &signed(secret, timestamp, "e", &body)).await;
        assert_eq!(answer.status, 200, "{secret} {timestamp}: {}", answer.text);
    }
    for timestamp in [now - 310, now + 310, 0] {
        let answer = send(&app, &signed(SECRET, timestamp, "e", &body)).await;
        answer.is_problem(400, "WEBHOOK_STALE");
    }
    send(&app, &signed("guessed", now, "e", &body)).await.is_problem(401, "WEBHOOK_SIGNATURE");
    // Nothing of what is signed can be changed.
    let good = || signed(SECRET, now, "e", &body);
    let touched: [fn(&mut Message); 4] = [
        |message| message.body = message.body.replace("succeeded", "failed"),
        |message| message.headers[1].1.push('1'),
        |message| message.headers[2].1 = "another".to_owned(),
        |message| drop(message.headers.remove(0)),
    ];
    for touch in touched {
        let mut message = good();
        touch(&mut message);
        send(&app, &message).await.is_problem(401, "WEBHOOK_SIGNATURE");
    }
    let mut other = good();
    other.headers[3].1 = "f".to_owned();
    send(&app, &other).await.is_problem(400, "BAD_REQUEST");
    send(&app, &signed(SECRET, now, "e", "not json")).await.is_problem(400, "BAD_REQUEST");
}

#[tokio::test]
async fn a_message_counts_once_and_never_carries_a_balance() {
    let app = club(&[]).await;
    let token = app.player().await;
    let wish = json!({"product_id": 1001, "card_token": "tok_pending"});
    let receipt = app.post("/api/shop/buy", Some(&token), wish).await.body["receipt_code"].clone();
    let first = message(&app, "evt-1", &receipt, "succeeded").await;
    for duplicate in [false, true, true] {
        let answer = send(&app, &first).await;
        assert_eq!(answer.body, json!({"ok": true, "duplicate": duplicate}));
    }
    provider::until(&app, &token, &receipt, "completed").await;
    // A message that brings its own amount is not even read.
    let now = provider::now(&app).await;
    let greedy = json!({"event_id": "evt-2", "receipt_code": receipt, "status": "succeeded", "gold": 1_000_000});
    let answer = send(&app, &signed(SECRET, now, "evt-2", &greedy.to_string())).await;
    assert!([200, 400].contains(&answer.status.as_u16()), "{}", answer.text);
    let balance = app.get("/api/users/balance", Some(&token)).await;
    assert_eq!(balance.body["gold"], 1_100);
    let raw: Vec<u8> =
        sqlx::query_scalar("select body from payments.webhooks where event_id = 'evt-1'")
            .fetch_one(&mut app.database.superuser().await)
            .await
            .unwrap();
    assert_eq!(raw, first.body.as_bytes(), "kept exactly as it came");
}

#[tokio::test]
async fn a_message_about_nothing_is_taken_and_leads_to_nothing() {
    let app = club(&[]).await;
    let before = app.database.events().await;
    provider::tell(&app, "evt-1", &json!("00c0ffee0001"), "succeeded").await;
    provider::tell(&app, "evt-2", &json!("no receipt"), "succeeded").await;
    assert_eq!(app.database.events().await, before);
}
