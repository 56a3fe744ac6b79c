//! The log as the appender sees it: a port with two sides, PostgreSQL and memory.

pub mod memory;
pub mod postgres;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::stored::{Hash, Place, Recorded, StoredEvent};
use futures::future::BoxFuture;

use crate::cache::StreamKey;
use crate::context::Fingerprint;
use crate::keys::{KeyHash, KeyedRequest};
use crate::snapshot::Snapshot;

/// A run of events that is written in one transaction, on an expected head.
#[derive(Clone)]
pub struct Batch {
    /// The head it was made for.
    pub expected: Place,
    /// When it was made; never before the event at `expected`.
    pub recorded_at: DateTime<Utc>,
    /// The events, gapless from `expected`, chained. Empty: only asks whether the head stands.
    pub events: Arc<[Recorded]>,
    /// Keys, each with the index of the first event written under it and their number.
    pub keys: Vec<(usize, KeyedRequest, usize)>,
    /// Texts that are kept beside the log, by the index of their event.
    pub texts: Vec<(usize, Arc<str>)>,
}

impl Batch {
    /// The head after it.
    #[must_use]
    pub fn head(&self) -> Place {
        self.events.last().map_or(self.expected, |last| last.place)
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log, durably.
    Committed,
    /// The head was another: nothing was written.
    Missed,
}

/// Why the log did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The log refused the data: nothing was written, and trying again would not help.
    #[error("the log refused it: {reason}")]
    Rejected {
        /// Whether an idempotency key is in the log already.
        key_taken: bool,
        /// For our own log.
        reason: String,
    },
    /// The connection was lost or timed out. A commit under way may have happened or not.
    #[error("the log cannot be reached: {0}")]
    Lost(String),
}

/// What stands in the log under an idempotency key.
#[derive(Debug, Clone)]
pub struct KeyedCommand {
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// What was written.
    pub events: Vec<Recorded>,
}

/// Where the last event is and when it was written; the genesis and no time if there is none.
pub type LastEvent = (Place, Option<DateTime<Utc>>);

/// What the log has after a position.
#[derive(Debug, Clone)]
pub struct Tail {
    /// The hash at that position; the genesis at 0, none beyond the end of the log.
    pub hash: Option<Hash>,
    /// The events, in order.
    pub events: Vec<Recorded>,
    /// The idempotency keys among them.
    pub keys: Vec<KeyHash>,
}

impl Tail {
    /// Whether the log has been at this place: whether it is the same history.
    #[must_use]
    pub fn continues(&self, place: Place) -> bool {
        self.hash == Some(place.hash)
    }

    /// Whether these events, and at least one, come first.
    #[must_use]
    pub fn starts_with(&self, events: &[Recorded]) -> bool {
        let (Some(last), Some(found)) =
            (events.last(), self.events.get(events.len().wrapping_sub(1)))
        else {
            return false;
        };
        // The hash stands for all that came before.
        found.place == last.place
    }

    /// Drops the first `count` events.
    pub fn skip(&mut self, count: usize) {
        self.events.drain(..count);
    }
}

/// The log under its lock, and what was read under it.
pub type Locked = (Box<dyn LockedLog>, Tail);

/// The log.
pub trait Log: Send + Sync + 'static {
    /// What stands before the first event: the log's own identity.
    fn genesis(&self) -> Hash;

    /// The last event.
    fn head(&self) -> BoxFuture<'_, Result<LastEvent, LogError>>;

    /// One call: writes the batch if the head is the expected one. Calls made one after another are
    /// carried out in that order, also when the first has not answered yet.
    fn append(&self, batch: Arc<Batch>) -> BoxFuture<'_, Result<Appended, LogError>>;

    /// The slow way: makes sure that no earlier [`Self::append`] of this node can still happen, takes
    /// the log's lock, and reads what comes after a position, at most `limit` events.
    fn lock(&self, position: u64, limit: usize) -> BoxFuture<'_, Result<Locked, LogError>>;

    /// What comes after a position, at most `limit` events.
    fn read_tail(&self, position: u64, limit: usize) -> BoxFuture<'_, Result<Tail, LogError>>;

    /// The event at a position.
    fn event_at(&self, position: u64) -> BoxFuture<'_, Result<Option<Recorded>, LogError>>;

    /// All events of a stream after `sequence`, in order.
    fn read_stream<'a>(
        &'a self,
        stream: (&'static str, &'a str, u64),
    ) -> BoxFuture<'a, Result<Vec<StoredEvent>, LogError>>;

    /// The snapshot of a stream, if there is one of this version and its event is in the log.
    fn find_snapshot<'a>(
        &'a self,
        stream: &'a StreamKey,
        version: i32,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, LogError>>;

    /// Keeps a snapshot, unless there is a newer one, its event is not in the log, or the log has not
    /// been at the place `seen`.
    fn store_snapshot<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        seen: Place,
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// The first event of a stream after `sequence` that has one of these types and this receipt.
    fn find_in_stream<'a>(
        &'a self,
        stream: (&'static str, &'a str, u64),
        event_types: &'static [&'static str],
        receipt_code: &'a str,
    ) -> BoxFuture<'a, Result<Option<Recorded>, LogError>>;

    /// The last event of this type in a stream.
    fn find_latest<'a>(
        &'a self,
        stream: (&'static str, &'a str),
        event_type: &'static str,
    ) -> BoxFuture<'a, Result<Option<Recorded>, LogError>>;

    /// What was written under a key.
    fn find_key<'a>(
        &'a self,
        key: &'a str,
        caller: &'a str,
    ) -> BoxFuture<'a, Result<Option<KeyedCommand>, LogError>>;

    /// Which of these keys of a caller are in the log.
    fn find_keys<'a>(
        &'a self,
        keys: &'a [&'a str],
        caller: &'a str,
    ) -> BoxFuture<'a, Result<HashMap<String, Fingerprint>, LogError>>;

    /// What was written under each of these keys of a caller; those that are not in the log are missing.
    fn find_commands<'a>(
        &'a self,
        keys: &'a [&'a str],
        caller: &'a str,
    ) -> BoxFuture<'a, Result<HashMap<String, KeyedCommand>, LogError>>;

    /// The first of a block of numbers that nobody else gets, and how many they are.
    fn reserve_numbers(&self) -> BoxFuture<'_, Result<std::ops::Range<u64>, LogError>>;

    /// Tells other nodes that the log has grown.
    fn announce(&self) -> BoxFuture<'_, Result<(), LogError>>;

    /// Waits until another node may have written something; or for ever, if nobody can tell.
    fn hint(&self) -> BoxFuture<'_, ()>;
}

/// The log while nobody else can write to it.
pub trait LockedLog: Send {
    /// What comes after a position, at most `limit` events.
    fn read_tail(&mut self, position: u64, limit: usize) -> BoxFuture<'_, Result<Tail, LogError>>;

    /// Writes a batch on the head that was read, and gives the lock back. After `Lost` the batch may
    /// be in the log.
    fn commit(self: Box<Self>, batch: Arc<Batch>) -> BoxFuture<'static, Result<(), LogError>>;

    /// Gives the lock back.
    fn release(self: Box<Self>) -> BoxFuture<'static, ()>;
}
