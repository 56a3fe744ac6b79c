//! The log in memory, shared by any number of nodes, with faults to order: for simulations of the
//! command side without a server.

mod snapshots;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::stored::{Hash, Place, Recorded, StoredEvent};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Notify, OwnedMutexGuard};

pub use self::snapshots::{Kept, Snapshots};
use super::{Appended, Batch, KeyedCommand, LastEvent, Locked, LockedLog, Log, LogError, Tail};
use crate::cache::StreamKey;
use crate::context::Fingerprint;
use crate::keys::KeyHash;
use crate::snapshot::Snapshot;

/// How often, in a thousand calls, each fault strikes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The call is lost before it is carried out.
    pub lost_before: u32,
    /// It is carried out, and the answer is lost.
    pub lost_after: u32,
    /// The answer is lost, and it is carried out later, unless the node fences it off first.
    pub late: u32,
    /// The answer takes a while.
    pub slow: u32,
    /// A defect built in on purpose, to show that a simulation sees it.
    pub planted: Option<Planted>,
}

/// Defects that the log must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// What was sent before the fence is carried out behind it.
    NoFence,
    /// An append on a head that is not the log's is written all the same.
    NoExpectedHead,
}

/// The one log that nodes share.
#[derive(Clone, Default)]
pub struct MemoryDatabase {
    tables: Arc<Mutex<Tables>>,
    lock: Arc<tokio::sync::Mutex<()>>,
    grown: Arc<Notify>,
}

#[derive(Default)]
struct Tables {
    events: Vec<Recorded>,
    /// By idempotency key and caller.
    keys: HashMap<(String, String), KeyedCommand>,
    snapshots: Snapshots,
    numbers: u64,
}

/// One node's connection to it.
pub struct MemoryLog {
    database: MemoryDatabase,
    faults: Faults,
    dice: Mutex<StdRng>,
    /// Sent, not answered, and not carried out yet.
    late: Arc<Mutex<Vec<Arc<Batch>>>>,
    /// Whether the node has crashed.
    is_cut: AtomicBool,
    /// The log's lock while this node has it.
    lock: Arc<HeldLock>,
}

/// Taken away from a node that crashes.
type HeldLock = Mutex<Option<OwnedMutexGuard<()>>>;

impl MemoryDatabase {
    /// A node's connection, with faults drawn from a seed.
    #[must_use]
    pub fn connect(&self, faults: Faults, seed: u64) -> MemoryLog {
        MemoryLog {
            database: self.clone(),
            faults,
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            late: Arc::default(),
            is_cut: AtomicBool::new(false),
            lock: Arc::default(),
        }
    }

    /// The position of the last event.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tables().head().position
    }

    /// Everything in the log.
    #[must_use]
    pub fn events(&self) -> Vec<Recorded> {
        self.tables().events.clone()
    }

    /// Looks at the snapshots, and may change them.
    pub fn with_snapshots<T>(&self, look: impl FnOnce(&mut Snapshots) -> T) -> T {
        look(&mut self.tables().snapshots)
    }

    /// What stands before the first event.
    #[must_use]
    pub fn genesis() -> Hash {
        Hash::genesis(b"memory")
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: &Batch, planted: Option<Planted>) -> Result<Appended, LogError> {
        let mut tables = self.tables();
        if tables.head() != batch.expected && planted != Some(Planted::NoExpectedHead) {
            return Ok(Appended::Missed);
        }
        let name =
            |keyed: &crate::keys::KeyedRequest| (keyed.key.to_string(), keyed.caller.to_string());
        if batch.keys.iter().any(|(_, keyed, _)| tables.keys.contains_key(&name(keyed))) {
            return Err(LogError::Rejected { key_taken: true, reason: "key".to_owned() });
        }
        for (index, keyed, count) in &batch.keys {
            let events = batch.events[*index..index + count].to_vec();
            let command = KeyedCommand { fingerprint: keyed.fingerprint, events };
            tables.keys.insert(name(keyed), command);
        }
        tables.events.extend(batch.events.iter().cloned());
        drop(tables);
        self.grown.notify_waiters();
        Ok(Appended::Committed)
    }

    fn write_late(&self, late: &Mutex<Vec<Arc<Batch>>>) {
        for batch in late.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Nobody waits for this answer any more.
            let _ = self.write(&batch, None);
        }
    }

    fn tail(&self, position: u64, limit: usize) -> Tail {
        let tables = self.tables();
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let hash = match from.checked_sub(1) {
            None => Some(Self::genesis()),
            Some(index) => tables.events.get(index).map(|last| last.place.hash),
        };
        let events: Vec<Recorded> = tables.events.iter().skip(from).take(limit).cloned().collect();
        let is_new = |command: &KeyedCommand| {
            command.events.first().is_some_and(|first| first.place.position > position)
        };
        let new = tables.keys.iter().filter(|(_, command)| is_new(command));
        let keys = new.map(|((key, caller), _)| KeyHash::of(key, caller)).collect();
        Tail { hash, events, keys }
    }
}

impl Tables {
    fn head(&self) -> Place {
        let genesis = Place { position: 0, hash: MemoryDatabase::genesis() };
        self.events.last().map_or(genesis, |last| last.place)
    }

    fn stream(&self, aggregate_type: &str, aggregate_id: &str) -> impl Iterator<Item = &Recorded> {
        self.events.iter().filter(move |Recorded { event, .. }| {
            event.aggregate_type == aggregate_type && *event.aggregate_id == *aggregate_id
        })
    }
}

impl MemoryLog {
    /// The node has crashed: nothing is answered any more, and its lock is free. What it has sent is
    /// carried out all the same.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// A dead node waits for ever.
    async fn is_alive(&self) {
        if self.is_cut.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    fn roll(&self) -> u32 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..1_000)
    }

    fn late(&self) -> MutexGuard<'_, Vec<Arc<Batch>>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, batch: Arc<Batch>) -> Result<Appended, LogError> {
        let lost = || Err(LogError::Lost("a fault was ordered".to_owned()));
        let Faults { lost_before, lost_after, late, slow, .. } = self.faults;
        let roll = self.roll();
        if roll < lost_before {
            return lost();
        }
        if roll < lost_before + late {
            self.late().push(batch);
            // Whoever waits for an answer that does not come gives up after a while.
            tokio::time::sleep(Duration::from_millis(3)).await;
            return lost();
        }
        if self.roll() < slow {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let _lock = self.database.lock.lock().await;
        let written = self.database.write(&batch, self.faults.planted);
        if roll < lost_before + late + lost_after { lost() } else { written }
    }

    /// Carries out what was sent long ago, as a server process does whose client has gone.
    async fn carry_out_late(&self) {
        let _lock = self.database.lock.lock().await;
        self.database.write_late(&self.late);
    }
}

impl Log for MemoryLog {
    fn genesis(&self) -> Hash {
        MemoryDatabase::genesis()
    }

    fn head(&self) -> BoxFuture<'_, Result<LastEvent, LogError>> {
        async {
            self.is_alive().await;
            let tables = self.database.tables();
            Ok((tables.head(), tables.events.last().map(|last| last.recorded_at)))
        }
        .boxed()
    }

    fn append(&self, batch: Arc<Batch>) -> BoxFuture<'_, Result<Appended, LogError>> {
        async {
            self.is_alive().await;
            let answer = self.write(batch).await;
            self.is_alive().await;
            answer
        }
        .boxed()
    }

    fn lock(&self, position: u64, limit: usize) -> BoxFuture<'_, Result<Locked, LogError>> {
        async move {
            self.is_alive().await;
            if self.roll().is_multiple_of(2) {
                self.carry_out_late().await;
            }
            // The fence: from here on nothing sent before can happen.
            if self.faults.planted != Some(Planted::NoFence) {
                self.late().clear();
            }
            let held = self.database.lock.clone().lock_owned().await;
            self.is_alive().await;
            *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
            let lose = match self.roll() {
                roll if roll < self.faults.lost_before => Some(false),
                roll if roll < self.faults.lost_before + self.faults.lost_after => Some(true),
                _ => None,
            };
            let (database, late) = (self.database.clone(), self.late.clone());
            let locked = LockedMemory { database, late, lose, lock: self.lock.clone() };
            let tail = self.database.tail(position, limit);
            Ok((Box::new(locked) as Box<dyn LockedLog>, tail))
        }
        .boxed()
    }

    fn read_tail(&self, position: u64, limit: usize) -> BoxFuture<'_, Result<Tail, LogError>> {
        async move {
            self.is_alive().await;
            Ok(self.database.tail(position, limit))
        }
        .boxed()
    }

    fn event_at(&self, position: u64) -> BoxFuture<'_, Result<Option<Recorded>, LogError>> {
        async move {
            self.is_alive().await;
            let tail = self.database.tail(position.saturating_sub(1), 1);
            Ok(tail.events.into_iter().find(|recorded| recorded.place.position == position))
        }
        .boxed()
    }

    fn read_stream<'a>(
        &'a self,
        (aggregate_type, aggregate_id, sequence): (&'static str, &'a str, u64),
    ) -> BoxFuture<'a, Result<Vec<StoredEvent>, LogError>> {
        async move {
            self.is_alive().await;
            let tables = self.database.tables();
            let stream = tables.stream(aggregate_type, aggregate_id);
            let later = stream.filter(|recorded| recorded.event.sequence > sequence);
            Ok(later.map(|recorded| recorded.event.clone()).collect())
        }
        .boxed()
    }

    fn find_snapshot<'a>(
        &'a self,
        stream: &'a StreamKey,
        version: i32,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, LogError>> {
        async move {
            self.is_alive().await;
            Ok(self.database.tables().find_snapshot(stream, version))
        }
        .boxed()
    }

    fn store_snapshot<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        seen: Place,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        async move {
            self.is_alive().await;
            if self.roll() < self.faults.lost_before {
                return Err(LogError::Lost("a fault was ordered".to_owned()));
            }
            self.database.tables().store_snapshot(snapshot, seen);
            Ok(())
        }
        .boxed()
    }

    fn find_in_stream<'a>(
        &'a self,
        (aggregate_type, aggregate_id, sequence): (&'static str, &'a str, u64),
        event_types: &'static [&'static str],
        receipt_code: &'a str,
    ) -> BoxFuture<'a, Result<Option<Recorded>, LogError>> {
        async move {
            self.is_alive().await;
            let tables = self.database.tables();
            let mut stream = tables.stream(aggregate_type, aggregate_id);
            let found = stream.find(|Recorded { event, .. }| {
                event.sequence > sequence
                    && event_types.contains(&event.event_type.as_ref())
                    && event.payload.contains(receipt_code)
            });
            Ok(found.cloned())
        }
        .boxed()
    }

    fn find_latest<'a>(
        &'a self,
        (aggregate_type, aggregate_id): (&'static str, &'a str),
        event_type: &'static str,
    ) -> BoxFuture<'a, Result<Option<Recorded>, LogError>> {
        async move {
            self.is_alive().await;
            let tables = self.database.tables();
            let stream = tables.stream(aggregate_type, aggregate_id);
            Ok(stream.filter(|recorded| recorded.event.event_type == event_type).last().cloned())
        }
        .boxed()
    }

    fn find_key<'a>(
        &'a self,
        key: &'a str,
        caller: &'a str,
    ) -> BoxFuture<'a, Result<Option<KeyedCommand>, LogError>> {
        async move {
            self.is_alive().await;
            Ok(self.database.tables().keys.get(&(key.to_owned(), caller.to_owned())).cloned())
        }
        .boxed()
    }

    fn find_keys<'a>(
        &'a self,
        keys: &'a [&'a str],
        caller: &'a str,
    ) -> BoxFuture<'a, Result<HashMap<String, Fingerprint>, LogError>> {
        async move {
            self.is_alive().await;
            let tables = self.database.tables();
            let name = |key: &str| (key.to_owned(), caller.to_owned());
            let found = keys.iter().filter_map(|key| {
                Some(((*key).to_owned(), tables.keys.get(&name(key))?.fingerprint))
            });
            Ok(found.collect())
        }
        .boxed()
    }

    fn find_commands<'a>(
        &'a self,
        keys: &'a [&'a str],
        caller: &'a str,
    ) -> BoxFuture<'a, Result<HashMap<String, KeyedCommand>, LogError>> {
        async move {
            self.is_alive().await;
            let tables = self.database.tables();
            let name = |key: &str| (key.to_owned(), caller.to_owned());
            let found = keys
                .iter()
                .filter_map(|key| Some(((*key).to_owned(), tables.keys.get(&name(key))?.clone())));
            Ok(found.collect())
        }
        .boxed()
    }

    fn reserve_numbers(&self) -> BoxFuture<'_, Result<Range<u64>, LogError>> {
        async {
            self.is_alive().await;
            let mut tables = self.database.tables();
            let first = tables.numbers;
            tables.numbers += 10;
            Ok(first..first + 10)
        }
        .boxed()
    }

    fn announce(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }

    fn hint(&self) -> BoxFuture<'_, ()> {
        async {
            self.is_alive().await;
            self.database.grown.notified().await;
            if self.roll() < self.faults.slow {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
        .boxed()
    }
}

struct LockedMemory {
    database: MemoryDatabase,
    late: Arc<Mutex<Vec<Arc<Batch>>>>,
    /// Whether the commit's answer is lost, and if so, whether after carrying it out.
    lose: Option<bool>,
    lock: Arc<HeldLock>,
}

impl LockedMemory {
    fn give_back(&self) -> Option<OwnedMutexGuard<()>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for LockedMemory {
    /// Whoever has been waiting for the lock gets it: behind a fence, nobody of this node.
    fn drop(&mut self) {
        self.database.write_late(&self.late);
        drop(self.give_back());
    }
}

impl LockedLog for LockedMemory {
    fn read_tail(&mut self, position: u64, limit: usize) -> BoxFuture<'_, Result<Tail, LogError>> {
        let tail = self.database.tail(position, limit);
        async move { Ok(tail) }.boxed()
    }

    fn commit(self: Box<Self>, batch: Arc<Batch>) -> BoxFuture<'static, Result<(), LogError>> {
        async move {
            let lost = || Err(LogError::Lost("a fault was ordered".to_owned()));
            let Some(_held) = self.give_back() else {
                // The node has crashed under the lock.
                return std::future::pending().await;
            };
            if self.lose == Some(false) {
                return lost();
            }
            match self.database.write(&batch, None)? {
                Appended::Missed => Err(LogError::Lost("the head moved under the lock".to_owned())),
                Appended::Committed if self.lose == Some(true) => lost(),
                Appended::Committed => Ok(()),
            }
        }
        .boxed()
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}
