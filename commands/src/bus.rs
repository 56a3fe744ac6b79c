//! Decides and commits. (placeholder for signatures)
use crate::context::{Caller, Fingerprint};
use crate::world::{Decline, World};
use domain::aggregate::{Aggregate, Event};
use domain::id::PlayerId;
use domain::stored::{Place, Recorded};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// The log cannot be reached; nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be reached")]
pub struct Unavailable;

/// Why a command has no committed events to show.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure<R> {
    /// The aggregate says no; true at `place`.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: R,
        /// The place in the log at which the refusal is true.
        place: Place,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was already used for another request")]
    KeyReused,
    /// Too many commands are waiting; nothing was done.
    #[error("too busy: try again shortly")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The log could not be reached in time: whether the command was done is not known. Repeat it with the same key.
    #[error("the log cannot be reached")]
    Unavailable,
}
impl<R> From<Unavailable> for Failure<R> {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// One command's way into the log.
pub struct Request;
impl Request {
    /// new
    #[must_use]
    pub fn new(_caller: &Caller, _player: Option<PlayerId>) -> Self {
        todo!()
    }
    /// keyed
    #[must_use]
    pub fn keyed(self, _fingerprint: Fingerprint) -> Self {
        todo!()
    }
    /// text
    #[must_use]
    pub fn with_text(self, _text: String) -> Self {
        todo!()
    }
}
/// What a command wrote.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The events; empty if there was nothing to do.
    pub events: Vec<Recorded>,
    /// The place of the last of them, or the head.
    pub place: Place,
    /// Whether a repeat is answered.
    pub replayed: bool,
}
/// An answer with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub body: T,
    /// The log's position it is true at.
    pub position: u64,
    /// Whether a repeat is answered.
    pub replayed: bool,
}
impl Committed {
    /// Renders the answer from the events that were written.
    ///
    /// # Errors
    /// never in practice
    pub fn answer<E: Event, T, R>(
        &self,
        _render: impl Fn(&E) -> Option<T>,
    ) -> Result<Answer<T>, Failure<R>> {
        todo!()
    }
}
/// Decides and commits.
#[derive(Clone)]
pub struct Bus;
impl Bus {
    /// execute
    ///
    /// # Errors
    /// Failure
    pub async fn execute<R, F>(
        &self,
        _request: Request,
        _decide: F,
    ) -> Result<Committed, Failure<R>>
    where
        R: Send + 'static,
        F: Fn(&mut World<'_>) -> Result<(), Decline<R>> + Send + 'static,
    {
        todo!()
    }
    /// The state of a stream at the node's head.
    ///
    /// # Errors
    /// if the log cannot be read
    pub async fn look<A: Aggregate, T>(
        &self,
        _id: A::Id,
        _look: impl Fn(&A) -> T + Send,
    ) -> Result<(T, Place), Unavailable> {
        todo!()
    }
    /// The node's head.
    #[must_use]
    pub fn head(&self) -> Place {
        todo!()
    }
    /// Waits until the node's head is at `position` or beyond; false at the deadline.
    pub async fn reach(&self, _position: u64, _within: Duration) -> bool {
        todo!()
    }
    /// How long ago the head was last confirmed.
    #[must_use]
    pub fn unconfirmed_for(&self) -> Duration {
        todo!()
    }
    /// Every event from the head on, in order, in batches, this node's and others'.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Recorded]>> {
        todo!()
    }
    /// Stops taking commands and finishes what was accepted.
    pub async fn close(&self) {
        todo!()
    }
}
