//! Snapshots in the database: a long stream loads by them, and whatever does not fit is ignored.

use std::sync::Arc;

use commands::bus::{Bus, Limits, Line, Request};
use commands::clock::SystemClock;
use commands::context::{Fingerprint, IdempotencyKey};
use commands::log::postgres::PostgresLog;
use commands::world::{Decline, World};
use commands::{Caller, Failure};
use domain::aggregate::Aggregate;
use domain::id::PlayerId;
use domain::testing::{Tally, TallyTooLow, Tallying};
use sqlx::{Executor, PgConnection};
use tokio::time::{Duration, Instant, sleep};

use crate::database::Database;
use crate::log::{check, entries};

const TALLY: PlayerId = PlayerId(23);
const LONG: u64 = 3_000;
const PATIENCE: Duration = Duration::from_secs(10);

async fn node(database: &Database, snapshot_every: u64) -> Bus {
    let pool = database.service_pool(4).await;
    let log = Arc::new(PostgresLog::connect(&database.url(), pool).await.unwrap());
    let limits = Limits { snapshot_every, ..Limits::default() };
    Bus::start(log, Arc::new(SystemClock), limits).await.unwrap()
}

/// One batch of lines, each with a key of its own; how many were written, and how many done before.
async fn write(bus: &Bus, notes: std::ops::RangeInclusive<u64>) -> (usize, usize) {
    let notes: Vec<u64> = notes.collect();
    let key = |note: &u64| IdempotencyKey::parse(&format!("note-{note}")).unwrap();
    let caller = Caller::system("test");
    let lines = notes.iter().map(|note| Line {
        key: key(note),
        fingerprint: Fingerprint([0; 16]),
        player: PlayerId(1),
    });
    let request = Request::of_lines(&caller, lines.collect());
    let decide = move |world: &mut World<'_>| -> Result<(), Decline<TallyTooLow>> {
        for (line, note) in notes.iter().enumerate() {
            if !world.is_done(line) {
                world.begin_line(line);
                world.decide::<Tally>(TALLY, &Tallying { note: *note, by: 1 })?;
            }
        }
        Ok(())
    };
    let written: Result<_, Failure<TallyTooLow>> = bus.execute_lines(request, decide).await;
    let written = written.unwrap();
    (written.events.len(), written.done_before.len())
}

/// What a node that has nothing in memory sees.
async fn loaded(database: &Database) -> Tally {
    let bus = node(database, 0).await;
    let look = bus.look::<Tally, _>(TALLY, Clone::clone).await.unwrap();
    bus.close().await;
    look.0
}

async fn folded(database: &Database) -> Tally {
    let mut state = Tally::default();
    for entry in entries(database).await {
        state.evolve(&entry.recorded.event.decode().unwrap());
    }
    state
}

async fn kept(superuser: &mut PgConnection) -> Option<i64> {
    let kept = sqlx::query_scalar("select sequence from snapshots");
    kept.fetch_optional(superuser).await.unwrap()
}

/// Waits until there is a snapshot that has `sequence`.
async fn is_kept(superuser: &mut PgConnection, sequence: u64) {
    let latest = Instant::now() + PATIENCE;
    while kept(superuser).await.is_none_or(|kept| kept.cast_unsigned() < sequence) {
        assert!(Instant::now() < latest, "no snapshot is stored");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_long_stream_loads_by_its_snapshot_and_equals_the_full_fold() {
    let database = Database::empty().await;
    let mut superuser = database.superuser().await;
    let bus = node(&database, 0).await;
    for start in (1..LONG).step_by(500) {
        assert_eq!(write(&bus, start..=start + 499).await, (500, 0));
    }
    bus.snapshot::<Tally>(TALLY).await.unwrap();
    assert_eq!(kept(&mut superuser).await, Some(LONG.cast_signed()));
    assert_eq!(write(&bus, LONG - 9..=LONG + 10).await, (10, 10));
    bus.close().await;
    check(&database, &entries(&database).await).await;
    let whole = folded(&database).await;
    assert_eq!(loaded(&database).await, whole);

    // It is the snapshot that was read: another state shows.
    superuser.execute("update snapshots set state = '{\"count\":7,\"trace\":0}'").await.unwrap();
    assert_ne!(loaded(&database).await.trace, whole.trace);
    let changes = [
        "update snapshots set version = version + 1",
        "update snapshots set version = version - 1, sequence = sequence - 1",
        "update snapshots set sequence = sequence + 1, hash = sha256('')",
        "update snapshots set hash = (select hash from events where position = 3000), state = '[]'",
        "delete from snapshots",
    ];
    for change in changes {
        let changed = superuser.execute(change).await.unwrap();
        assert_eq!((changed.rows_affected(), loaded(&database).await), (1, whole.clone()));
    }
}

#[tokio::test]
async fn snapshots_are_stored_by_who_writes_and_by_who_reads() {
    let database = Database::empty().await;
    let mut superuser = database.superuser().await;
    let bus = node(&database, 100).await;
    write(&bus, 1..=99).await;
    assert_eq!(kept(&mut superuser).await, None);
    write(&bus, 100..=120).await;
    is_kept(&mut superuser, 120).await;
    write(&bus, 121..=190).await;
    assert_eq!(loaded(&database).await, folded(&database).await);

    superuser.execute("delete from snapshots").await.unwrap();
    let reader = node(&database, 100).await;
    reader.look::<Tally, _>(TALLY, |_| ()).await.unwrap();
    is_kept(&mut superuser, 190).await;
    assert_eq!(loaded(&database).await, folded(&database).await);
    // Once more changes nothing.
    bus.snapshot::<Tally>(TALLY).await.unwrap();
    assert_eq!(kept(&mut superuser).await, Some(190));
    reader.close().await;
    bus.close().await;
}

#[tokio::test]
async fn a_node_that_remembers_nothing_finds_the_lines_of_another() {
    let database = Database::empty().await;
    let first = node(&database, 500).await;
    assert_eq!(write(&first, 1..=50).await, (50, 0));
    let second = node(&database, 500).await;
    assert_eq!(write(&second, 26..=75).await, (25, 25));
    // At once, on both, in part the same.
    let both = tokio::join!(write(&first, 51..=120), write(&second, 90..=140));
    assert_eq!(both.0.0 + both.1.0, 65);
    check(&database, &entries(&database).await).await;
    assert_eq!(database.events().await, 140);
    first.close().await;
    second.close().await;
}
