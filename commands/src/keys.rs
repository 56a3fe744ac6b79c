//! Which idempotency keys this node knows: those in flight, those it has seen in the log since it
//! started, and which keys could be older and must be looked up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::context::{Fingerprint, IdempotencyKey};

/// How far a client's clock may be ahead for its time-ordered keys to be believed. A key that is
/// believed wrongly (made by a clock that is ahead, repeated after a restart) costs a look-up or a
/// split batch later, never a second effect.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(2);

/// A key with its caller, and what was asked under it.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    /// The client's key.
    pub key: IdempotencyKey,
    /// Whose key it is: `player:23`.
    pub caller: Arc<str>,
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// Its short name, made once: it is asked for under the node's lock.
    pub(crate) hash: KeyHash,
}

impl KeyedRequest {
    /// A key of this caller for what is asked.
    #[must_use]
    pub fn new(key: IdempotencyKey, caller: Arc<str>, fingerprint: Fingerprint) -> Self {
        let hash = KeyHash::of(key.as_str(), &caller);
        Self { key, caller, fingerprint, hash }
    }
}

/// A key in flight, and the line of the command that it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldKey {
    pub(crate) line: usize,
    pub(crate) hash: KeyHash,
}

/// A key's short name in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 16]);

impl KeyHash {
    /// Of a key and its caller.
    #[must_use]
    pub fn of(key: &str, caller: &str) -> Self {
        let mut hasher = Sha256::new();
        // Keys have no NUL, so the two cannot run into each other.
        hasher.update(key.as_bytes());
        hasher.update([0]);
        hasher.update(caller.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize()[..16]);
        Self(hash)
    }
}

/// What a key is when a command comes with it.
pub enum Standing {
    /// Nobody has it: the command goes on, and the key is in flight now.
    New,
    /// It could be from before this node's memory: look it up first. In flight now.
    MaybeOld,
    /// It is in the log.
    InLog,
    /// The first command with it has not ended: wait, then ask again.
    InFlight(oneshot::Receiver<()>),
}

/// See the module.
pub struct Keys {
    in_flight: HashMap<KeyHash, Vec<oneshot::Sender<()>>>,
    recent: HashSet<KeyHash>,
    older: HashSet<KeyHash>,
    /// Every key seen in the log since this moment is in `recent` or `older`.
    complete_since: DateTime<Utc>,
    recent_since: DateTime<Utc>,
    /// How many keys `recent` holds before it becomes `older`.
    generation: usize,
}

impl Keys {
    /// Knows nothing from before `now`, and remembers up to `2 × generation` keys.
    #[must_use]
    pub fn new(now: DateTime<Utc>, generation: usize) -> Self {
        Self {
            in_flight: HashMap::new(),
            recent: HashSet::new(),
            older: HashSet::new(),
            complete_since: now,
            recent_since: now,
            generation,
        }
    }

    /// A command comes with this key.
    pub fn enter(&mut self, key: &KeyedRequest, now: DateTime<Utc>) -> Standing {
        let hash = key.hash;
        if let Some(waiting) = self.in_flight.get_mut(&hash) {
            let (done, wait) = oneshot::channel();
            waiting.push(done);
            return Standing::InFlight(wait);
        }
        if self.is_known(hash) {
            return Standing::InLog;
        }
        self.in_flight.insert(hash, Vec::new());
        if self.is_surely_new(&key.key, now) { Standing::New } else { Standing::MaybeOld }
    }

    /// Whether the key is in the log, as far as this node remembers.
    #[must_use]
    pub fn is_known(&self, hash: KeyHash) -> bool {
        self.recent.contains(&hash) || self.older.contains(&hash)
    }

    /// The command with this key has ended without an event: the key is free again.
    pub fn release(&mut self, hash: KeyHash) {
        for waiting in self.in_flight.remove(&hash).unwrap_or_default() {
            // Whoever has gone away need not be told.
            let _ = waiting.send(());
        }
    }

    /// The same for all keys of a command.
    pub(crate) fn release_all(&mut self, held: &[HeldKey]) {
        for key in held {
            self.release(key.hash);
        }
    }

    /// A key is in the log.
    pub fn seen(&mut self, hash: KeyHash, now: DateTime<Utc>) {
        if self.recent.len() >= self.generation {
            self.older = std::mem::take(&mut self.recent);
            self.complete_since = self.recent_since;
            self.recent_since = now;
        }
        self.recent.insert(hash);
        self.release(hash);
    }

    /// A time-ordered key (UUIDv7) made since this node remembers everything.
    fn is_surely_new(&self, key: &IdempotencyKey, now: DateTime<Utc>) -> bool {
        let made = uuid::Uuid::try_parse(key.as_str())
            .ok()
            .filter(|uuid| uuid.get_version_num() == 7)
            .and_then(|uuid| uuid.get_timestamp())
            .and_then(|time| DateTime::from_timestamp(time.to_unix().0.try_into().ok()?, 0));
        made.is_some_and(|made| made > self.complete_since && made < now + CLOCK_SKEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::testing::at;

    fn keyed(text: &str) -> KeyedRequest {
        let key = IdempotencyKey::parse(text).unwrap();
        KeyedRequest::new(key, "player:1".into(), Fingerprint([0; 16]))
    }

    fn time_ordered(second: i64) -> String {
        let seconds = at(second).timestamp().try_into().unwrap();
        uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)).to_string()
    }

    #[test]
    fn a_second_command_waits_for_the_first_and_then_finds_it() {
        let mut keys = Keys::new(at(0), 10);
        let key = keyed("k");
        assert!(matches!(keys.enter(&key, at(1)), Standing::MaybeOld));
        let Standing::InFlight(mut wait) = keys.enter(&key, at(1)) else { panic!() };
        assert!(wait.try_recv().is_err());
        keys.seen(key.hash, at(1));
        assert!(wait.try_recv().is_ok());
        assert!(matches!(keys.enter(&key, at(1)), Standing::InLog));
    }

    #[test]
    fn only_fresh_time_ordered_keys_are_believed_to_be_new() {
        let mut keys = Keys::new(at(0), 10);
        let mut standing = |text: &str, now| keys.enter(&keyed(text), at(now));
        assert!(matches!(standing(&time_ordered(500), 500), Standing::New));
        assert!(matches!(standing(&time_ordered(1), 2), Standing::New));
        assert!(matches!(standing(&time_ordered(-60), 500), Standing::MaybeOld));
        assert!(matches!(standing(&time_ordered(9_000), 500), Standing::MaybeOld));
        assert!(matches!(standing(&uuid::Uuid::new_v4().to_string(), 500), Standing::MaybeOld));
    }

    #[test]
    fn what_is_forgotten_is_looked_up() {
        let mut keys = Keys::new(at(0), 2);
        let texts: Vec<String> = (300..306).map(time_ordered).collect();
        for (text, second) in texts.iter().zip(300..) {
            keys.seen(keyed(text).hash, at(second));
        }
        assert!(matches!(keys.enter(&keyed(&texts[0]), at(310)), Standing::MaybeOld));
        assert!(matches!(keys.enter(&keyed(&texts[5]), at(310)), Standing::InLog));
    }
}
