//! Signed requests, as the route that takes actions believes or refuses them. What it then makes of
//! them is its own matter.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{handed_out, services};
use crate::app::{Answer, App};
use crate::provider::{now, wait_for};
use crate::service::Service;

const PATH: &str = "/api/actions";

/// Whatever is said of its fields: it was believed.
fn is_believed(answer: &Answer) -> bool {
    ![401, 403, 404, 405, 500, 503].contains(&answer.status.as_u16())
}

#[tokio::test]
async fn who_signs_is_believed_with_and_without_a_final_slash() {
    let app = App::start().await;
    let service = Service::demo(&app).await;
    for path in [PATH, "/api/actions/", "/api/actions?x=/", "/api/actions/?x=1"] {
        let answer = service.post(&app, path, &json!({})).await;
        assert!(is_believed(&answer), "{path}: {}", answer.text);
    }
    let timestamp = now(&app).await.to_string();
    let signature = service.signature(&timestamp, "POST", PATH, "{}");
    for path in ["/api/actions/", "/api/actions//"] {
        let answer = service.send(&app, path, &timestamp, &signature, "{}".to_owned()).await;
        answer.is_problem(401, "SERVICE_SIGNATURE");
    }
    // Signed is not yet readable.
    let signature = service.signature(&timestamp, "POST", PATH, "{");
    let answer = service.send(&app, PATH, &timestamp, &signature, "{".to_owned()).await;
    answer.is_problem(400, "MALFORMED_JSON");
    let long = " ".repeat(128 * 1024 + 1);
    let signature = service.signature(&timestamp, "POST", PATH, &long);
    let answer = service.send(&app, PATH, &timestamp, &signature, long).await;
    answer.is_problem(413, "BODY_TOO_LARGE");
}

#[tokio::test]
async fn who_does_not_sign_is_told_what_to_do() {
    let app = App::start().await;
    for token in [None, Some("garbage")] {
        let answer = app.post(PATH, token, json!({})).await;
        answer.is_problem(401, "SERVICE_CREDENTIAL_REQUIRED");
    }
    for token in [app.player().await, app.admin().await] {
        let answer = app.post(PATH, Some(&token), json!({})).await;
        answer.is_problem(403, "TRUSTED_SOURCES_ONLY");
        let told = answer.body["detail"].as_str().unwrap();
        assert!(told.contains("a player's client can never send it"), "{told}");
    }
}

#[tokio::test]
async fn unknown_revoked_and_wrongly_signed_are_told_the_same() {
    let app = App::start().await;
    let demo = Service::demo(&app).await;
    let unknown = Service { id: "nobody".to_owned(), ..demo.clone() };
    let nameless = Service { id: "No Name".to_owned(), ..demo.clone() };
    let wrong = Service { secret: "wrong".to_owned(), ..demo.clone() };
    let mut told = Vec::new();
    for service in [unknown, nameless, wrong] {
        let answer = service.post(&app, PATH, &json!({})).await;
        answer.is_problem(401, "SERVICE_SIGNATURE");
        told.push(answer.body["detail"].clone());
    }
    assert!(is_believed(&demo.post(&app, PATH, &json!({})).await));
    services(&app.database, &["revoke", "demo-game"]).await;
    let revoked_at = Instant::now();
    let mut answer = demo.post(&app, PATH, &json!({})).await;
    while is_believed(&answer) {
        assert!(revoked_at.elapsed() < Duration::from_secs(3), "still believed");
        sleep(Duration::from_millis(20)).await;
        answer = demo.post(&app, PATH, &json!({})).await;
    }
    answer.is_problem(401, "SERVICE_SIGNATURE");
    told.push(answer.body["detail"].clone());
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_stale_request_is_told_the_clubs_time() {
    let app = App::start().await;
    let service = Service::demo(&app).await;
    let now = now(&app).await;
    for seconds in [-400, 400] {
        let timestamp = (now + seconds).to_string();
        let signature = service.signature(&timestamp, "POST", PATH, "{}");
        let answer = service.send(&app, PATH, &timestamp, &signature, "{}".to_owned()).await;
        answer.is_problem(401, "SERVICE_REQUEST_STALE");
        assert!((answer.body["now"].as_i64().unwrap() - now).abs() < 60, "{}", answer.text);
    }
}

#[tokio::test]
async fn two_secrets_count_for_a_day_on_every_node() {
    let app = App::start().await;
    let other = App::start_on(app.database.clone(), &[]).await;
    let old = Service::demo(&app).await;
    let secret = handed_out(&services(&app.database, &["rotate", "demo-game"]).await);
    let new = Service { secret, ..old.clone() };
    for node in [&app, &other] {
        for service in [&old, &new] {
            let answer = service.post(node, PATH, &json!({})).await;
            assert!(is_believed(&answer), "{}", answer.text);
        }
    }
    wait_for(&app, 24 * 3_600).await;
    old.post(&app, PATH, &json!({})).await.is_problem(401, "SERVICE_SIGNATURE");
    assert!(is_believed(&new.post(&app, PATH, &json!({})).await));
}
