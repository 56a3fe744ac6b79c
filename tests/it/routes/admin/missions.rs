//! `/api/admin/missions`.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::super::events::{is_clean, play};
use crate::app::{Answer, App, PLAYER_ID};

const PATIENCE: Duration = Duration::from_secs(20);

fn wish(more: Value) -> Value {
    let mut wish = json!({"name": "시험", "name_en": "Test", "counter": "play_count", "target": 100,
        "period": "once", "rewards": {"gold": 5}});
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

async fn add(app: &App, admin: &str, more: Value) -> Answer {
    app.post("/api/admin/missions", Some(admin), wish(more)).await
}

async fn put(app: &App, admin: &str, id: i64, tag: Option<&str>, body: Value) -> Answer {
    let url = format!("{}/api/admin/missions/{id}", app.url);
    let mut request = app.http.put(url).bearer_auth(admin).json(&body);
    if let Some(tag) = tag {
        request = request.header("If-Match", tag);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn missions_are_made_seen_and_changed() {
    let app = App::start().await;
    let admin = app.admin().await;
    let made = add(&app, &admin, json!({})).await;
    assert_eq!((made.status.as_u16(), &made.body["id"]), (201, &json!(5)), "{}", made.text);
    let one = app.get("/api/admin/missions/5", Some(&admin)).await;
    let tag = one.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!((&one.body["target"], &one.body["version"]), (&json!(100), &json!(1)));
    let changed = put(&app, &admin, 5, Some(&tag), wish(json!({"target": 50}))).await;
    assert_eq!(
        (&changed.body["target"], &changed.body["version"]),
        (&json!(50), &json!(2)),
        "{}",
        changed.text
    );
    let stale = put(&app, &admin, 5, Some(&tag), wish(json!({"target": 60}))).await;
    stale.is_problem(412, "PRECONDITION_FAILED");
    let other = put(&app, &admin, 5, None, wish(json!({"period": "daily"}))).await;
    other.is_problem(409, "CONFLICT");
    put(&app, &admin, 99, None, wish(json!({}))).await.is_problem(404, "NOT_FOUND");
    let hidden = put(&app, &admin, 5, None, wish(json!({"is_active": false}))).await;
    assert_eq!(hidden.status, 200, "{}", hidden.text);
    let token = app.player().await;
    let seen = app
        .get_at("/api/events/missions/all", &token, hidden.body["position"].as_u64().unwrap())
        .await;
    assert_eq!(seen.body.as_array().unwrap().len(), 4, "{}", seen.text);
    let listed = app.get("/api/admin/missions", Some(&admin)).await;
    assert_eq!(listed.body.as_array().unwrap().len(), 5);
    for bad in [
        json!({"counter": "Play!"}),
        json!({"target": 0}),
        json!({"period": "hourly"}),
        json!({"rewards": {}}),
        json!({"rewards": {"items": [{"product_id": 1001}]}}),
        json!({"requires": {"all": [9]}}),
        json!({"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}),
        json!({"progress": 1}),
    ] {
        let refused = add(&app, &admin, bad.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (422, &json!("VALIDATION_FAILED")),
            "{bad}"
        );
    }
    app.call(Method::GET, "/api/admin/missions", Some(&token), None)
        .await
        .is_problem(403, "FORBIDDEN");
    is_clean(&app).await;
}

#[tokio::test]
async fn a_mission_that_was_added_today_counts_from_the_beginning_of_the_log() {
    let app = App::start().await;
    // Some play of several players, before and between.
    let mut by_hand = std::collections::BTreeMap::new();
    let mut middle = 0;
    for round in 0..30_i64 {
        let (player, amount) = (6 + round % 4, 1 + u64::try_from(round % 3).unwrap());
        let played = play(&app, player, "play_count", amount).await;
        let sums = by_hand.entry(player).or_insert((0, 0));
        sums.0 += amount;
        if round < 15 {
            middle = played.body["position"].as_u64().unwrap();
        } else {
            sums.1 += amount;
        }
    }
    play(&app, 6, "win_count", 3).await;
    let admin = app.admin().await;
    let all = add(&app, &admin, json!({"counts_after": 0})).await.body["id"].as_i64().unwrap();
    let later =
        add(&app, &admin, json!({"counts_after": middle})).await.body["id"].as_i64().unwrap();
    let none = add(&app, &admin, json!({})).await.body["id"].as_i64().unwrap();
    // More while it is being counted.
    for player in 6..10 {
        play(&app, player, "play_count", 2).await;
    }
    let latest = Instant::now() + PATIENCE;
    for id in [all, later] {
        loop {
            let mission = app.get(&format!("/api/admin/missions/{id}"), Some(&admin)).await.body;
            if mission["counts_after"].is_null() {
                break;
            }
            assert!(Instant::now() < latest, "{mission}");
            sleep(Duration::from_millis(50)).await;
        }
    }
    let names = [(6, "minjun"), (7, "seoyeon"), (8, "dohyun"), (9, "jiwoo")];
    for (player, name) in names {
        let token = app.sign_in("/api/auth/login", (name, "1234")).await;
        let position = u64::try_from(app.database.head().await).unwrap();
        let seen = app.get_at("/api/events/missions/all", &token, position).await.body;
        let progress = |id: i64| {
            let found = seen.as_array().unwrap().iter().find(|mission| mission["id"] == id);
            found.unwrap()["progress"].as_u64().unwrap()
        };
        let (from_start, from_middle) = by_hand[&player];
        let expected = [from_start + 2, from_middle + 2, 2];
        assert_eq!([all, later, none].map(progress), expected, "{name}");
    }
    assert_ne!(PLAYER_ID, 6);
    is_clean(&app).await;
}
