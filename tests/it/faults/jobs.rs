//! Gold for ten thousand, while the service is killed: each is paid once, and once it is undone,
//! everybody has given back what was left of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{PgConnection, query_as, query_scalar};
use tokio::time::sleep;

use super::nodes::{self, count, is_clean, until_there_are};
use crate::app::{ADMIN, App, demo_database};
use crate::jobs::{JOBS, ask_by_file, id_of, lines, steer, until};

const PLAYERS: usize = 10_000;
/// What the database takes over each append of a job, so that kills hit the middle of one.
const EACH: Duration = Duration::from_millis(100);
/// Longer than from one look of the worker to the next, twice.
const TWO_ROUNDS: Duration = Duration::from_millis(1_200);
/// Killed when so many are paid, and when so many are taken back.
const PAID: [u64; 5] = [1, 2_000, 4_000, 6_000, 8_000];
const TAKEN: [u64; 4] = [1, 2_500, 5_000, 7_500];

fn due(player: i64) -> u64 {
    10 + player.unsigned_abs() % 7
}

/// What each of these players spends before the undo, and what then is not there any more.
fn spending(player: i64, turn: usize) -> (u64, u64) {
    let due = due(player);
    match turn {
        0 => (10, 0),
        1 => (1_000, 0),
        2 => (1_001, 1),
        3 => (1_000 + due, due),
        _ => (1_007, 7),
    }
}

async fn players(log: &mut PgConnection) -> Vec<i64> {
    let select = "select id from identity.users where site_id like 'bench%' order by id";
    query_scalar(select).fetch_all(log).await.unwrap()
}

fn file(players: &[i64]) -> String {
    let lines = players.iter().map(|player| format!("{player},{}\n", due(*player)));
    std::iter::once("user_id,gold\n".to_owned()).chain(lines).collect()
}

/// Makes the database take its time over each event of one type, and over no other.
async fn slow_down_only(log: &mut PgConnection, kind: &str) {
    let before = "drop trigger if exists take_time on events;
                  drop function if exists public.take_time()";
    sqlx::raw_sql(before).execute(&mut *log).await.unwrap();
    nodes::slow_down(log, kind, EACH).await;
}

/// How much gold moved to or from whom by events of a type, and how many of them each has.
async fn moved(log: &mut PgConnection, kind: &str) -> BTreeMap<i64, (i64, i64)> {
    let select = "select aggregate_id::bigint, count(*),
                         sum((payload->'movement'->'gold'->>'free')::bigint)::bigint
                    from events where event_type = $1 group by aggregate_id";
    let rows: Vec<(i64, i64, i64)> = query_as(select).bind(kind).fetch_all(log).await.unwrap();
    rows.into_iter().map(|(player, times, gold)| (player, (times, gold))).collect()
}

/// All gold there is, by the read models.
async fn all_gold(log: &mut PgConnection) -> i64 {
    let select = "select sum(gold_paid + gold_free)::bigint from read.balances";
    query_scalar(select).fetch_one(log).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gold_for_ten_thousand_is_paid_once_and_undone_whatever_kills_the_service() {
    let database = demo_database().await;
    nodes::seed_players(&database, PLAYERS).await;
    let mut app = nodes::start(database).await;
    nodes::caught_up(&app).await;
    let maker = app.admin().await;
    let checker = app.sign_in("/api/auth/admin/login", ("admin2", ADMIN.1)).await;
    let mut log = app.database.superuser().await;
    let players = players(&mut log).await;
    assert_eq!((players.len(), count(&mut log, "gold_granted").await), (PLAYERS, 0));
    let all: u64 = players.iter().map(|player| due(*player)).sum();
    let gold_before = all_gold(&mut log).await;

    let asked = ask_by_file(&app, &maker, "bulk-1", "?reason=for+everybody", file(&players)).await;
    let id = id_of(&asked);
    assert_eq!(asked.body["status"], "awaiting_approval", "{}", asked.text);
    assert_eq!((&asked.body["lines"], &asked.body["gold"]), (&json!(PLAYERS), &json!(all)));
    slow_down_only(&mut log, "job_lines_paid").await;
    assert_eq!(steer(&app, &checker, &id, "approve").await.status, 200);
    app = kill_while_it_pays(app, &mut log).await;
    let finished = until(&app, &maker, &id, "finished").await;
    assert_eq!(finished["progress"]["paid"], PLAYERS, "{finished}");
    assert_eq!(finished["progress"]["paid_gold"], all, "{finished}");
    let once: BTreeMap<i64, (i64, i64)> =
        players.iter().map(|player| (*player, (1, due(*player).cast_signed()))).collect();
    assert_eq!(moved(&mut log, "gold_granted").await, once);
    is_clean(&app.database).await;

    let spent = spend(&app).await;
    slow_down_only(&mut log, "job_lines_undone").await;
    let mut other = nodes::start(app.database.clone()).await;
    assert_eq!(steer(&app, &maker, &id, "undo").await.status, 200);
    let mut killed_at = Vec::new();
    for least in TAKEN {
        until_there_are(&mut log, "grant_taken_back", least).await;
        // Both at once: whichever is at work.
        let (database, _) = tokio::join!(app.kill(), other.kill());
        killed_at.push(count(&mut log, "grant_taken_back").await);
        app = nodes::start(database.clone()).await;
        other = nodes::start(database).await;
    }
    println!("killed when {killed_at:?} were taken back");
    assert!(killed_at.iter().all(|taken| (1..9_999).contains(taken)), "not much of a test");
    let undone = until(&app, &maker, &id, "undone").await;
    other.kill().await;

    let rests: u64 = spent.values().map(|(_, rest)| rest).sum();
    let progress = &undone["progress"];
    assert_eq!((&progress["undone"], &progress["rest"]), (&json!(PLAYERS), &json!(rests)));
    assert_eq!(progress["taken_back"], all - rests, "{undone}");
    let rest_of = |player: &i64| spent.get(player).map_or(0, |(_, rest)| *rest);
    let taken = |player: &i64| (due(*player) - rest_of(player)).cast_signed();
    let once = players.iter().filter(|player| taken(player) > 0);
    let once: BTreeMap<_, _> = once.map(|player| (*player, (1, taken(player)))).collect();
    assert_eq!(moved(&mut log, "grant_taken_back").await, once);
    refers_to_grants(&mut log, once.len()).await;
    lists_the_rest(&app, &maker, &id, &spent).await;

    nodes::caught_up(&app).await;
    let spent_gold: u64 = spent.values().map(|(spent, _)| spent).sum();
    let expected = gold_before + rests.cast_signed() - spent_gold.cast_signed();
    assert_eq!(all_gold(&mut log).await, expected, "all but the rests has come back");
    is_clean(&app.database).await;
}

/// Kills the node again and again while it pays.
async fn kill_while_it_pays(mut app: App, log: &mut PgConnection) -> App {
    let mut killed_at = Vec::new();
    for least in PAID {
        until_there_are(log, "gold_granted", least).await;
        let database = app.kill().await;
        killed_at.push(count(log, "gold_granted").await);
        app = nodes::start(database).await;
    }
    println!("killed when {killed_at:?} were paid");
    assert!(killed_at.iter().all(|paid| (1..10_000).contains(paid)), "not much of a test");
    app
}

/// Some players spend part of what they have; how much, and what is not there any more of the grant.
async fn spend(app: &App) -> BTreeMap<i64, (u64, u64)> {
    let mut spent = BTreeMap::new();
    for (turn, player) in nodes::bench_players(app, 6).await.into_iter().enumerate() {
        let (gold, rest) = spending(player.id, turn);
        let body = json!({ "gold": gold });
        let told = app.post("/test/spend", Some(&player.token), body).await;
        assert_eq!(told.status, 200, "{}", told.text);
        spent.insert(player.id, (gold, rest));
    }
    spent
}

/// Whatever was taken back bears the receipt under which the same player was paid.
async fn refers_to_grants(log: &mut PgConnection, taken: usize) {
    let select = "select count(*) from events taken join events grants
                     on grants.event_type = 'gold_granted'
                    and grants.aggregate_id = taken.aggregate_id
                    and grants.payload->>'receipt_code' = taken.payload->>'receipt_code'
                   where taken.event_type = 'grant_taken_back'";
    let found: i64 = query_scalar(select).fetch_one(log).await.unwrap();
    assert_eq!(usize::try_from(found).unwrap(), taken);
}

async fn lists_the_rest(app: &App, token: &str, id: &str, spent: &BTreeMap<i64, (u64, u64)>) {
    let listed = lines(app, token, id, "&rest=true").await;
    let told = |line: &Value| {
        assert_eq!(line["status"], "undone", "{line}");
        let number = |name: &str| line[name].as_u64().unwrap();
        assert_eq!(number("taken_back") + number("rest"), number("gold"), "{line}");
        (line["user_id"].as_i64().unwrap(), number("rest"))
    };
    let listed: BTreeMap<i64, u64> = listed.iter().map(told).collect();
    let rests = spent.iter().filter(|(_, (_, rest))| *rest > 0);
    assert_eq!(listed, rests.map(|(player, (_, rest))| (*player, *rest)).collect());
    assert!(listed.len() > 2, "not much of a test");
    let file = app.get(&format!("{JOBS}/{id}/lines.csv"), Some(token)).await;
    assert_eq!(file.text.lines().count(), PLAYERS + 1);
    let rests = app.get(&format!("{JOBS}/{id}/lines.csv?rest=true"), Some(token)).await;
    assert_eq!(rests.text.lines().count(), listed.len() + 1, "{}", rests.text);
}

/// Three appends of lines.
const SOME: usize = 1_400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_paid_behind_a_stop_and_undoing_stops_first() {
    let database = demo_database().await;
    nodes::seed_players(&database, SOME).await;
    let app = nodes::start(database).await;
    let (admin, mut log) = (app.admin().await, app.database.superuser().await);
    let players = players(&mut log).await;
    slow_down_only(&mut log, "job_lines_paid").await;
    let id = id_of(&ask_by_file(&app, &admin, "stop-1", "?reason=a+gift", file(&players)).await);
    until_there_are(&mut log, "gold_granted", 1).await;
    let dry = steer(&app, &admin, &id, "stop?dry_run=true").await;
    assert_eq!(dry.body["events"][0]["type"], "job_stopped", "{}", dry.text);
    let stopped = steer(&app, &admin, &id, "stop").await;
    assert_eq!((stopped.status.as_u16(), &stopped.body["status"]), (200, &json!("stopped")));
    let paid = count(&mut log, "gold_granted").await;
    assert!(paid < SOME as u64, "not much of a test: {paid}");
    let app = nodes::start(app.kill().await).await;
    sleep(TWO_ROUNDS).await;
    assert_eq!(count(&mut log, "gold_granted").await, paid, "it was stopped");
    let shown = until(&app, &admin, &id, "stopped").await;
    assert_eq!(shown["progress"]["pending"], SOME as u64 - paid, "{shown}");
    let before = app.database.head().await;
    assert_eq!(steer(&app, &admin, &id, "stop").await.status, 200, "it is stopped already");
    let dry = steer(&app, &admin, &id, "resume?dry_run=true").await;
    assert_eq!(dry.body["events"][0]["type"], "job_resumed", "{}", dry.text);
    assert_eq!(app.database.head().await, before);
    let resumed = steer(&app, &admin, &id, "resume").await;
    assert_eq!((resumed.status.as_u16(), &resumed.body["status"]), (200, &json!("running")));
    until(&app, &admin, &id, "finished").await;
    for late in ["stop", "resume", "approve"] {
        let refused = steer(&app, &admin, &id, late).await;
        assert!([403, 409].contains(&refused.status.as_u16()), "{late}: {}", refused.text);
    }
    let once = moved(&mut log, "gold_granted").await;
    assert!(once.len() == SOME && once.values().all(|(times, _)| *times == 1));

    let id = id_of(&ask_by_file(&app, &admin, "stop-2", "?reason=a+slip", file(&players)).await);
    until_there_are(&mut log, "gold_granted", SOME as u64 + 1).await;
    assert_eq!(steer(&app, &admin, &id, "undo").await.body["status"], "undoing");
    let paid = count(&mut log, "gold_granted").await - SOME as u64;
    let undone = until(&app, &admin, &id, "undone").await;
    assert_eq!(count(&mut log, "gold_granted").await, SOME as u64 + paid);
    assert_eq!(count(&mut log, "grant_taken_back").await, paid);
    let progress = &undone["progress"];
    assert_eq!((&progress["undone"], &progress["rest"]), (&json!(paid), &json!(0)), "{undone}");
    assert_eq!(progress["pending"], SOME as u64 - paid, "{undone}");
    assert!(paid < SOME as u64, "not much of a test: {paid}");
    for late in ["stop", "resume"] {
        steer(&app, &admin, &id, late).await.is_problem(409, "JOB_STATUS");
    }
    assert_eq!(steer(&app, &admin, &id, "undo").await.status, 200, "once more does nothing");
    is_clean(&app.database).await;
}
