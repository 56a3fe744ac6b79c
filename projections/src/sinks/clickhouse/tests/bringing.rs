//! Each position is in once, whatever happens to either side.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use domain::account::{Account, AccountCommand};
use domain::aggregate::Aggregate;
use domain::money::Gold;
use domain::stored::{Recorded, StoredEvent};
use domain::testing::at;
use sqlx::PgPool;
use tokio::sync::watch;

use super::super::insert::insert;
use super::super::{
    ClickHouse, ClickHouseConfig, NAME, books, compare, completeness, repair, set_aside,
};
use super::figures::followed;
use crate::engine::Engine;
use crate::feed::Feed;
use crate::follower::FollowerState;
use crate::testing::{Writer, database, stored, tamper};

const SOON: Duration = Duration::from_secs(60);
const EVER: (NaiveDate, NaiveDate) =
    (NaiveDate::from_ymd_opt(1990, 1, 1).unwrap(), NaiveDate::from_ymd_opt(2100, 1, 1).unwrap());

/// A follower that works while this lives.
struct Running {
    engine: Engine,
    stop: watch::Sender<bool>,
    handle: crate::follower::FollowerHandle,
}

fn run(clickhouse: &ClickHouse, pool: &PgPool) -> Running {
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
    let handle = engine.clickhouse(clickhouse.clone());
    Running { engine, stop, handle }
}

impl Running {
    async fn until(self, position: u64) {
        assert!(self.handle.wait_for(position, SOON).await, "{:?}", self.handle.status(0, 0));
        self.stop.send_replace(true);
        self.engine.stopped().await;
    }
}

async fn is_exactly_the_log(clickhouse: &ClickHouse, pool: &PgPool, head: u64) {
    let complete = completeness(clickhouse, pool).await.unwrap();
    assert!(complete.is_complete(), "{complete:?}");
    assert_eq!((complete.place, complete.rows), (head, complete.distinct));
    let differences = compare(clickhouse, pool, EVER).await.unwrap();
    assert!(differences.is_none(), "{differences:?}");
}

/// So many rows in a table, merged or not.
async fn rows(clickhouse: &ClickHouse, table: &str) -> u64 {
    clickhouse.ask(&format!("select count() from {table}")).row().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_tried_again_is_dropped_in_every_table() {
    let clickhouse = super::clickhouse();
    let (pool, _, log) = followed(&clickhouse, 83, 1_500).await;
    let before = rows(&clickhouse, "gold_movements").await;
    // Under a token that these tables have not seen, as after a restored ClickHouse, and then again and again. One
    // table has lost what it had, as if a crash had come between the tables.
    let tried = &log[700..];
    let lost = format!("delete from activity where position >= {}", tried[0].place.position);
    clickhouse.ask(&lost).done().await.unwrap();
    for _ in 0..3 {
        insert(&clickhouse, "clickhouse:again", tried).await.unwrap();
    }
    assert_eq!(rows(&clickhouse, "events").await, (log.len() + tried.len()) as u64);
    assert!(rows(&clickhouse, "gold_movements").await < 2 * before);
    // Whoever sums sees each row once, whatever stands there twice.
    for (table, key) in [
        ("events", "position"),
        ("gold_movements", "position"),
        ("purchases", "position"),
        ("participations", "(position, goal)"),
        ("activity", "position"),
    ] {
        let twice = format!("select count() - uniqExact({key}) from {table} final");
        assert_eq!(clickhouse.ask(&twice).row::<i64>().await.unwrap(), 0, "{table}");
    }
    let differences = compare(&clickhouse, &pool, EVER).await.unwrap();
    assert!(differences.is_none(), "{differences:?}");
    let done = repair(&clickhouse, &pool, EVER).await.unwrap();
    assert_eq!(done.taken_out, tried.len() as u64, "{done:?}");
    is_exactly_the_log(&clickhouse, &pool, log.len() as u64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_range_is_tried_again_unchanged_by_whoever_comes_next() {
    let clickhouse = super::clickhouse();
    let (pool, ..) = followed(&clickhouse, 84, 700).await;
    let mut writer = Writer::resumed(&pool, 84).await;
    let more = writer.append(grants(2_000_000, 300, 1)).await;
    let (first, last) = (more[0].place.position, more[199].place);
    let range = books::Range { from: first, to: last };
    let mut connection = pool.acquire().await.unwrap();
    books::begin(&mut connection, &range).await.unwrap();
    let token = format!("{NAME}:{first}-{}", last.position);
    insert(&clickhouse, &token, &more[..200]).await.unwrap();
    // The crash came before the place was stored.
    run(&clickhouse, &pool).until(writer.head.position).await;
    is_exactly_the_log(&clickhouse, &pool, writer.head.position).await;
    assert_eq!(books::pending(&mut connection).await.unwrap(), None);
}

/// Whoever counts before the tables are made finds nothing in them, and no failure.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_server_holds_nothing_and_a_missing_one_is_a_failure() {
    let (clickhouse, pool) = (super::clickhouse(), database().await);
    let found = completeness(&clickhouse, &pool).await.unwrap();
    assert_eq!((found.place, found.distinct, found.rows), (0, 0, 0));
    let nobody = ClickHouseConfig { url: "http://127.0.0.1:9".into(), ..clickhouse.config };
    completeness(&ClickHouse::new(nobody), &pool).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_event_is_set_aside_alone_and_comes_in_once_it_can() {
    let clickhouse = super::clickhouse();
    let (pool, ..) = followed(&clickhouse, 85, 700).await;
    let constraint = "alter table events add constraint no_poison check stream != '3000007'";
    clickhouse.ask(constraint).done().await.unwrap();
    let mut writer = Writer::resumed(&pool, 85).await;
    let mut events = grants(3_000_000, 40, 1);
    // A shape that this program does not know.
    let (sequence, payload) = (3, r#"{"type":"sign_up_bonus_granted"}"#.into());
    events.push(StoredEvent { sequence, payload, ..events[3].clone() });
    events.extend(grants(2_000_000, 20, 1));
    let written = writer.append(events).await;
    let head = writer.head.position;
    run(&clickhouse, &pool).until(head).await;
    let aside = set_aside(&pool).await.unwrap();
    let poisoned: Vec<&Recorded> = written
        .iter()
        .filter(|it| &*it.event.aggregate_id == "3000007" || it.event.sequence == 3)
        .collect();
    let expected: Vec<u64> = poisoned.iter().map(|it| it.place.position).collect();
    assert_eq!(aside.iter().map(|it| it.position).collect::<Vec<_>>(), expected);
    assert!(aside.iter().any(|it| it.reason.contains("no_poison")), "{aside:?}");
    assert!(aside.iter().any(|it| it.reason.contains("cannot be read")), "{aside:?}");
    is_exactly_the_log(&clickhouse, &pool, head).await;

    clickhouse.ask("alter table events drop constraint no_poison").done().await.unwrap();
    let done = repair(&clickhouse, &pool, EVER).await.unwrap();
    assert_eq!((done.brought_in, done.set_aside), (expected.len() as u64 - 1, 1));
    assert_eq!(set_aside(&pool).await.unwrap().len(), 1);
    is_exactly_the_log(&clickhouse, &pool, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_doubled_or_forged_is_seen_and_repaired() {
    let clickhouse = super::clickhouse();
    let (pool, _, log) = followed(&clickhouse, 86, 2_100).await;
    let harm = [
        "delete from events where position between 100 and 140",
        "delete from gold_movements where position between 500 and 700",
        "insert into events select * replace (toFixedString('x', 32) as hash) from events where position = 300",
        "alter table activity update player = 99 where position < 50 settings mutations_sync = 1",
    ];
    for harm in harm {
        clickhouse.ask(harm).done().await.unwrap();
    }
    clickhouse.ask("optimize table events final").done().await.unwrap();
    let differences = compare(&clickhouse, &pool, EVER).await.unwrap();
    assert!(!differences.events.is_empty() && !differences.tables.is_empty(), "{differences:?}");
    assert!(!completeness(&clickhouse, &pool).await.unwrap().is_complete());
    repair(&clickhouse, &pool, EVER).await.unwrap();
    is_exactly_the_log(&clickhouse, &pool, log.len() as u64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_stops_the_sink() {
    let clickhouse = super::clickhouse();
    let (pool, ..) = followed(&clickhouse, 87, 700).await;
    // The log as a backup had it, and what was written since then: another end.
    tamper(&pool, "delete from events where position > 300").await;
    tamper(&pool, "delete from read.followers").await;
    let mut writer = Writer::resumed(&pool, 87).await;
    writer.append(grants(3_000_000, 900, 1)).await;
    let before = rows(&clickhouse, "events").await;
    let running = run(&clickhouse, &pool);
    let stopped = async {
        while running.handle.state() != FollowerState::PlaceGone {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, stopped).await.unwrap();
    assert_eq!(rows(&clickhouse, "events").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_clickhouse_is_filled_again_from_the_first_event() {
    let clickhouse = super::clickhouse();
    let (pool, ..) = followed(&clickhouse, 88, 1_500).await;
    let database = &clickhouse.config.database;
    clickhouse.ask_server(&format!("drop database {database}")).done().await.unwrap();
    let mut writer = Writer::resumed(&pool, 88).await;
    // Three months, and more than is read page by page.
    for month in 1..=3 {
        writer.recorded_at += TimeDelta::days(31);
        writer.append(grants(month * 4_000_000, 9_000, 1)).await;
    }
    run(&clickhouse, &pool).until(writer.head.position).await;
    is_exactly_the_log(&clickhouse, &pool, writer.head.position).await;
    let parts = "select uniqExact(toYYYYMM(recorded_at)) from events";
    assert_eq!(clickhouse.ask(parts).row::<u64>().await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_texts_are_emptied_when_that_is_asked_for_and_everything_is_still_there() {
    let clickhouse = super::clickhouse();
    let (pool, ..) = followed(&clickhouse, 89, 700).await;
    let full = "select countIf(payload != '') from events";
    assert_eq!(clickhouse.ask(full).row::<u64>().await.unwrap(), rows(&clickhouse, "events").await);
    // These histories are of 2024.
    let config = ClickHouseConfig { raw_days: Some(30), ..clickhouse.config.clone() };
    let emptying = ClickHouse::new(config);
    let mut writer = Writer::resumed(&pool, 89).await;
    for again in [&emptying, &emptying, &clickhouse] {
        writer.append(grants(5_000_000 + writer.head.position.cast_signed(), 3, 1)).await;
        run(again, &pool).until(writer.head.position).await;
        clickhouse.ask("optimize table events final").done().await.unwrap();
    }
    let left = clickhouse.ask(full).row::<u64>().await.unwrap();
    assert!(left <= 6, "{left} texts are left");
    let kept = "select count() from system.tables where database = currentDatabase()
                   and create_table_query like '%toIntervalDay%'";
    assert_eq!(clickhouse.ask(kept).row::<u64>().await.unwrap(), 0);
    is_exactly_the_log(&clickhouse, &pool, writer.head.position).await;
}

/// The first events of so many accounts that nobody else has.
fn grants(first_player: i64, players: i64, second: i64) -> Vec<StoredEvent> {
    let opened = |player: i64| {
        let open = AccountCommand::Open { at: at(second), bonus: Gold::new(1_000).unwrap() };
        let events = Account::default().decide(&open).unwrap();
        let numbered = events.into_iter().zip(1..);
        numbered.map(move |(event, number)| stored("account", &player.to_string(), number, &event))
    };
    (first_player..first_player + players).flat_map(opened).collect()
}
