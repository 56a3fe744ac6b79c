//! Bodies and headers that nobody honest sends: each is told what is wrong with it, nothing is
//! written, and whoever else is in the batch is served.

use serde_json::{Value, json};

use crate::app::{Answer, App};

/// A request to buy with this body and these headers, beside a good content type.
async fn send(
    app: &App,
    token: &str,
    body: impl Into<Vec<u8>>,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = app.http.post(format!("{}/api/shop/buy", app.url)).bearer_auth(token);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.body(body.into()).send().await.unwrap()).await
}

const GOOD: &str = r#"{"product_id":1001}"#;

/// Bodies that cannot be used, with status, code, and the field that is named.
fn bodies() -> Vec<(String, u16, &'static str, Option<&'static str>)> {
    let field = |text: &str, name| (text.to_owned(), 422, "VALIDATION_FAILED", Some(name));
    let malformed = |text: &str| (text.to_owned(), 400, "MALFORMED_JSON", None);
    vec![
        field(r#"{"product_id":1001,"payment_method":"a\u0000b"}"#, "payment_method"),
        field(r#"{"product_id":"GOLD\u0000"}"#, "product_id"),
        field(r#"{"product_id":1001,"card_token":"\u0000"}"#, "card_token"),
        field(r#"{"product_id":1001,"idempotency_key":"\u0000"}"#, "idempotency_key"),
        field(r#"{"product_id":1001,"gold":1000000}"#, "gold"),
        field(r#"{"product_id":1001,"amount_cents":1}"#, "amount_cents"),
        field(r#"{"product_id":1001,"__proto__":{}}"#, "__proto__"),
        field(r#"{"product_id":1001.0}"#, "product_id"),
        field(r#"{"product_id":1e3}"#, "product_id"),
        field(r#"{"product_id":-1001}"#, "product_id"),
        field(r#"{"product_id":[1001]}"#, "product_id"),
        field(r#"{"product_id":null}"#, "product_id"),
        field(r#"{"product_id":99999999999999999999999999}"#, "product_id"),
        field(r#"{"product_id":1001,"quantity":0}"#, "quantity"),
        field(r#"{"product_id":1001,"quantity":-1}"#, "quantity"),
        field(r#"{"product_id":1001,"quantity":100}"#, "quantity"),
        field(r#"{"product_id":1001,"quantity":257}"#, "quantity"),
        field(r#"{"product_id":1001,"quantity":1.5}"#, "quantity"),
        field(r#"{"product_id":1001,"quantity":"1"}"#, "quantity"),
        field(r#"{"product_id":1001,"quantity":18446744073709551617}"#, "quantity"),
        field(r#"{"product_id":1001,"currency":"usd"}"#, "currency"),
        field(r#"{"product_id":1001,"currency":"KRW"}"#, "currency"),
        field(r#"{"product_id":1001,"kind":"diamond"}"#, "kind"),
        field(r#"{"product_id":1001,"user_id":"23"}"#, "user_id"),
        field("[]", "body"),
        field("\"buy\"", "body"),
        malformed(""),
        malformed("{"),
        malformed("product_id=1001"),
        malformed(r#"{"product_id":1001}}"#),
        malformed(r#"{"product_id":NaN}"#),
        malformed(r#"{"product_id":"\ud800"}"#),
        malformed(&"[".repeat(10_000)),
    ]
}

async fn unusable_bodies(app: &App, token: &str) {
    for (body, status, code, field) in bodies() {
        let answer = send(app, token, body.clone(), &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{body:.99} {}", answer.text);
        answer.is_problem(status, code);
        let Some(field) = field else { continue };
        let errors = answer.body["errors"].as_array().unwrap();
        let names = |error: &Value| error["loc"].as_array().unwrap().last().unwrap() == field;
        assert!(errors.iter().all(names), "{body}: {}", answer.text);
        assert_eq!(answer.body["error"]["details"], answer.body["errors"]);
    }
    send(app, token, b"\"\xff\"".to_vec(), &[]).await.is_problem(400, "MALFORMED_JSON");
    let huge = format!(r#"{{"product_id":1001,"payment_method":"{}"}}"#, "x".repeat(10_000_000));
    send(app, token, huge, &[]).await.is_problem(413, "BODY_TOO_LARGE");
}

async fn unusable_headers(app: &App, token: &str) {
    let long = "k".repeat(10_000);
    for key in [long.as_str(), &"k".repeat(256), "two words", "", "\"\"", "schlüssel"] {
        let answer = send(app, token, GOOD, &[("idempotency-key", key)]).await;
        answer.is_problem(400, "INVALID_IDEMPOTENCY_KEY");
    }
    let in_body = json!({"product_id": 1001, "idempotency_key": long}).to_string();
    send(app, token, in_body, &[]).await.is_problem(400, "INVALID_IDEMPOTENCY_KEY");
    let two = [("idempotency-key", "a"), ("x-idempotency-key", "b")];
    send(app, token, GOOD, &two).await.is_problem(400, "CONFLICTING_IDEMPOTENCY_KEYS");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"] {
        let answer = send(app, token, GOOD, &[("content-type", kind)]).await;
        answer.is_problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

#[tokio::test]
async fn whatever_is_sent_is_answered_by_name_and_nothing_is_written() {
    let app = App::start().await;
    let token = app.player().await;
    let before = app.database.events().await;
    unusable_bodies(&app, &token).await;
    unusable_headers(&app, &token).await;
    assert_eq!(app.database.events().await, before);
    let good = send(&app, &token, GOOD, &[("content-type", "application/json; charset=utf-8")]);
    assert_eq!(good.await.body["new_gold_balance"], 1100, "and the next one is served");
}

#[tokio::test]
async fn what_is_not_text_in_an_address_is_told_so_too() {
    let app = App::start().await;
    let admin = app.admin().await;
    let before = app.database.events().await;
    let wish = json!({"gold": 1, "reason": "no such user"});
    for id in ["%ff", "%00", "0", "-1", "1.5", "23x", "99999999999999999999", "%2e%2e", "23%20"] {
        let path = format!("/api/admin/users/{id}/grant");
        let answer = app.post_keyed(&path, &admin, "k", &wish).await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{id}: {}", answer.text);
        answer.is_problem(answer.status.as_u16(), answer.body["code"].as_str().unwrap());
    }
    let file = app.get("/docs/%ff", None).await;
    file.is_problem(file.status.as_u16(), file.body["code"].as_str().unwrap_or_default());
    assert_eq!(app.database.events().await, before);
}

#[tokio::test]
async fn neighbours_of_the_hostile_are_served() {
    let app = App::without_limits().await;
    let token = app.player().await;
    let before = app.database.events().await;
    let long = "k".repeat(10_000);
    // All at once, so that good and bad meet in the same batches.
    let mixed = (0..90).map(|count| {
        let (app, token, long) = (&app, &token, &long);
        async move {
            match count % 3 {
                0 => send(app, token, GOOD, &[("idempotency-key", long.as_str())]).await,
                1 => send(app, token, r#"{"product_id":"\u0000"}"#, &[]).await,
                _ => send(app, token, GOOD, &[]).await,
            }
        }
    });
    let answers = futures::future::join_all(mixed).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 30);
    let mut balances: Vec<_> =
        good.iter().map(|answer| answer.body["new_gold_balance"].as_u64().unwrap()).collect();
    balances.sort_unstable();
    assert_eq!(balances, (1..=30).map(|count| 1000 + 100 * count).collect::<Vec<_>>());
    assert_eq!(app.database.events().await, before + 60, "requested and completed, thirty times");
}
