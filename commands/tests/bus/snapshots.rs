//! Snapshots: they make loading short, and nothing else depends on them.

use std::sync::Arc;
use std::time::Duration;

use commands::bus::{Bus, Limits};
use commands::cache::StreamKey;
use commands::log::Log;
use commands::log::memory::{Faults, Kept, MemoryDatabase};
use commands::snapshot::Snapshot;
use domain::id::PlayerId;
use domain::stored::{Hash, Place};
use domain::testing::Tally;

use crate::{folded, line, node, sent};

const TALLY: PlayerId = PlayerId(1);
const LONG: u64 = 2_000;

fn stream() -> StreamKey {
    StreamKey::of::<Tally>(TALLY)
}

async fn fresh(database: &MemoryDatabase, snapshot_every: u64) -> Bus {
    let log = Arc::new(database.connect(Faults::default(), 1));
    node(log, Limits { snapshot_every, ..Limits::default() }).await
}

async fn write(bus: &Bus, notes: std::ops::RangeInclusive<u64>) {
    let lines: Vec<_> = notes.map(|note| line(note, TALLY.0, 1)).collect();
    for lines in lines.chunks(100) {
        sent(bus, lines).await;
    }
}

/// What a node that has nothing in memory sees.
async fn loaded(database: &MemoryDatabase) -> Tally {
    let bus = fresh(database, 0).await;
    bus.look::<Tally, _>(TALLY, Clone::clone).await.unwrap().0
}

fn kept(database: &MemoryDatabase) -> Option<Kept> {
    database.with_snapshots(|snapshots| snapshots.get(&stream()).cloned())
}

/// Changes the one snapshot.
fn tamper(database: &MemoryDatabase, change: impl FnOnce(&mut Kept)) {
    database.with_snapshots(|snapshots| change(snapshots.get_mut(&stream()).unwrap()));
}

/// A long stream with a snapshot near its end.
async fn long() -> MemoryDatabase {
    let database = MemoryDatabase::default();
    let bus = fresh(&database, 0).await;
    write(&bus, 1..=LONG - 10).await;
    bus.snapshot::<Tally>(TALLY).await.unwrap();
    write(&bus, LONG - 9..=LONG).await;
    assert_eq!(kept(&database).unwrap().sequence, LONG - 10);
    database
}

/// Waits until a snapshot of this sequence has been stored in the background.
async fn is_kept(database: &MemoryDatabase, sequence: u64) {
    let stored = async {
        while kept(database).is_none_or(|kept| kept.sequence != sequence) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), stored).await.unwrap();
}

#[tokio::test]
async fn a_long_stream_is_its_snapshot_and_what_came_after() {
    let database = long().await;
    let whole = folded(&database, TALLY);
    assert_eq!(loaded(&database).await, whole);
    // It is the snapshot that was read, not the events before it: another state shows.
    tamper(&database, |kept| kept.state = r#"{"count":7,"trace":0}"#.to_owned());
    assert_ne!(loaded(&database).await.trace, whole.trace);
    // Without it, nothing has changed.
    database.with_snapshots(|snapshots| snapshots.clear());
    assert_eq!(loaded(&database).await, whole);
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_ignored() {
    let changes: [fn(&mut Kept); 4] = [
        |kept| kept.hash = Hash([0; 32]),
        |kept| kept.version = 2,
        |kept| kept.sequence -= 1,
        |kept| kept.state = "[]".to_owned(),
    ];
    for change in changes {
        let database = long().await;
        tamper(&database, |kept| kept.state = r#"{"count":7,"trace":0}"#.to_owned());
        tamper(&database, change);
        assert_eq!(loaded(&database).await, folded(&database, TALLY));
    }
}

#[tokio::test]
async fn a_newer_snapshot_is_not_replaced_by_an_older_one() {
    let database = long().await;
    let log = database.connect(Faults::default(), 1);
    let seen = database.events().last().unwrap().place;
    let older = |version, sequence| Snapshot {
        stream: stream(),
        version,
        sequence,
        state: "{}".to_owned(),
    };
    let newest = kept(&database).unwrap();
    for (version, sequence) in [(1, 5), (0, LONG)] {
        log.store_snapshot(&older(version, sequence), seen).await.unwrap();
        assert_eq!(kept(&database).unwrap(), newest);
    }
    // Nor by what is not in the log, or was made of another history.
    log.store_snapshot(&older(1, LONG + 1), seen).await.unwrap();
    let elsewhere = Place { hash: Hash([7; 32]), ..seen };
    log.store_snapshot(&older(1, LONG), elsewhere).await.unwrap();
    assert_eq!(kept(&database).unwrap(), newest);
    // One that the log knows nothing of stands in nobody's way.
    tamper(&database, |kept| kept.hash = Hash([0; 32]));
    log.store_snapshot(&older(1, 5), seen).await.unwrap();
    assert_eq!(kept(&database).unwrap().sequence, 5);
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_the_last_event_of_a_stretch_has_it_stored() {
    let database = MemoryDatabase::default();
    let bus = fresh(&database, 500).await;
    write(&bus, 1..=499).await;
    assert_eq!(kept(&database), None);
    write(&bus, 500..=510).await;
    // The whole batch is in it.
    is_kept(&database, 510).await;
    assert_eq!(loaded(&database).await, folded(&database, TALLY));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_to_read_a_long_stream_has_it_stored() {
    let database = long().await;
    database.with_snapshots(|snapshots| snapshots.clear());
    let bus = fresh(&database, 500).await;
    bus.look::<Tally, _>(TALLY, |_| ()).await.unwrap();
    is_kept(&database, LONG).await;
    assert_eq!(loaded(&database).await, folded(&database, TALLY));
}

#[tokio::test]
async fn a_stream_without_events_has_no_snapshot() {
    let database = MemoryDatabase::default();
    fresh(&database, 1).await.snapshot::<Tally>(TALLY).await.unwrap();
    assert_eq!(kept(&database), None);
}
