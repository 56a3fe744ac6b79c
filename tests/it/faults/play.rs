//! Nodes are killed while game servers report and players join, play, spend and claim: in the end
//! all of it has counted, once.

mod fold;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::fold::{Fold, LiveEvent, Mission, Spent};
use super::nodes::{self, Nodes, Player, Written, gold, in_log, is_clean, make};
use super::reporters::{Reporters, check_once_and_in_order};
use super::services::cut;
use crate::app::{App, demo_database};
use crate::provider::now;
use crate::service::Service;

const CRASHES: usize = 9;
/// The crash in whose place all connections of the database are cut.
const CUT: usize = 4;
/// Answers between one crash and the next, at least.
const ANSWERS: usize = 150;
const REPORTERS: usize = 3;
/// Events that are claimed as soon as they are complete.
const EVENTS: u64 = 5;

/// What a player did, as the answers told it.
#[derive(Debug, Default)]
struct Done {
    /// Missions that were claimed.
    claimed: Vec<i64>,
    /// Positions and amounts of what was spent.
    spent: Vec<(u64, u64)>,
}

/// The demo's missions, and more: those for gold that was spent, too.
async fn missions(app: &App) -> Vec<Mission> {
    let mut missions = fold::DEMO_MISSIONS.to_vec();
    for (counter, target, period) in [
        ("play_count", 5, "once"),
        ("play_count", 40, "once"),
        ("win_count", 12, "once"),
        ("spend_gold", 10, "once"),
        ("spend_gold", 60, "once"),
        ("spend_gold", 25, "daily"),
        ("win_count", 15, "weekly"),
    ] {
        let gold = 10 + missions.len() as u64;
        let terms = json!({"counter": counter, "target": target, "period": period,
            "rewards": {"gold": gold}});
        let id = make(app, "/api/admin/missions", terms).await;
        missions.push(Mission { id, counter, target, period, gold });
    }
    missions
}

async fn events(app: &App, today: DateTime<Utc>) -> Vec<LiveEvent> {
    let mut events = Vec::new();
    for number in 1..=EVENTS {
        let requirements = vec![("play_count", 10 * number), ("win_count", 4 * number)];
        let listed = requirements
            .iter()
            .map(|(counter, target)| json!({"counter": counter, "target": target}));
        let (starts_at, ends_at) = (today - Days::new(1), today + Days::new(1));
        let gold = 100 + number;
        let terms = json!({"starts_at": starts_at, "ends_at": ends_at, "publish": true,
            "auto_claim": true, "requirements": listed.collect::<Vec<_>>(),
            "rewards": {"gold": gold}});
        let id = make(app, "/api/admin/events", terms).await;
        events.push(LiveEvent { id, requirements, starts_at, ends_at, gold });
    }
    events
}

/// Joins, claims and spends, one after another, until told to stop.
async fn keep_busy(
    nodes: Arc<Nodes>,
    player: Player,
    (missions, events): (Vec<i64>, Vec<i64>),
    stop: Arc<AtomicBool>,
) -> (i64, Done) {
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        let node = rand::random_range(0..2);
        let any = |of: &[i64]| of[rand::random_range(0..of.len())];
        match rand::random_range(0..4) {
            0 => {
                let body = json!({"event_id": any(&events)});
                let told = nodes.post(node, "/api/events/join", &player.token, &body).await;
                assert_eq!(told.0, 200, "{told:?}");
            }
            1 => {
                let amount = rand::random_range(1..=3_u64);
                let body = json!({ "gold": amount });
                let told = nodes.post(node, "/test/spend", &player.token, &body).await;
                if is_done(&told, &["INSUFFICIENT_GOLD"]) {
                    done.spent.push((told.1["position"].as_u64().unwrap(), amount));
                }
            }
            _ => {
                let mission = any(&missions);
                let path = format!("/api/events/missions/claim/{mission}");
                let told = nodes.post(node, &path, &player.token, &json!({})).await;
                if is_done(&told, &["NOT_COMPLETED", "ALREADY_CLAIMED"]) {
                    done.claimed.push(mission);
                }
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    (player.id, done)
}

/// Whether it was done; else why not, which may be one of these.
fn is_done((status, body): &nodes::Told, refusals: &[&str]) -> bool {
    let refused = refusals.iter().any(|code| body["code"] == *code);
    assert!(*status == 200 || *status == 409 && refused, "{status} {body}");
    *status == 200
}

/// One node after the other; once the connections of both, and in the end both.
async fn crash_again_and_again(nodes: &Nodes) {
    for crash in 0..CRASHES {
        let enough = nodes.answers() + ANSWERS;
        while nodes.answers() < enough {
            sleep(Duration::from_millis(2)).await;
        }
        sleep(Duration::from_millis(rand::random_range(0..50))).await;
        match crash {
            CUT => assert!(cut(&nodes.database).await > 5),
            last if last + 1 == CRASHES => {
                tokio::join!(nodes.kill(0), nodes.kill(1));
                tokio::join!(nodes.revive(0), nodes.revive(1));
            }
            _ => {
                nodes.kill(crash % 2).await;
                nodes.revive(crash % 2).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_counts_each_action_once_and_pays_each_reward_once() {
    let apps = nodes::start_two(demo_database().await).await;
    let today = DateTime::from_timestamp(now(&apps[0]).await, 0).unwrap();
    let moments = [today - Days::new(2), today - Days::new(1), today];
    let (missions, events) = (missions(&apps[0]).await, events(&apps[0], today).await);
    let (service, players) = (Service::demo(&apps[0]).await, nodes::demo_players(&apps[0]).await);
    let nodes = Nodes::of(apps).await;

    let ids: Vec<i64> = players.iter().map(|player| player.id).collect();
    let reporters = Reporters::start(&nodes, &service, REPORTERS, (&ids, &moments));
    let (stop, mut busy) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for player in &players {
        let what =
            (missions.iter().map(|it| it.id).collect(), events.iter().map(|it| it.id).collect());
        busy.spawn(keep_busy(nodes.clone(), player.clone(), what, stop.clone()));
    }
    crash_again_and_again(&nodes).await;
    stop.store(true, Ordering::Relaxed);
    let done: BTreeMap<i64, Done> = busy.join_all().await.into_iter().collect();
    let reported = reporters.stop().await;

    let apps = nodes.into_apps().await;
    nodes::caught_up(&apps[0]).await;
    let log = in_log(&apps[0].database, &fold::KINDS).await;
    let actions = check_once_and_in_order(&log, &reported);
    let mut fold = Fold::new(&missions, &events);
    fold.take_all(&log, &actions);
    let spent = check_spent(&fold, &done);
    check_claims(&log, &done);
    check_progress(&apps[0], &fold).await;
    let paid_by_events = fold.check_events_claimed(&log);
    for player in &players {
        let claims = &done[&player.id].claimed;
        let pays = |id: &i64| missions.iter().find(|mission| mission.id == *id).unwrap().gold;
        let by_events = paid_by_events.get(&player.id).copied().unwrap_or(0);
        let earned = claims.iter().map(pays).sum::<u64>() + by_events;
        let balance = gold(&apps[1], &player.token).await;
        assert_eq!(balance + spent[&player.id], 1_000 + earned, "player {}", player.id);
    }
    let claims: usize = done.values().map(|done| done.claimed.len()).sum();
    println!("{} actions, {claims} claims, {} spends", actions.len(), fold.spent.len());
    assert!(actions.len() > 500 && claims > 50, "not much of a test");
    assert!(paid_by_events.values().any(|gold| *gold > 0), "no event was completed");
    is_clean(&apps[0].database).await;
}

/// What was spent is what the answers say, and each counts as play once; how much it was, by player.
fn check_spent(fold: &Fold<'_>, done: &BTreeMap<i64, Done>) -> BTreeMap<i64, u64> {
    let told = done.iter().flat_map(|(player, done)| {
        done.spent.iter().map(|(position, amount)| (*position, (*player, *amount)))
    });
    let told: BTreeMap<u64, (i64, u64)> = told.collect();
    let written = fold.spent.iter().map(|(at, spent)| (*at, (spent.player, spent.amount)));
    assert_eq!(written.collect::<BTreeMap<_, _>>(), told);
    assert!(fold.spent.values().all(|Spent { counted, .. }| *counted == 1), "{:?}", fold.spent);
    let sum = |done: &Done| done.spent.iter().map(|(_, amount)| amount).sum();
    done.iter().map(|(player, done)| (*player, sum(done))).collect()
}

/// What was claimed is what the answers say, and nothing was claimed twice in a period.
fn check_claims(log: &[Written], done: &BTreeMap<i64, Done>) {
    let mut told: Vec<(i64, i64)> = done
        .iter()
        .flat_map(|(player, done)| done.claimed.iter().map(|mission| (*player, *mission)))
        .collect();
    let claims = || log.iter().filter(|it| it.kind == "mission_claimed");
    let mut written: Vec<(i64, i64)> =
        claims().map(|it| (it.player(), it.payload["mission_id"].as_i64().unwrap())).collect();
    let periods: BTreeSet<String> = claims()
        .map(|it| format!("{} {} {}", it.of, it.payload["mission_id"], it.payload["period"]))
        .collect();
    told.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, told);
    assert_eq!(periods.len(), written.len(), "something was claimed twice");
}

/// How far everybody is with every mission, as readers see it, is what the fold by hand says.
async fn check_progress(app: &App, fold: &Fold<'_>) {
    let rows = "select json_build_array(player_id, mission_id, coalesce(period::text, 'once'),
                       progress, completed_at is not null)
                  from read.mission_progress";
    let mut connection = app.database.superuser().await;
    let rows: Vec<Value> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
    let shown: BTreeSet<String> = rows.iter().map(Value::to_string).collect();
    let expected: BTreeSet<String> = fold.progress().map(|it| it.to_string()).collect();
    let wrong: Vec<_> = shown.symmetric_difference(&expected).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
