//! The states of streams at the node's head, in an LRU bounded in bytes, each with the state that
//! decisions not yet durable leave behind.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use domain::aggregate::Aggregate;
use domain::stored::{DecodeError, StoredEvent};
use lru::LruCache;

/// Names one stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamKey {
    /// The family.
    pub aggregate_type: &'static str,
    /// The stream.
    pub aggregate_id: Arc<str>,
}

impl StreamKey {
    /// The stream of an aggregate.
    pub fn of<A: Aggregate>(id: A::Id) -> Self {
        Self { aggregate_type: A::TYPE, aggregate_id: id.to_string().into() }
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.aggregate_type, self.aggregate_id)
    }
}

/// An aggregate's state, its type forgotten.
pub trait State: Send + Sync {
    /// A copy to go ahead with.
    fn fork(&self) -> Box<dyn State>;
    /// Applies an event as stored.
    ///
    /// # Errors
    /// If it cannot be read.
    fn apply(&mut self, event: &StoredEvent) -> Result<(), DecodeError>;
    /// About how many bytes it keeps.
    fn weight(&self) -> usize;
    /// The version of its shape, if its family has snapshots.
    fn shape(&self) -> Option<i32>;
    /// Its JSON text, for a snapshot.
    ///
    /// # Errors
    /// If it has none.
    fn encode(&self) -> Result<String, serde_json::Error>;
    /// Becomes what a snapshot says.
    ///
    /// # Errors
    /// If it cannot be read; the state is what it was then.
    fn restore(&mut self, text: &str) -> Result<(), serde_json::Error>;
    /// For finding its type again.
    fn any(&self) -> &dyn Any;
    /// For finding its type again.
    fn any_mut(&mut self) -> &mut dyn Any;
}

struct StateOf<A>(A);

impl<A: Aggregate> State for StateOf<A> {
    fn fork(&self) -> Box<dyn State> {
        Box::new(Self(self.0.clone()))
    }

    fn apply(&mut self, event: &StoredEvent) -> Result<(), DecodeError> {
        self.0.evolve(&event.decode()?);
        Ok(())
    }

    fn weight(&self) -> usize {
        self.0.weight()
    }

    fn shape(&self) -> Option<i32> {
        A::SNAPSHOT
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.0)
    }

    fn restore(&mut self, text: &str) -> Result<(), serde_json::Error> {
        self.0 = serde_json::from_str(text)?;
        Ok(())
    }

    fn any(&self) -> &dyn Any {
        self
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// A stream without events.
#[must_use]
pub fn empty_state<A: Aggregate>() -> Box<dyn State> {
    Box::new(StateOf(A::default()))
}

fn typed<A: Aggregate>(state: &dyn State) -> Option<&A> {
    state.any().downcast_ref::<StateOf<A>>().map(|state| &state.0)
}

/// A typed event that can be applied to the state it belongs to.
pub trait Evolve: Send + Sync {
    /// Applies it.
    fn evolve(&self, state: &mut dyn State);
}

/// An event of an aggregate.
pub struct TypedEvent<A: Aggregate>(pub A::Event);

impl<A: Aggregate> Evolve for TypedEvent<A> {
    fn evolve(&self, state: &mut dyn State) {
        if let Some(state) = state.any_mut().downcast_mut::<StateOf<A>>() {
            state.0.evolve(&self.0);
        }
    }
}

/// A state and the number of the last event in it.
pub struct Version {
    /// The state.
    pub state: Box<dyn State>,
    /// The stream's last sequence; 0 for an empty stream.
    pub sequence: u64,
}

impl Version {
    /// Its state as this aggregate's, with its sequence.
    #[must_use]
    pub fn typed<A: Aggregate>(&self) -> Option<(&A, u64)> {
        Some((typed(self.state.as_ref())?, self.sequence))
    }

    /// Applies the stream's next event.
    pub fn evolve(&mut self, event: &dyn Evolve) {
        event.evolve(self.state.as_mut());
        self.sequence += 1;
    }

    /// A copy.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: self.state.fork(), sequence: self.sequence }
    }
}

struct Entry {
    durable: Version,
    /// What decisions not yet durable leave behind; none if there are none.
    ahead: Option<Version>,
    /// How many undurable events `ahead` has.
    undurable: usize,
    weight: usize,
}

impl Entry {
    fn newest(&self) -> &Version {
        self.ahead.as_ref().unwrap_or(&self.durable)
    }
}

/// See the module.
pub struct Cache {
    entries: LruCache<StreamKey, Entry>,
    weight: usize,
    capacity: usize,
}

/// What an entry costs beside its state: key, links, box.
const ENTRY_OVERHEAD: usize = 256;

impl Cache {
    /// At most about `capacity` bytes, more only while decisions are under way.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { entries: LruCache::unbounded(), weight: 0, capacity }
    }

    /// Takes in a loaded stream.
    pub fn insert(&mut self, key: StreamKey, durable: Version) {
        let weight = ENTRY_OVERHEAD + durable.state.weight();
        self.weight += weight;
        let entry = Entry { durable, ahead: None, undurable: 0, weight };
        if let Some(old) = self.entries.put(key, entry) {
            self.weight -= old.weight;
        }
        self.shrink();
    }

    /// Whether the stream is here.
    #[must_use]
    pub fn contains(&self, key: &StreamKey) -> bool {
        self.entries.contains(key)
    }

    /// Whether the stream is here; if it is, it counts as just used.
    pub fn touch(&mut self, key: &StreamKey) -> bool {
        self.entries.get(key).is_some()
    }

    /// The durable state.
    pub fn durable<A: Aggregate>(&mut self, key: &StreamKey) -> Option<&A> {
        self.entries.get(key).and_then(|entry| typed(entry.durable.state.as_ref()))
    }

    /// A copy of the durable state, if its family has snapshots. Does not count as use.
    pub(crate) fn durable_for_snapshot(&self, key: &StreamKey) -> Option<Version> {
        let durable = &self.entries.peek(key)?.durable;
        durable.state.shape().map(|_| durable.fork())
    }

    /// The state to decide on, with its sequence: ahead of the log if decisions are under way.
    pub fn newest<A: Aggregate>(&mut self, key: &StreamKey) -> Option<(&A, u64)> {
        self.entries.get(key)?.newest().typed()
    }

    /// A copy of the state to decide on, for a command that goes ahead of itself.
    pub fn fork(&mut self, key: &StreamKey) -> Option<Version> {
        self.entries.get(key).map(|entry| entry.newest().fork())
    }

    /// Goes ahead of the log with an event that was decided.
    pub fn advance(&mut self, key: &StreamKey, event: &dyn Evolve) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let durable = &entry.durable;
        entry.ahead.get_or_insert_with(|| durable.fork()).evolve(event);
        entry.undurable += 1;
    }

    /// An event that [`Self::advance`] went ahead with is durable now.
    pub fn settle(&mut self, key: &StreamKey, event: &dyn Evolve) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.undurable = entry.undurable.saturating_sub(1);
        match entry.ahead.take() {
            // Nothing else is under way: what was ahead is the durable state.
            Some(ahead) if entry.undurable == 0 => entry.durable = ahead,
            ahead => {
                entry.ahead = ahead;
                entry.durable.evolve(event);
            }
        }
        let weight = ENTRY_OVERHEAD + entry.durable.state.weight();
        self.weight = self.weight + weight - entry.weight;
        entry.weight = weight;
    }

    /// Forgets what was decided ahead of the log on this stream.
    pub fn fall_back(&mut self, key: &StreamKey) {
        if let Some(entry) = self.entries.peek_mut(key) {
            entry.ahead = None;
            entry.undurable = 0;
        }
    }

    /// Applies an event that another node wrote. Events that a loaded state has already are skipped.
    /// A stream whose event cannot be read, or skips a number, is dropped: it will be loaded anew.
    pub fn apply_foreign(&mut self, key: &StreamKey, event: &StoredEvent) {
        let Some(entry) = self.entries.peek_mut(key) else { return };
        if event.sequence <= entry.durable.sequence {
            return;
        }
        let next = event.sequence == entry.durable.sequence + 1;
        if next && entry.durable.state.apply(event).is_ok() {
            entry.durable.sequence = event.sequence;
        } else if let Some(entry) = self.entries.pop(key) {
            self.weight -= entry.weight;
        }
    }

    /// Drops least recently used streams beyond the capacity, but none with decisions under way.
    pub fn shrink(&mut self) {
        let mut pinned = Vec::new();
        while self.weight > self.capacity {
            let Some((key, entry)) = self.entries.pop_lru() else { break };
            if entry.undurable > 0 {
                pinned.push((key, entry));
            } else {
                self.weight -= entry.weight;
            }
        }
        for (key, entry) in pinned {
            self.entries.put(key, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::account::{Account, AccountCommand, AccountEvent};
    use domain::id::PlayerId;
    use domain::money::Gold;
    use domain::testing::at;

    fn opening() -> Vec<AccountEvent> {
        let bonus = Gold::new(1_000).unwrap();
        Account::default().decide(&AccountCommand::Open { at: at(0), bonus }).unwrap()
    }

    fn key(id: i64) -> StreamKey {
        StreamKey::of::<Account>(PlayerId(id))
    }

    fn cache_with(id: i64) -> Cache {
        let mut cache = Cache::new(10_000);
        cache.insert(key(id), Version { state: empty_state::<Account>(), sequence: 0 });
        cache
    }

    fn gold(account: &Account) -> u64 {
        account.wallet().gold()
    }

    #[test]
    fn a_decision_shows_to_the_next_decision_but_not_to_readers_until_it_is_durable() {
        let mut cache = cache_with(1);
        let events: Vec<_> = opening().into_iter().map(TypedEvent::<Account>).collect();
        for event in &events {
            cache.advance(&key(1), event);
        }
        let (newest, sequence) = cache.newest::<Account>(&key(1)).unwrap();
        assert_eq!((gold(newest), sequence), (1_000, 2));
        assert_eq!(cache.durable::<Account>(&key(1)).map(gold), Some(0));
        for event in &events {
            cache.settle(&key(1), event);
        }
        assert_eq!(cache.durable::<Account>(&key(1)).map(gold), Some(1_000));
    }

    #[test]
    fn falling_back_forgets_what_never_became_durable() {
        let mut cache = cache_with(1);
        for event in opening() {
            cache.advance(&key(1), &TypedEvent::<Account>(event));
        }
        cache.fall_back(&key(1));
        let (newest, sequence) = cache.newest::<Account>(&key(1)).unwrap();
        assert_eq!((gold(newest), sequence), (0, 0));
    }

    #[test]
    fn the_cache_is_bounded_but_keeps_what_is_under_way() {
        let mut cache = cache_with(1);
        for event in opening() {
            cache.advance(&key(1), &TypedEvent::<Account>(event));
        }
        for id in 2..200 {
            cache.insert(key(id), Version { state: empty_state::<Account>(), sequence: 0 });
        }
        assert!(cache.weight <= cache.capacity + 1_000);
        assert!(cache.contains(&key(1)) && cache.contains(&key(199)) && !cache.contains(&key(2)));
    }
}
