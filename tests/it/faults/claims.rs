//! Many want one thing at once, on two nodes: exactly one gets it, and everybody is told who.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use futures::future::join_all;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::nodes::{self, Nodes, Player, Told, Written, gold, in_log, is_clean, make};
use crate::app::{App, demo_database};
use crate::provider::{now, wait_for};
use crate::service::Service;

const CLIENTS: usize = 64;
const ROUNDS: usize = 1_000;
/// Rounds that are under way at once.
const AT_ONCE: usize = 6;
/// Missions, so many that there are a thousand pairs of a player and a mission.
const MISSIONS: usize = 53;
const DAYS: u64 = 3;
/// Events with one seat.
const SINGLE_SEATS: usize = 30;
const SEATS: usize = 100;
const CROWD: usize = 300;
/// Crowds that come at once: nobody of them is in a node's memory yet.
const CROWDS_AT_ONCE: usize = 2;

/// Everybody asks for the same with the tokens of one player, half of them on each node.
async fn all_ask(nodes: &Nodes, path: &str, token: &str) -> Vec<Told> {
    let body = json!({});
    join_all((0..CLIENTS).map(|client| nodes.post(client, path, token, &body))).await
}

/// Lets so many rounds overlap: each is a task of its own.
async fn rounds<F>(at_once: usize, rounds: impl Iterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks = stream::iter(rounds).map(|round| tokio::spawn(round));
    tasks.buffer_unordered(at_once).for_each(|done| async { done.unwrap() }).await;
}

/// Missions that one action completes, each paying its own number; and the action of each player.
async fn earned_missions(app: &App, players: &[Player]) -> Vec<i64> {
    let mut missions = Vec::new();
    for number in 1..=MISSIONS {
        let terms = json!({"counter": "win_count", "target": 1, "period": "once",
            "rewards": {"gold": number}});
        missions.push(make(app, "/api/admin/missions", terms).await);
    }
    let actions = players.iter().map(|Player { id, .. }| {
        json!({"action_id": uuid::Uuid::now_v7(), "user_id": id, "action_type": "win_count"})
    });
    let batch = json!({"actions": actions.collect::<Vec<_>>()});
    let reported = Service::demo(app).await.post(app, "/api/actions", &batch).await;
    assert_eq!(reported.body["accepted"], players.len(), "{}", reported.text);
    missions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_times_sixty_four_claim_one_reward_and_one_gets_it() {
    let apps = nodes::start_two(demo_database().await).await;
    let players = nodes::demo_players(&apps[0]).await;
    let missions = earned_missions(&apps[0], &players).await;
    let nodes = Nodes::of(apps).await;
    // Those that overlap are of different players.
    let pairs = missions.iter().flat_map(|mission| players.iter().map(move |it| (it, *mission)));
    let pairs: Vec<_> = pairs.take(ROUNDS).collect();
    let claimed = pairs.iter().map(|(player, mission)| {
        let (nodes, token, mission) = (nodes.clone(), player.token.clone(), *mission);
        async move {
            let path = format!("/api/events/missions/claim/{mission}");
            let answers = all_ask(&nodes, &path, &token).await;
            let (won, lost): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(|(status, _)| *status == 200);
            assert_eq!(won.len(), 1, "{path}: {won:?}");
            for (status, body) in lost {
                assert_eq!((status, &body["code"]), (409, &json!("ALREADY_CLAIMED")), "{body}");
            }
        }
    });
    rounds(AT_ONCE, claimed).await;

    let mut told: Vec<_> =
        pairs.iter().map(|(it, mission)| (it.id.to_string(), *mission)).collect();
    let log = in_log(&nodes.database, &["mission_claimed"]).await;
    let pair = |it: &Written| (it.of.clone(), it.payload["mission_id"].as_i64().unwrap());
    let mut claims: Vec<_> = log.iter().map(pair).collect();
    told.sort();
    claims.sort();
    assert_eq!(claims, told, "each is claimed once");
    let apps = nodes.into_apps().await;
    for player in &players {
        let mine = pairs.iter().filter(|(it, _)| it.id == player.id);
        let paid = mine.map(|(_, mission)| u64::try_from(mission - missions[0] + 1).unwrap());
        assert_eq!(gold(&apps[1], &player.token).await, 1_000 + paid.sum::<u64>());
    }
    is_clean(&apps[0].database).await;
}

/// Moves the clocks of both nodes to the first seconds of the day after so many.
async fn move_clocks(apps: &[App], days: u64) {
    let today = DateTime::from_timestamp(now(&apps[0]).await, 0).unwrap().date_naive();
    let at = (today + Days::new(days)).and_time(NaiveTime::MIN).and_utc() + TimeDelta::seconds(5);
    for app in apps {
        let ahead = at.timestamp() - now(app).await;
        wait_for(app, u32::try_from(ahead).unwrap()).await;
    }
}

/// One of the answers is the winner's, and the others say the same, but that they came later.
fn one_of_them_won(answers: Vec<Told>) -> Value {
    let is_first = |(_, body): &Told| body["idempotent"] == false;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_first);
    let [(200, won)] = &won[..] else { panic!("{won:?}") };
    let mut later = won.clone();
    later["idempotent"] = json!(true);
    assert!(lost.iter().all(|told| *told == (200, later.clone())), "{won}: {lost:?}");
    won.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_claimed_once_by_sixty_four_at_once_and_all_get_the_answer_of_the_first() {
    let mut apps = nodes::start_two(demo_database().await).await;
    let mut paid: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    let mut players = Vec::new();
    for _ in 0..DAYS {
        move_clocks(&apps, 1).await;
        players = nodes::demo_players(&apps[0]).await;
        let nodes = Nodes::of(apps).await;
        let (told, answers) = std::sync::mpsc::channel();
        let kinds = ["/api/streak/claim", "/api/vip/claim"];
        let asked = players.iter().flat_map(|player| kinds.map(|path| (player.clone(), path)));
        rounds(
            AT_ONCE,
            asked.map(|(player, path)| {
                let (nodes, told) = (nodes.clone(), told.clone());
                async move {
                    let won = one_of_them_won(all_ask(&nodes, path, &player.token).await);
                    told.send((player.id, won)).unwrap();
                }
            }),
        )
        .await;
        drop(told);
        for (player, won) in answers {
            let (gold, points) = paid.entry(player).or_default();
            *gold += won["awarded_gold"].as_u64().unwrap_or(0);
            *points += won["awarded_points"].as_u64().unwrap_or(0);
        }
        apps = nodes.into_apps().await;
    }
    let database = &apps[0].database;
    for event_type in ["streak_claimed", "vip_claimed"] {
        let log = in_log(database, &[event_type]).await;
        let day = |it: &Written| it.payload["at"].as_str().unwrap()[..10].to_owned();
        let days: BTreeSet<_> = log.iter().map(|it| (&it.of, day(it))).collect();
        let expected = players.len() * usize::try_from(DAYS).unwrap();
        assert_eq!((days.len(), log.len()), (expected, expected), "{event_type}");
    }
    for player in &players {
        let balance = apps[1].get("/api/users/balance", Some(&player.token)).await.body;
        let (gold, points) = paid[&player.id];
        assert_eq!(
            (&balance["gold"], &balance["vip_points"]),
            (&json!(1_000 + gold), &json!(points))
        );
    }
    is_clean(database).await;
}

/// An event that is complete, and paid, as soon as it is joined.
async fn event_with(app: &App, seats: usize) -> i64 {
    let ends_at: DateTime<Utc> =
        DateTime::from_timestamp(now(app).await, 0).unwrap() + Days::new(1);
    let terms = json!({"ends_at": ends_at, "capacity": seats, "publish": true,
        "auto_claim": true, "rewards": {"gold": 5}});
    make(app, "/api/admin/events", terms).await
}

/// All of these join at once; those who got in.
async fn all_join(nodes: &Nodes, event: i64, seats: usize, players: &[Player]) -> BTreeSet<i64> {
    let body = json!({ "event_id": event });
    let asked = players.iter().enumerate().map(|(client, player)| {
        let (nodes, body) = (&nodes, &body);
        async move { (player.id, nodes.post(client, "/api/events/join", &player.token, body).await) }
    });
    let (won, lost): (Vec<_>, Vec<_>) =
        join_all(asked).await.into_iter().partition(|(_, (status, _))| *status == 200);
    assert_eq!(won.len(), seats, "{won:?}");
    for (_, (_, body)) in &won {
        assert_eq!((&body["idempotent"], &body["reward_claimed"]), (&json!(false), &json!(true)));
    }
    for (_, (status, body)) in &lost {
        assert_eq!((*status, &body["code"]), (409, &json!("EVENT_FULL")), "{body}");
    }
    won.into_iter().map(|(id, _)| id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_seat_of_an_event_is_taken_by_one() {
    let database = demo_database().await;
    nodes::seed_players(&database, CROWD).await;
    let apps = nodes::start_two(database).await;
    let players = Arc::new(nodes::bench_players(&apps[0], CROWD).await);
    let mut events = vec![(event_with(&apps[0], SEATS).await, SEATS)];
    for _ in 0..SINGLE_SEATS {
        events.push((event_with(&apps[0], 1).await, 1));
    }
    let nodes = Nodes::of(apps).await;
    let (told, answers) = std::sync::mpsc::channel();
    rounds(
        CROWDS_AT_ONCE,
        events.iter().map(|&(event, seats)| {
            let (nodes, players, told) = (nodes.clone(), players.clone(), told.clone());
            async move {
                let mut crowd = Vec::clone(&players);
                crowd.rotate_left(usize::try_from(event).unwrap() * 7 % CROWD);
                crowd.truncate(if seats == 1 { CLIENTS } else { CROWD });
                told.send((event, all_join(&nodes, event, seats, &crowd).await)).unwrap();
            }
        }),
    )
    .await;
    drop(told);
    let winners: BTreeMap<i64, BTreeSet<i64>> = answers.into_iter().collect();

    let log = in_log(&nodes.database, &["event_joined", "seat_taken"]).await;
    for (event, count) in events {
        let seats = log.iter().filter(|it| it.kind == "seat_taken" && it.of == event.to_string());
        let numbers: Vec<_> = seats.map(|it| it.payload["taken"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=count as u64).collect::<Vec<_>>());
        let joined = log.iter().filter(|it| it.payload["event_id"] == event);
        let who: Vec<i64> = joined.map(|it| it.of.parse().unwrap()).collect();
        assert_eq!((who.len(), who.into_iter().collect()), (count, winners[&event].clone()));
    }
    let apps = nodes.into_apps().await;
    for player in players.iter() {
        let won = winners.values().filter(|who| who.contains(&player.id)).count();
        assert_eq!(gold(&apps[1], &player.token).await, 1_000 + 5 * won as u64);
    }
    is_clean(&apps[0].database).await;
}
