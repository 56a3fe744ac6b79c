//! Reactions and sinks: in order, nothing lost, whatever fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::stored::Recorded;
use sqlx::Executor;
use tokio::sync::{broadcast, watch};

use super::{Engine, Pace};
use crate::feed::{Batch, Feed};
use crate::follower::{FollowerError, FollowerState, Reaction, Resume, Sink};
use crate::read_models;
use crate::rebuild::{Comparison, IfDifferent, rebuild};
use crate::testing::{Writer, database};

const SOON: Duration = Duration::from_secs(20);

type Seen = Arc<Mutex<Vec<u64>>>;

fn positions(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.place.position).collect()
}

/// Fails on every third page, after having done its work.
struct Clumsy {
    seen: Seen,
    pages: u32,
}

impl Reaction for Clumsy {
    const NAME: &'static str = "clumsy";

    async fn handle(&mut self, events: &[&Recorded]) -> Result<(), FollowerError> {
        let positions = events.iter().map(|event| event.place.position);
        self.seen.lock().unwrap().extend(positions);
        self.pages += 1;
        if self.pages.is_multiple_of(3) {
            return Err(FollowerError::handler("dropped it"));
        }
        Ok(())
    }
}

struct Watching(Seen);

impl Sink for Watching {
    const NAME: &'static str = "watching";
    const LEASED: bool = false;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        Ok(Resume::Head)
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        self.0.lock().unwrap().extend(positions(events));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_sees_every_event_at_least_once_across_failures_and_restarts() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 1).await;
    let seen = Seen::default();
    for _ in 0..3 {
        let (stop, shutdown) = watch::channel(false);
        let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
        let handle = engine.react(Clumsy { seen: Arc::clone(&seen), pages: 0 });
        for _ in 0..4 {
            writer.write(10).await;
            assert!(handle.wait_for(writer.head.position, SOON).await);
        }
        stop.send_replace(true);
        engine.stopped().await;
    }
    let seen = seen.lock().unwrap();
    let all: std::collections::BTreeSet<u64> = seen.iter().copied().collect();
    assert!(all.into_iter().eq(1..=writer.head.position));
    assert!(seen.len() as u64 > writer.head.position, "a failed page comes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_from_the_head_sees_what_is_written_from_then_on_in_order_and_once() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 2).await;
    writer.write(50).await;
    let begin = writer.head.position;
    let (sender, _) = broadcast::channel::<Batch>(2);
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::new(pool.clone(), sender.clone()), shutdown);
    let seen = Seen::default();
    let handle = engine.sink(Watching(Arc::clone(&seen)));
    assert!(handle.wait_for(begin, SOON).await && handle.wait_until_well(SOON).await);
    for round in 0..40 {
        let batch: Batch = writer.write(5).await.into();
        // Handed over once, twice, or not at all, and faster than the channel holds.
        for _ in 0..round % 3 {
            let _ = sender.send(Arc::clone(&batch));
        }
    }
    assert!(handle.wait_for(writer.head.position, SOON).await);
    assert!(seen.lock().unwrap().iter().copied().eq(begin + 1..=writer.head.position));
    stop.send_replace(true);
    engine.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_connections_are_cut_loses_and_doubles_nothing() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 3).await;
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
    let handle = engine.read_models(Pace::default());
    for _ in 0..6 {
        for _ in 0..10 {
            writer.write(20).await;
        }
        let cut = "select pg_terminate_backend(l.pid) from pg_locks l join pg_database d
                       on d.oid = l.database and d.datname = current_database()
                    where l.locktype = 'advisory' and l.granted";
        pool.execute(cut).await.unwrap();
    }
    assert!(handle.wait_for(writer.head.position, SOON).await);
    assert!(handle.wait_until_well(SOON).await);
    stop.send_replace(true);
    engine.stopped().await;
    let rebuilt = rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap();
    assert_eq!(rebuilt.comparison, Comparison::Equal { position: writer.head.position });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_stops_its_follower_and_nobody_else() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 4).await;
    let mut strange = writer.write(10).await.remove(0).event;
    strange.aggregate_type = "from_the_future".into();
    writer.append(vec![strange]).await;
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
    let tables = engine.read_models(Pace::default());
    let other = engine.sink(Watching(Seen::default()));
    assert!(other.wait_for(writer.head.position, SOON).await);
    while tables.state() != FollowerState::Failing {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let statuses = engine.followers().status().await;
    let status = statuses.iter().find(|status| status.name == read_models::NAME).unwrap();
    let error = status.error.as_deref().unwrap();
    assert!(error.contains(&format!("position {}", writer.head.position)), "{error}");
    stop.send_replace(true);
    engine.stopped().await;
}
