//! Three hundred places of a leaderboard are rewarded while the service is killed and the staff stops
//! it: each is rewarded once, with what is its due.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use futures::{StreamExt, stream};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::nodes::{self, Player, count, gold, in_log, is_clean, make, slow_down, until_there_are};
use crate::app::{App, demo_database};
use crate::provider::{now, wait_for};
use crate::service::Service;

const PLACES: usize = 300;
/// What places pay, up to the last of each kind.
const TIERS: [(u64, u64); 7] =
    [(1, 1_000), (3, 500), (10, 200), (50, 100), (100, 50), (200, 20), (300, 10)];
/// Scores are so low that many have the same.
const HIGHEST: u64 = 40;
const JOINS: usize = 16;
/// Longer than from one look of the payout to the next.
const TWO_ROUNDS: Duration = Duration::from_millis(2_200);
/// What the database takes over each place.
const EACH: Duration = Duration::from_millis(5);
/// In ten minutes it is over, and two later its scores no longer change.
const MINUTES: u32 = 10;

fn due(place: u64) -> u64 {
    TIERS.iter().find(|(last, _)| place <= *last).unwrap().1
}

async fn contest(app: &App, players: &[Player]) -> i64 {
    let ends_at = DateTime::from_timestamp(now(app).await, 0).unwrap();
    let ends_at = ends_at + TimeDelta::minutes(MINUTES.into());
    let tiers = TIERS.map(|(last, gold)| json!({"last_place": last, "rewards": {"gold": gold}}));
    let terms = json!({"ends_at": ends_at, "publish": true, "rewards": {},
        "leaderboard": {"counter": "win_count", "tiers": tiers}});
    let event = make(app, "/api/admin/events", terms).await;
    let joins = players.iter().map(|player| async move {
        let body = json!({ "event_id": event });
        let joined = app.post("/api/events/join", Some(&player.token), body).await;
        assert_eq!(joined.status, 200, "{}", joined.text);
    });
    stream::iter(joins).buffer_unordered(JOINS).collect::<()>().await;
    event
}

/// Everybody wins several times; players in the order of what that comes to, and of two with the same,
/// first who had it first.
async fn win(app: &App, players: &[Player]) -> Vec<(i64, u64)> {
    let mut wins: Vec<(i64, u64)> = Vec::new();
    for player in players {
        wins.push((player.id, rand::random_range(1..=HIGHEST)));
        wins.push((player.id, rand::random_range(1..=HIGHEST)));
    }
    wins.shuffle(&mut rand::rng());
    let service = Service::demo(app).await;
    for batch in wins.chunks(200) {
        let actions = batch.iter().map(|(player, amount)| {
            json!({"action_id": uuid::Uuid::now_v7(), "user_id": player,
                "action_type": "win_count", "amount": amount})
        });
        let actions = json!({"actions": actions.collect::<Vec<_>>()});
        let reported = service.post(app, "/api/actions", &actions).await;
        assert_eq!(reported.body["accepted"], batch.len(), "{}", reported.text);
    }
    let mut scores: BTreeMap<i64, (u64, usize)> = BTreeMap::new();
    for (turn, (player, amount)) in wins.into_iter().enumerate() {
        let (score, last) = scores.entry(player).or_default();
        *score += amount;
        *last = turn;
    }
    let mut ranking: Vec<_> = scores.into_iter().collect();
    ranking.sort_by_key(|(_, (score, last))| (std::cmp::Reverse(*score), *last));
    ranking.into_iter().map(|(player, (score, _))| (player, score)).collect()
}

async fn change(app: &App, admin: &str, event: i64, what: &str) {
    let path = format!("/api/admin/events/{event}/payout/{what}");
    let changed = app.post(&path, Some(admin), json!({})).await;
    assert_eq!(changed.body["payout_stopped"], what == "stop", "{}", changed.text);
}

/// All rewards of places as the staff sees them: whose, which, and how much.
async fn rewards(app: &App, admin: &str) -> Vec<(i64, String, u64)> {
    let (mut rewards, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let from = cursor.as_str().map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let path = format!("/api/admin/rewards?kind=leaderboard&limit=200{from}");
        let page = app.get(&path, Some(admin)).await.body;
        rewards.extend(page["items"].as_array().unwrap().iter().map(|it| {
            let reference = it["reference"].as_str().unwrap().to_owned();
            (it["user_id"].as_i64().unwrap(), reference, it["gold"].as_u64().unwrap())
        }));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            return rewards;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_three_hundred_places_is_rewarded_once_whatever_stops_it() {
    let database = demo_database().await;
    nodes::seed_players(&database, PLACES).await;
    let app = nodes::start(database).await;
    let players = nodes::bench_players(&app, PLACES).await;
    let event = contest(&app, &players).await;
    let ranking = win(&app, &players).await;
    let (admin, mut log) = (app.admin().await, app.database.superuser().await);
    slow_down(&mut log, "place_rewarded", EACH).await;
    wait_for(&app, (MINUTES + 2) * 60).await;

    // Stopped by the staff: after the page of places at which it is, nothing more is paid, not even
    // by another process.
    until_there_are(&mut log, "place_rewarded", 1).await;
    let admin_then = app.admin().await;
    change(&app, &admin_then, event, "stop").await;
    let stopped_at = count(&mut log, "place_rewarded").await;
    let app = nodes::start(app.kill().await).await;
    let rewarded = count(&mut log, "place_rewarded").await;
    sleep(TWO_ROUNDS).await;
    assert_eq!(count(&mut log, "place_rewarded").await, rewarded, "it was stopped");

    // Killed in the middle of it, and once more.
    change(&app, &admin, event, "resume").await;
    until_there_are(&mut log, "place_rewarded", rewarded + 1).await;
    let database = app.kill().await;
    let killed_at = count(&mut log, "place_rewarded").await;
    let app = nodes::start(database).await;
    println!("stopped at {stopped_at}, {rewarded} rewarded, killed at {killed_at}");
    assert!(rewarded < PLACES as u64 && killed_at < PLACES as u64, "not much of a test");
    until_there_are(&mut log, "places_rewarded", 1).await;

    nodes::caught_up(&app).await;
    check(&app, &admin, event, &ranking).await;
    let tokens: BTreeMap<i64, &str> =
        players.iter().map(|player| (player.id, player.token.as_str())).collect();
    for ((player, _), place) in ranking.iter().zip(1..) {
        assert_eq!(gold(&app, tokens[player]).await, 1_000 + due(place), "place {place}");
    }
    is_clean(&app.database).await;
}

/// The log and what the staff sees: every place once, in its order, with its due.
async fn check(app: &App, admin: &str, event: i64, ranking: &[(i64, u64)]) {
    let log = in_log(&app.database, &["place_rewarded"]).await;
    let mut written: Vec<_> = log
        .iter()
        .map(|it| {
            let number = |name: &str| it.payload[name].as_u64().unwrap();
            (number("place"), it.player(), number("score"))
        })
        .collect();
    written.sort_unstable();
    let expected = ranking.iter().zip(1..).map(|((player, score), place)| (place, *player, *score));
    assert_eq!(written, expected.collect::<Vec<_>>());
    let mut shown = rewards(app, admin).await;
    shown.sort();
    let mut paid: Vec<_> =
        ranking.iter().zip(1..).map(|((player, _), it)| (*player, due(it))).collect();
    paid.sort_unstable();
    assert_eq!(shown.iter().map(|(player, _, gold)| (*player, *gold)).collect::<Vec<_>>(), paid);
    let of_it = format!("{event}/");
    assert!(shown.iter().all(|(_, reference, _)| reference.starts_with(&of_it)), "{shown:?}");
    let done = in_log(&app.database, &["places_rewarded"]).await;
    assert_eq!((done.len(), &done[0].payload["places"]), (1, &json!(ranking.len())));
}
