//! What a decision looks at and writes: the states of streams, as one command sees them.

use std::sync::Arc;

use domain::aggregate::{Aggregate, Event};
use domain::encoding::encode;
use domain::stored::{Hash, StoredEvent};

use crate::cache::{Cache, Evolve, State, StreamKey, TypedEvent, empty_state};

/// A stream that must be loaded before the command can be decided.
#[derive(Clone)]
pub struct Missing {
    /// Which stream.
    pub stream: StreamKey,
    /// Its state without events.
    pub empty: fn() -> Box<dyn State>,
}

/// Why a decision wrote nothing.
pub enum Decline<R> {
    /// The aggregate says no.
    Refused(R),
    /// A stream is not in memory; the bus loads it and decides again.
    Missing(Missing),
}

impl<R> Decline<R> {
    /// The same in a wider type of refusals.
    pub fn widen<S: From<R>>(self) -> Decline<S> {
        match self {
            Self::Refused(refusal) => Decline::Refused(refusal.into()),
            Self::Missing(missing) => Decline::Missing(missing),
        }
    }
}

impl<R> From<Missing> for Decline<R> {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// An event that was decided and is not yet in the log.
pub struct Written {
    /// Whose.
    pub stream: StreamKey,
    /// As it will be stored.
    pub event: StoredEvent,
    /// Its digest.
    pub digest: Hash,
    /// For the state.
    pub typed: Box<dyn Evolve>,
}

/// What one command has looked at and written so far.
#[derive(Default)]
pub struct Draft {
    /// Streams that were looked at, the written ones included.
    pub read: Vec<StreamKey>,
    /// Events in order.
    pub written: Vec<Written>,
}

/// See the module.
pub struct World<'a> {
    cache: &'a mut Cache,
    metadata: &'a Arc<str>,
    draft: Draft,
}

impl<'a> World<'a> {
    /// A fresh look.
    pub fn new(cache: &'a mut Cache, metadata: &'a Arc<str>) -> Self {
        Self { cache, metadata, draft: Draft::default() }
    }

    /// What was looked at and written.
    #[must_use]
    pub fn into_draft(self) -> Draft {
        self.draft
    }

    /// Looks at a stream without writing to it. If it has changed when the command is committed,
    /// the command is decided again.
    ///
    /// # Errors
    /// If the stream must be loaded first.
    pub fn read<A: Aggregate>(&mut self, id: A::Id) -> Result<&A, Missing> {
        let stream = StreamKey::of::<A>(id);
        self.draft.read.push(stream.clone());
        match self.cache.newest::<A>(&stream) {
            Some((state, _)) => Ok(state),
            None => Err(Missing { stream, empty: empty_state::<A> }),
        }
    }

    /// Asks an aggregate and writes what it decides.
    ///
    /// # Errors
    /// If the aggregate refuses, or the stream must be loaded first.
    pub fn decide<A: Aggregate>(
        &mut self,
        id: A::Id,
        command: &A::Command,
    ) -> Result<(), Decline<A::Refusal>> {
        self.write::<A, _>(id, |state, _| state.decide(command))
    }

    /// Writes events made from a stream's state and its last sequence. What this command has
    /// written to the stream before is in that state.
    ///
    /// # Errors
    /// Whatever `events` returns, or if the stream must be loaded first.
    pub fn write<A: Aggregate, R>(
        &mut self,
        id: A::Id,
        events: impl FnOnce(&A, u64) -> Result<Vec<A::Event>, R>,
    ) -> Result<(), Decline<R>> {
        let stream = StreamKey::of::<A>(id);
        let Some((state, sequence)) = self.cache.newest::<A>(&stream) else {
            return Err(Decline::Missing(Missing { stream, empty: empty_state::<A> }));
        };
        let earlier: Vec<A::Event> = self.draft.events_of(&stream);
        let mut sequence = sequence + earlier.len() as u64;
        let decided = if earlier.is_empty() {
            events(state, sequence)
        } else {
            let mut state = state.clone();
            earlier.iter().for_each(|event| state.evolve(event));
            events(&state, sequence)
        };
        self.draft.read.push(stream.clone());
        for event in decided.map_err(Decline::Refused)? {
            sequence += 1;
            let written = written::<A>(&stream, sequence, event, self.metadata);
            self.draft.written.push(written);
        }
        Ok(())
    }
}

impl Draft {
    fn events_of<E: Event>(&self, stream: &StreamKey) -> Vec<E> {
        let mine = self.written.iter().filter(|written| written.stream == *stream);
        mine.filter_map(|written| written.event.decode().ok()).collect()
    }
}

fn written<A: Aggregate>(
    stream: &StreamKey,
    sequence: u64,
    event: A::Event,
    metadata: &Arc<str>,
) -> Written {
    let event_type = event.event_type();
    let stored = StoredEvent {
        aggregate_type: A::TYPE.into(),
        aggregate_id: stream.aggregate_id.clone(),
        sequence,
        event_type: event_type.into(),
        event_version: A::Event::current_version(event_type).into(),
        // Events are made of texts and integers: they always have a JSON form.
        payload: encode(&event).unwrap_or_default(),
        metadata: metadata.clone(),
    };
    let digest = stored.digest();
    let typed = Box::new(TypedEvent::<A>(event));
    Written { stream: stream.clone(), event: stored, digest, typed }
}
