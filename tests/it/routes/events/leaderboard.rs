//! `/api/events/{id}/leaderboard`.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::super::streak::move_to;
use super::{is_clean, join, moment, play, publish};
use crate::app::App;

/// Players of the demo, by name and number.
const PLAYERS: [(&str, i64); 4] = [("minjun", 6), ("seoyeon", 7), ("dohyun", 8), ("jiwoo", 9)];
const PATIENCE: Duration = Duration::from_secs(20);

async fn contest(app: &App, minutes: i64) -> (i64, Vec<String>) {
    let tiers = json!([{"last_place": 1, "rewards": {"gold": 500}},
        {"last_place": 3, "rewards": {"gold": 100, "xp": 5}}]);
    let ends_at = moment(app).await + TimeDelta::minutes(minutes);
    let id = publish(
        app,
        json!({"ends_at": ends_at, "rewards": {},
        "leaderboard": {"counter": "win_count", "tiers": tiers}}),
    )
    .await;
    let mut tokens = Vec::new();
    for (name, _) in PLAYERS {
        let token = app.sign_in("/api/auth/login", (name, "1234")).await;
        assert_eq!(join(app, &token, id).await.status, 200);
        tokens.push(token);
    }
    (id, tokens)
}

async fn board(app: &App, token: &str, id: i64, position: &Value) -> Value {
    let path = format!("/api/events/{id}/leaderboard?limit=3");
    let board = app.get_at(&path, token, position.as_u64().unwrap()).await;
    assert_eq!(board.status, 200, "{}", board.text);
    board.body
}

fn places(list: &Value) -> Vec<(u64, i64, u64)> {
    let number = |place: &Value, name: &str| place[name].as_u64().unwrap();
    let place = |place: &Value| {
        (number(place, "place"), place["user_id"].as_i64().unwrap(), number(place, "score"))
    };
    list.as_array().unwrap().iter().map(place).collect()
}

async fn gold(app: &App, token: &str) -> u64 {
    app.get("/api/users/balance", Some(token)).await.body["gold"].as_u64().unwrap()
}

#[tokio::test]
async fn scores_are_ranked_frozen_and_paid() {
    let app = App::start().await;
    let (id, tokens) = contest(&app, 10).await;
    let mut last = Value::Null;
    // Of two with five wins, first who had them first.
    for (player, wins) in [(6, 2), (7, 5), (8, 3), (8, 2), (9, 1)] {
        last = play(&app, player, "win_count", wins).await.body["position"].clone();
    }
    let shown = board(&app, &tokens[3], id, &last).await;
    assert_eq!(places(&shown["top"]), [(1, 7, 5), (2, 8, 5), (3, 6, 2)]);
    assert_eq!(places(&shown["around_me"]), [(1, 7, 5), (2, 8, 5), (3, 6, 2), (4, 9, 1)]);
    assert_eq!((&shown["players"], &shown["frozen"]), (&json!(4), &json!(false)));
    assert_eq!(shown["around_me"][3]["me"], true);
    assert_eq!(
        (&shown["top"][0]["nickname"], &shown["top"][0]["rewards"]["gold"]),
        (&json!("서연별"), &json!(500))
    );
    app.get("/api/events/2/leaderboard", Some(&tokens[0])).await.is_problem(404, "NOT_FOUND");

    // The end, and the minute in which play in time can still be reported.
    move_to(&app, moment(&app).await + TimeDelta::minutes(12)).await;
    let token = app.sign_in("/api/auth/login", ("seoyeon", "1234")).await;
    let latest = Instant::now() + PATIENCE;
    while gold(&app, &token).await != 1_500 {
        assert!(Instant::now() < latest, "the first place is not paid");
        sleep(Duration::from_millis(50)).await;
    }
    let admin = app.admin().await;
    let rewarded = loop {
        let rewards = app.get("/api/admin/rewards?kind=leaderboard", Some(&admin)).await;
        let items = rewards.body["items"].as_array().unwrap().clone();
        if items.len() == 3 {
            break items;
        }
        assert!(Instant::now() < latest, "{}", rewards.text);
        sleep(Duration::from_millis(50)).await;
    };
    let mut paid: Vec<_> = rewarded
        .iter()
        .map(|it| (it["user_id"].as_i64().unwrap(), it["gold"].as_u64().unwrap()))
        .collect();
    paid.sort_unstable();
    assert_eq!(paid, [(6, 100), (7, 500), (8, 100)]);
    let shown = board(&app, &token, id, &json!(0)).await;
    assert_eq!(shown["frozen"], true);
    is_clean(&app).await;
}

#[tokio::test]
async fn a_payout_can_be_stopped_and_resumed_and_survives_a_crash() {
    let app = App::start().await;
    let (id, _) = contest(&app, 10).await;
    for player in [6, 7, 8] {
        play(&app, player, "win_count", 10 - u64::try_from(player).unwrap()).await;
    }
    let admin = app.admin().await;
    let stop = format!("/api/admin/events/{id}/payout/stop");
    let stopped = app.post(&stop, Some(&admin), json!({})).await;
    assert_eq!(stopped.body["payout_stopped"], true, "{}", stopped.text);
    move_to(&app, moment(&app).await + TimeDelta::minutes(12)).await;
    let latest = Instant::now() + PATIENCE;
    let frozen = loop {
        let token = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
        let shown = board(&app, &token, id, &json!(0)).await;
        if shown["frozen"] == true {
            break shown;
        }
        assert!(Instant::now() < latest, "{shown}");
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(frozen["players"], 3);
    sleep(Duration::from_millis(1_500)).await;
    let admin = app.admin().await;
    let rewards = app.get("/api/admin/rewards?kind=leaderboard", Some(&admin)).await;
    assert_eq!(rewards.body["items"], json!([]), "it was stopped");

    // The process dies and comes back; the staff lets the payout go on.
    let again = App::start_on(app.kill().await, &[]).await;
    let admin = again.admin().await;
    let resume = format!("/api/admin/events/{id}/payout/resume");
    let resumed = again.post(&resume, Some(&admin), json!({})).await;
    assert_eq!(resumed.body["payout_stopped"], false, "{}", resumed.text);
    let latest = Instant::now() + PATIENCE;
    loop {
        let rewards = again.get("/api/admin/rewards?kind=leaderboard", Some(&admin)).await;
        if rewards.body["items"].as_array().unwrap().len() == 3 {
            break;
        }
        assert!(Instant::now() < latest, "{}", rewards.text);
        sleep(Duration::from_millis(50)).await;
    }
    is_clean(&again).await;
}
