//! The bus alone, with the smallest aggregate: commands of several lines and snapshots, told as
//! stories and attacked from seeds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so where it stands"
)]

mod histories;
mod lines;
mod snapshots;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use commands::bus::{Bus, CommittedLines, Limits, Request};
use commands::clock::Clock;
use commands::context::{Caller, Fingerprint, IdempotencyKey};
use commands::log::Log;
use commands::log::memory::{Faults, MemoryDatabase};
use commands::world::{Decline, World};
use commands::{Failure, bus};
use domain::aggregate::Aggregate;
use domain::event::Actor;
use domain::id::PlayerId;
use domain::testing::{Tally, TallyEvent, TallyTooLow, Tallying, at};

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        at(0)
    }
}

async fn node(log: Arc<dyn Log>, limits: Limits) -> Bus {
    Bus::start(log, Arc::new(StandingClock), limits).await.unwrap()
}

/// One node on an empty log without faults.
async fn club() -> (MemoryDatabase, Bus) {
    let database = MemoryDatabase::default();
    let log = Arc::new(database.connect(Faults::default(), 1));
    (database, node(log, Limits::default()).await)
}

/// One line: a tally goes up or down. Its note names it in the log, and its key with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Line {
    note: u64,
    tally: i64,
    by: i64,
}

fn line(note: u64, tally: i64, by: i64) -> Line {
    Line { note, tally, by }
}

/// Half of the keys are time-ordered and believed to be new, the others could be from any time.
fn key(note: u64) -> IdempotencyKey {
    let text = if note.is_multiple_of(2) {
        let mut chance = [0; 10];
        chance[2..].copy_from_slice(&note.to_be_bytes());
        let made = at(1).timestamp_millis().try_into().unwrap();
        uuid::Builder::from_unix_timestamp_millis(made, &chance).into_uuid().to_string()
    } else {
        format!("key-{note}")
    };
    IdempotencyKey::parse(&text).unwrap()
}

fn request(name: &str, lines: &[Line]) -> Request {
    let caller = Caller {
        actor: Actor::System("test"),
        request: Some(name.to_owned()),
        trace: None,
        cause: None,
        key: None,
        is_dry_run: false,
    };
    let keyed = lines.iter().map(|line| bus::Line {
        key: key(line.note),
        fingerprint: Fingerprint([0; 16]),
        player: PlayerId(1),
    });
    Request::of_lines(&caller, keyed.collect())
}

/// What a batch led to, and the notes of its lines that were refused.
type Told = (Result<CommittedLines, Failure<TallyTooLow>>, HashSet<u64>);

/// Asks for all lines that can be had.
async fn send(bus: &Bus, name: &str, lines: &[Line]) -> Told {
    let refused = Arc::new(Mutex::new(HashSet::new()));
    let (collected, asked) = (refused.clone(), lines.to_vec());
    let decide = move |world: &mut World<'_>| {
        let mut refused = collected.lock().unwrap();
        refused.clear();
        for (index, line) in asked.iter().enumerate() {
            if world.is_done(index) {
                continue;
            }
            world.begin_line(index);
            let tallying = Tallying { note: line.note, by: line.by };
            match world.decide::<Tally>(PlayerId(line.tally), &tallying) {
                Ok(()) => {}
                Err(Decline::Refused(TallyTooLow)) => drop(refused.insert(line.note)),
                Err(missing @ Decline::Missing(_)) => return Err(missing),
            }
        }
        Ok(())
    };
    let told = bus.execute_lines(request(name, lines), decide).await;
    let refused = refused.lock().unwrap().clone();
    (told, refused)
}

/// The lines that were written, and those that were done before.
async fn sent(bus: &Bus, lines: &[Line]) -> (Vec<usize>, Vec<usize>) {
    let (told, _) = send(bus, "batch", lines).await;
    let CommittedLines { events, done_before, .. } = told.unwrap();
    (events.into_iter().map(|(line, _)| line).collect(), done_before)
}

async fn count(bus: &Bus, tally: i64) -> i64 {
    bus.look::<Tally, _>(PlayerId(tally), |tally| tally.count).await.unwrap().0
}

fn note(event: &TallyEvent) -> u64 {
    let TallyEvent::Tallied { note, .. } = event;
    *note
}

/// The notes in the log, in order.
fn notes(database: &MemoryDatabase) -> Vec<u64> {
    let events = database.events();
    events.iter().map(|recorded| note(&recorded.event.decode().unwrap())).collect()
}

/// A tally as its events make it, from the first to the last.
fn folded(database: &MemoryDatabase, tally: PlayerId) -> Tally {
    let mut state = Tally::default();
    for recorded in database.events() {
        if *recorded.event.aggregate_id == tally.to_string() {
            state.evolve(&recorded.event.decode().unwrap());
        }
    }
    state
}
