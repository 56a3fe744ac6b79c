//! The payment provider, played by a test: signed messages about purchases.

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::app::{Answer, App, demo_database};
use crate::database::Database;

/// What the provider and the club share in these tests, and what they shared before.
pub const SECRET: &str = "webhook-secret-of-the-tests";
pub const OLD_SECRET: &str = "webhook-secret-of-last-year";

/// A club that believes messages signed with [`SECRET`] or [`OLD_SECRET`], with more settings.
pub async fn club(more: &[(&str, &str)]) -> App {
    club_on(demo_database().await, more).await
}

/// The same on this database.
pub async fn club_on(database: Database, more: &[(&str, &str)]) -> App {
    let secrets = format!("{SECRET},{OLD_SECRET}");
    let mut settings = vec![("CLUB_WEBHOOK_SECRETS", secrets.as_str())];
    settings.extend_from_slice(more);
    App::start_on(database, &settings).await
}

/// A message on its way.
pub struct Message {
    pub body: String,
    pub headers: Vec<(&'static str, String)>,
}

/// What the club takes for now, in seconds since 1970.
pub async fn now(app: &App) -> i64 {
    let now = app.get("/test/clock", None).await.body["now"].as_str().unwrap().to_owned();
    now.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp()
}

/// A message about a purchase, signed now by the club's clock.
pub async fn message(app: &App, event_id: &str, receipt: &Value, status: &str) -> Message {
    let body = json!({"event_id": event_id, "receipt_code": receipt, "status": status});
    signed(SECRET, now(app).await, event_id, &body.to_string())
}

/// A body with the headers that go with it.
pub fn signed(secret: &str, timestamp: i64, event_id: &str, body: &str) -> Message {
    let nonce = uuid::Uuid::new_v4().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{nonce}.{body}").as_bytes());
    let signature = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    Message {
        body: body.to_owned(),
        headers: vec![
            ("x-signature", signature),
            ("x-timestamp", timestamp.to_string()),
            ("x-nonce", nonce),
            ("x-event-id", event_id.to_owned()),
        ],
    }
}

/// Sends a message as it is.
pub async fn send(app: &App, message: &Message) -> Answer {
    let mut request = app.http.post(format!("{}/api/shop/webhook/payment", app.url));
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let request = request.header("content-type", "application/json");
    Answer::read(request.body(message.body.clone()).send().await.unwrap()).await
}

/// Tells that something happened to a purchase; the message must be taken.
pub async fn tell(app: &App, event_id: &str, receipt: &Value, status: &str) {
    let answer = send(app, &message(app, event_id, receipt, status).await).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["ok"]),
        (200, &json!(true)),
        "{}",
        answer.text
    );
}

/// Moves the club's clock on.
pub async fn wait_for(app: &App, seconds: u32) {
    let moved = app.post("/test/clock", None, json!({"advance_seconds": seconds})).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
}

/// Waits until a purchase of the player has this status, and returns its line.
pub async fn until(app: &App, token: &str, receipt: &Value, status: &str) -> Value {
    let latest = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let listed = app.get("/api/shop/transactions", Some(token)).await;
        let items = listed.body["items"].as_array().cloned().unwrap_or_default();
        let line = items.into_iter().find(|item| item["receipt_code"] == *receipt);
        if let Some(line) = line.filter(|line| line["status"] == status) {
            return line;
        }
        assert!(tokio::time::Instant::now() < latest, "{receipt} is not {status}: {}", listed.text);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
