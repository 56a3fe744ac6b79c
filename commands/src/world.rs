//! What a decision looks at and writes: the states of streams, as one command sees them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::aggregate::{Aggregate, Event};
use domain::encoding::encode;
use domain::stored::{Hash, StoredEvent};

use crate::bus::Request;
use crate::cache::{Cache, Evolve, State, StreamKey, TypedEvent, Version, empty_state};

/// A stream that must be loaded before the command can be decided.
#[derive(Clone)]
pub struct Missing {
    /// Which stream.
    pub stream: StreamKey,
    /// Its state without events.
    pub empty: fn() -> Box<dyn State>,
}

impl Missing {
    /// The stream of an aggregate.
    pub fn of<A: Aggregate>(id: A::Id) -> Self {
        Self { stream: StreamKey::of::<A>(id), empty: empty_state::<A> }
    }
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
    /// The line of the command that it belongs to.
    pub line: usize,
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
    /// Of each line, if there are any.
    line_metadata: &'a [Arc<str>],
    draft: Draft,
    /// Streams that this command has written to.
    touched: HashSet<StreamKey>,
    /// States with what this command has written to them, for streams that are asked for again.
    ahead: HashMap<StreamKey, Version>,
    line: usize,
    /// Lines that were done before, in order.
    done: Arc<[usize]>,
}

impl<'a> World<'a> {
    /// A fresh look.
    pub(crate) fn new(cache: &'a mut Cache, request: &'a Request) -> Self {
        Self {
            cache,
            metadata: &request.metadata,
            line_metadata: &request.line_metadata,
            draft: Draft::default(),
            touched: HashSet::new(),
            ahead: HashMap::new(),
            line: 0,
            done: Arc::default(),
        }
    }

    /// Tells it which lines were done before, in order.
    pub(crate) fn set_done(&mut self, done: Arc<[usize]>) {
        self.done = done;
    }

    /// What is written from here on belongs to this line. Lines come in order, and none comes twice:
    /// its events stand side by side in the log, behind its key.
    ///
    /// # Panics
    /// In tests, if it is an earlier line.
    pub fn begin_line(&mut self, line: usize) {
        debug_assert!(line >= self.line, "line {line} comes after line {}", self.line);
        self.line = line;
    }

    /// Takes back what the current line has written: one stream may have agreed before another
    /// refused, and a line is done as a whole or not at all.
    pub fn undo_line(&mut self) {
        let line = self.line;
        let undone = self.draft.written.extract_if(.., |written| written.line == line);
        undone.for_each(|written| drop(self.ahead.remove(&written.stream)));
    }

    /// Whether this line's key is in the log already, or on an earlier line of this command. The
    /// decision must skip such a line; whatever it writes for it is dropped.
    #[must_use]
    pub fn is_done(&self, line: usize) -> bool {
        self.done.binary_search(&line).is_ok()
    }

    /// What was looked at and written.
    #[must_use]
    pub fn into_draft(self) -> Draft {
        self.draft
    }

    /// The line of each event that was written.
    pub(crate) fn written_lines(&self) -> impl Iterator<Item = usize> {
        self.draft.written.iter().map(|written| written.line)
    }

    /// Looks at a stream without writing to it. If it has changed when the command is committed,
    /// the command is decided again. What this command has written to it before is in it.
    ///
    /// # Errors
    /// If the stream must be loaded first.
    pub fn read<A: Aggregate>(&mut self, id: A::Id) -> Result<&A, Missing> {
        let stream = StreamKey::of::<A>(id);
        self.draft.read.push(stream.clone());
        match self.newest::<A>(&stream) {
            Some((state, _)) => Ok(state),
            None => Err(Missing { stream, empty: empty_state::<A> }),
        }
    }

    /// The state to decide on, with its sequence.
    fn newest<A: Aggregate>(&mut self, stream: &StreamKey) -> Option<(&A, u64)> {
        if self.touched.contains(stream) && !self.ahead.contains_key(stream) {
            let mut version = self.cache.fork(stream)?;
            self.draft.events_of(stream).for_each(|written| version.evolve(written.typed.as_ref()));
            self.ahead.insert(stream.clone(), version);
        }
        match self.ahead.get(stream) {
            Some(version) => version.typed::<A>(),
            None => self.cache.newest::<A>(stream),
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
        if self.is_done(self.line) {
            return Ok(());
        }
        let stream = StreamKey::of::<A>(id);
        let Some((state, mut sequence)) = self.newest::<A>(&stream) else {
            return Err(Decline::Missing(Missing { stream, empty: empty_state::<A> }));
        };
        let decided = events(state, sequence);
        self.draft.read.push(stream.clone());
        let decided = decided.map_err(Decline::Refused)?;
        if !decided.is_empty() {
            self.touched.insert(stream.clone());
        }
        let metadata = self.line_metadata.get(self.line).unwrap_or(self.metadata);
        for event in decided {
            sequence += 1;
            let written = written::<A>(&stream, sequence, event, (metadata, self.line));
            if let Some(version) = self.ahead.get_mut(&stream) {
                version.evolve(written.typed.as_ref());
            }
            self.draft.written.push(written);
        }
        Ok(())
    }
}

impl Draft {
    pub(crate) fn events_of(&self, stream: &StreamKey) -> impl Iterator<Item = &Written> {
        self.written.iter().filter(move |written| written.stream == *stream)
    }

    /// Whether anything was written for this line. Lines come in order.
    pub(crate) fn has_line(&self, line: usize) -> bool {
        self.written.binary_search_by_key(&line, |written| written.line).is_ok()
    }
}

fn written<A: Aggregate>(
    stream: &StreamKey,
    sequence: u64,
    event: A::Event,
    (metadata, line): (&Arc<str>, usize),
) -> Written {
    let event_type = event.event_type();
    let stored = StoredEvent {
        aggregate_type: A::TYPE.into(),
        aggregate_id: stream.aggregate_id.clone(),
        sequence,
        event_type: event_type.into(),
        event_version: A::Event::current_version(event_type).into(),
        // Events are made of texts and integers: they always have a JSON form.
        payload: encode(&event).unwrap_or_default().into(),
        metadata: metadata.clone(),
    };
    let digest = stored.digest();
    let typed = Box::new(TypedEvent::<A>(event));
    Written { stream: stream.clone(), event: stored, digest, typed, line }
}
