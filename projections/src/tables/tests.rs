//! Exactly once, whatever is killed; read your writes; places that have gone.

use std::time::Duration;

use domain::account::AccountEvent;
use domain::id::PlayerId;
use domain::stored::decode;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use crate::engine::{Engine, Pace};
use crate::feed::{Batch, Feed};
use crate::follower::{FollowerHandle, FollowerState};
use crate::read_models::{balances, books, purchases};
use crate::rebuild::{IfDifferent, rebuild};
use crate::statement;
use crate::testing::{Writer, another_history, database, stored};

const SOON: Duration = Duration::from_secs(10);

struct Running {
    engine: Engine,
    handle: FollowerHandle,
    stop: watch::Sender<bool>,
}

impl Running {
    fn start(feed: &Feed) -> Self {
        let (stop, shutdown) = watch::channel(false);
        let mut engine = Engine::new(feed.clone(), shutdown);
        let handle = engine.read_models(Pace::default());
        Self { engine, handle, stop }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.engine.stopped().await;
        assert_eq!(self.handle.state(), FollowerState::Stopped);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_what_was_written() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 1).await;
    let (sender, _) = broadcast::channel::<Batch>(16);
    let running = Running::start(&Feed::new(pool.clone(), sender.clone()));
    for _ in 0..20 {
        let events = writer.write(25).await;
        let head = writer.head.position;
        // Some batches are handed over, some are not: both arrive.
        if head % 3 > 0 {
            let _ = sender.send(events.into());
        }
        assert!(running.handle.wait_for(head, SOON).await);
        let player = PlayerId(1);
        let lines = statement::page(&pool, player, None, None, 10).await.unwrap();
        let balance = balances::of(&pool, player).await.unwrap();
        assert!(lines.position >= head && balance.position >= head);
        if let (Some(line), Some(balance)) = (lines.rows.first(), balance.rows) {
            assert_eq!(line.balance_after, balance.gold);
        }
        let books = books::totals(&pool).await.unwrap().rows;
        assert_eq!(books.iter().map(|book| book.gold_paid).sum::<i64>(), 0);
        assert_eq!(books.iter().map(|book| book.gold_free).sum::<i64>(), 0);
        let debts: Vec<_> = books.iter().filter(|book| book.account == books::DEBTS).collect();
        let owed: i64 = debts.iter().map(|book| -book.gold_paid - book.gold_free).sum();
        let everybody: Vec<PlayerId> = (1..=20).map(PlayerId).collect();
        let balances = balances::of_each(&pool, &everybody).await.unwrap().rows;
        assert_eq!(balances.iter().map(|balance| balance.debt).sum::<u64>(), owed.cast_unsigned());
    }
    assert!(!running.handle.wait_for(1_000_000, Duration::from_millis(20)).await);
    let status = running.engine.followers().status().await;
    assert_eq!((status[0].position, status[0].lag_events), (writer.head.position, 0));
    assert_eq!((status[0].generation, status[0].state), (1, FollowerState::Following));
    running.stop().await;
}

/// Rewards without gold are not in it, however many stand between two lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_statement_passes_over_what_moved_no_gold() {
    let event = |name: &str| {
        let fixtures = include_str!("../../../domain/fixtures/account.jsonl").lines();
        let mut fixtures = fixtures.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = fixtures.find(|fixture| fixture["event_type"] == name).unwrap();
        decode::<AccountEvent>(name, "1", &found["payload"].to_string()).unwrap()
    };
    let (gold, no_gold) = (event("gold_granted"), event("reward_gifted"));
    assert!(gold.ledger_entry().is_some() && no_gold.ledger_entry().is_none());
    let events = [&gold].into_iter().chain([&no_gold; 2_100]).chain([&gold, &no_gold]);
    let events = (1..).zip(events).map(|(sequence, event)| stored("account", "7", sequence, event));
    let pool = database().await;
    Writer::new(&pool, 1).await.append(events.collect()).await;
    rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap();
    let positions = async |before, limit| -> Vec<u64> {
        let page = statement::page(&pool, PlayerId(7), before, None, limit).await.unwrap();
        page.rows.iter().map(|line| line.position).collect()
    };
    assert_eq!(positions(None, 1).await, [2_102]);
    assert_eq!(positions(Some(2_102), 1).await, [1]);
    assert_eq!(positions(Some(1), 1).await, [0; 0]);
    assert_eq!(positions(None, 50).await, [2_102, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_statement_follow_each_other() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 2).await;
    writer.write(2_000).await;
    let running = Running::start(&Feed::polling(pool.clone()));
    assert!(running.handle.wait_for(writer.head.position, SOON).await);
    let player = PlayerId(3);
    let all = statement::page(&pool, player, None, None, 1_000).await.unwrap().rows;
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page = statement::page(&pool, player, before, None, 7).await.unwrap().rows;
        let Some(last) = page.last() else { break };
        before = Some(last.position);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(all.is_sorted_by(|a, b| a.position > b.position) && all.len() > 20);
    let spent = statement::page(&pool, player, None, Some("spend"), 1_000).await.unwrap().rows;
    let expected: Vec<_> = all.iter().filter(|line| line.kind == "spend").cloned().collect();
    assert_eq!(spent, expected);
    let actors = ["player:3", "admin:1", "admin:2"];
    assert!(spent.iter().all(|line| line.gold < 0 && actors.contains(&line.actor.as_str())));

    let bought = purchases::page(&pool, player, None, 1_000).await.unwrap().rows;
    assert!(bought.iter().any(|purchase| purchase.status == purchases::Status::Completed));
    let code = bought[0].receipt_code.parse().unwrap();
    assert_eq!(purchases::by_receipt(&pool, code).await.unwrap().rows.as_ref(), Some(&bought[0]));
    let unknown = "ffffffffffff".parse().unwrap();
    assert_eq!(purchases::by_receipt(&pool, unknown).await.unwrap().rows, None);
    assert_eq!(balances::of(&pool, PlayerId(999)).await.unwrap().rows, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_generation_readers_are_told() {
    let pool = database().await;
    let error = balances::of(&pool, PlayerId(1)).await.unwrap_err();
    assert!(matches!(error, crate::read_models::ReadError::NotBuilt), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_has_gone_stops_the_follower_and_says_so() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 3).await;
    writer.write(100).await;
    let feed = Feed::polling(pool.clone());
    let running = Running::start(&feed);
    assert!(running.handle.wait_for(100, SOON).await);
    running.stop().await;

    let elsewhere = another_history(90);
    sqlx::query("update read.followers set position = 90, hash = $1")
        .bind(&elsewhere.hash.0[..])
        .execute(&pool)
        .await
        .unwrap();
    let running = Running::start(&feed);
    while running.handle.state() != FollowerState::PlaceGone {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = &running.engine.followers().status().await[0];
    assert_eq!(status.position, 90);
    assert!(status.error.as_ref().unwrap().contains("operations.md"), "{:?}", status.error);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_one_follower_and_take_over_from_each_other() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 4).await;
    writer.write(50).await;
    let feed = Feed::polling(pool.clone());
    let first = Running::start(&feed);
    assert!(first.handle.wait_for(writer.head.position, SOON).await);
    let second = Running::start(&feed);
    writer.write(50).await;
    assert!(second.handle.wait_for(writer.head.position, SOON).await);
    assert_eq!(second.handle.state(), FollowerState::StandingBy);
    first.stop().await;
    writer.write(50).await;
    assert!(second.handle.wait_for(writer.head.position, SOON).await);
    while second.handle.state() != FollowerState::Following {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.stop().await;
}
