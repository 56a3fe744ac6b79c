//! `/api/admin/users/{id}/notes`.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::query_scalar;
use tokio::time::{Duration, Instant, sleep};

use crate::app::App;

const NOTES: &str = "/api/admin/users/23/notes";

async fn texts(app: &App, token: &str) -> Vec<Value> {
    let shown = app.get(NOTES, Some(token)).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let items = shown.body["items"].as_array().unwrap();
    items.iter().map(|note| note["text"].clone()).collect()
}

#[tokio::test]
async fn a_note_is_written_read_and_taken_away_with_its_text() {
    let app = App::start().await;
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    let text = "called twice\nwants his \"bonus\" back";
    let written = app.post_keyed(NOTES, &support, "n-1", &json!({"text": text})).await;
    assert_eq!(
        (written.status.as_u16(), &written.body["id"]),
        (201, &json!(1)),
        "{}",
        written.text
    );
    let again = app.post_keyed(NOTES, &support, "n-1", &json!({"text": text})).await;
    assert_eq!(
        (&again.body, &again.headers["idempotency-replayed"]),
        (&written.body, &"true".parse().unwrap())
    );
    app.post_keyed(NOTES, &support, "n-1", &json!({"text": "another"}))
        .await
        .is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    app.post(NOTES, Some(&support), json!({"text": "patient"})).await;
    assert_eq!(texts(&app, &support).await, [json!("patient"), json!(text)]);
    let detail = app.get("/api/admin/users/23", Some(&app.admin().await)).await;
    let note = &detail.body["notes"][1];
    assert_eq!(
        (&note["text"], &note["author"]),
        (&json!(text), &json!("admin:3")),
        "{}",
        detail.text
    );
    // Beside the log, not in it.
    let in_log = "select count(*) from events where payload::text like '%called twice%'";
    let mut superuser = app.database.superuser().await;
    assert_eq!(query_scalar::<_, i64>(in_log).fetch_one(&mut superuser).await.unwrap(), 0);

    let remove = |note: &str| {
        let path = format!("{NOTES}/{note}");
        let (app, support) = (&app, support.clone());
        async move { app.call(Method::DELETE, &path, Some(&support), None).await }
    };
    assert_eq!(remove("1").await.status, 200);
    assert_eq!(texts(&app, &support).await, [json!("patient")]);
    assert_eq!(remove("1").await.status, 200, "taken away before");
    for nothing in ["3", "0", "-1", "x", "99999999999"] {
        remove(nothing).await.is_problem(404, "NOT_FOUND");
    }
    let latest = Instant::now() + Duration::from_secs(10);
    let kept = "select count(*) from event_texts where text like 'called twice%'";
    while query_scalar::<_, i64>(kept).fetch_one(&mut superuser).await.unwrap() > 0 {
        assert!(Instant::now() < latest, "the text is still there");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn notes_that_cannot_be_are_refused() {
    let app = App::start().await;
    let admin = app.admin().await;
    for bad in [
        json!({}),
        json!({"text": "x"}),
        json!({"text": "a\u{7}bc"}),
        json!({"text": "y".repeat(2_001)}),
    ] {
        app.post(NOTES, Some(&admin), bad).await.is_problem(422, "VALIDATION_FAILED");
    }
    for nobody in ["4711", "0", "me"] {
        let path = format!("/api/admin/users/{nobody}/notes");
        app.post(&path, Some(&admin), json!({"text": "of whom?"}))
            .await
            .is_problem(404, "NOT_FOUND");
        app.get(&path, Some(&admin)).await.is_problem(404, "NOT_FOUND");
    }
    let operator = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    let refused = app.post(NOTES, Some(&operator), json!({"text": "no"})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["permission"]),
        (403, &json!("write_notes"))
    );
    assert!(texts(&app, &operator).await.is_empty());
}
