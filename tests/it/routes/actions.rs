//! `/api/actions`.

use domain::activity::ActivityEvent;
use serde_json::{Value, json};

use super::events::is_clean;
use crate::app::{App, PLAYER_ID};
use crate::log::entries;
use crate::service::Service;

const PATH: &str = "/api/actions";

fn action(id: &str, player: i64, kind: &str) -> Value {
    json!({"action_id": id, "user_id": player, "action_type": kind})
}

#[tokio::test]
async fn each_action_counts_once_whatever_batch_it_comes_in() {
    let app = App::start().await;
    let service = Service::demo(&app).await;
    let fresh = uuid::Uuid::now_v7().to_string();
    let batch = json!({"actions": [
        action("old-style-1", PLAYER_ID, "play_count"),
        action(&fresh, PLAYER_ID, "win_count"),
        action("old-style-2", 6, "play_count"),
        action("old-style-1", PLAYER_ID, "play_count"),
        action("nobody-1", 9_999, "play_count"),
    ]});
    let first = service.post(&app, PATH, &batch).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!((&first.body["accepted"], &first.body["duplicates"]), (&json!(3), &json!(1)));
    let rejected = &first.body["rejected"];
    assert_eq!(rejected[0]["code"], "UNKNOWN_USER");
    assert_eq!(
        (rejected[0]["action_id"].as_str(), rejected.as_array().unwrap().len()),
        (Some("nobody-1"), 1)
    );

    let events = app.database.head().await;
    let again = service.post(&app, PATH, &batch).await;
    assert_eq!((&again.body["accepted"], &again.body["duplicates"]), (&json!(0), &json!(4)));
    assert_eq!(app.database.head().await, events, "nothing was written");
    // The same after a restart, when nothing is in memory.
    let app = App::start_on(app.kill().await, &[]).await;
    let again = service.post(&app, PATH, &batch).await;
    assert_eq!((&again.body["accepted"], &again.body["duplicates"]), (&json!(0), &json!(4)));
    // An id is the name of one action.
    let other = service.post(&app, PATH, &action("old-style-1", 6, "play_count")).await;
    assert_eq!(other.body["rejected"][0]["code"], "ACTION_ID_REUSED", "{}", other.text);
    assert_eq!(app.database.head().await, events, "nothing was written");
    // Also in one batch: what is not written is never called a duplicate.
    let users = [9_999, 9_999, PLAYER_ID];
    let batch = json!({"actions": users.map(|user| action("nobody-2", user, "play_count"))});
    let none = service.post(&app, PATH, &batch).await;
    let rejected = none.body["rejected"].as_array().unwrap().iter();
    let codes: Vec<_> = rejected.map(|rejected| rejected["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["UNKNOWN_USER", "UNKNOWN_USER", "ACTION_ID_REUSED"], "{}", none.text);
    assert_eq!((&none.body["accepted"], &none.body["duplicates"]), (&json!(0), &json!(0)));
    assert_eq!(app.database.head().await, events, "nothing was written");
    let one = service.post(&app, PATH, &action("nobody-2", PLAYER_ID, "play_count")).await;
    assert_eq!(one.body["accepted"], 1, "{}", one.text);
    is_clean(&app).await;
}

#[tokio::test]
async fn a_players_actions_are_written_in_the_order_in_which_they_are_given() {
    let app = App::start().await;
    let service = Service::demo(&app).await;
    let ids: Vec<String> = (0..500).map(|number| format!("ordered-{number}")).collect();
    let actions = ids.iter().zip(0_i64..).map(|(id, n)| action(id, 6 + n % 3, "play_count"));
    let batch = json!({"actions": actions.collect::<Vec<_>>()});
    let reported = service.post(&app, PATH, &batch).await;
    assert_eq!(reported.body["accepted"], 500, "{}", reported.text);
    let log = entries(&app.database).await;
    let events = log.iter().map(|entry| &entry.recorded.event);
    let actions = events.filter(|event| event.event_type == "action_recorded");
    let written = actions.map(|event| match event.decode().unwrap() {
        ActivityEvent::ActionRecorded { action_id, .. } => action_id,
        ActivityEvent::PastPlayCounted { .. } => unreachable!("that is another type"),
    });
    let written: Vec<String> = written.filter(|id| id.starts_with("ordered-")).collect();
    assert_eq!(written, ids);
    is_clean(&app).await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_whole_and_by_name() {
    let app = App::start().await;
    let service = Service::demo(&app).await;
    let events = app.database.head().await;
    let many: Vec<Value> =
        (0..501).map(|n| action(&format!("m-{n}"), PLAYER_ID, "play_count")).collect();
    let with = |name: &str, value: Value| {
        let mut bad = action("b-1", PLAYER_ID, "play_count");
        bad[name] = value;
        json!({"actions": [action("g-1", PLAYER_ID, "play_count"), bad]})
    };
    for bad in [
        json!({}),
        json!({ "actions": many }),
        with("amount", json!(-1)),
        with("amount", json!(1.5)),
        with("user_id", json!("23")),
        with("at", json!("2999-01-01T00:00:00Z")),
        with("progress", json!(7)),
        with("action_id", json!("with spaces")),
    ] {
        service.post(&app, PATH, &bad).await.is_problem(422, "VALIDATION_FAILED");
    }
    let scope = service.post(&app, PATH, &action("s-1", PLAYER_ID, "spend_gold")).await;
    scope.is_problem(403, "SCOPE_MISSING");
    assert_eq!(scope.body["scope"], "actions:spend_gold");
    assert_eq!(app.database.head().await, events, "nothing was written");
}
