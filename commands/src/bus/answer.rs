//! What a command leads to: what it wrote, the answer made of that, or why there is none.

use std::time::Duration;

use domain::aggregate::Event;
use domain::stored::{Place, Recorded};

use crate::dry_run::DryRun;
use crate::log::LogError;

/// The log cannot be reached; nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be reached")]
pub struct Unavailable;

impl From<LogError> for Unavailable {
    fn from(error: LogError) -> Self {
        tracing::warn!(%error, "reading the log failed");
        Self
    }
}

/// Why a command has no committed events to show.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure<R> {
    /// The aggregate says no.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: R,
        /// The place in the log at which that is true.
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
    /// The log could not be reached in time: whether the command was done is not known. Repeating
    /// it with the same key is safe.
    #[error("the log cannot be reached: repeat with the same idempotency key")]
    Unavailable,
    /// Nothing was written, as was asked: this would have been.
    #[error("it was a dry run")]
    DryRun(Box<DryRun>),
}

impl<R> From<Unavailable> for Failure<R> {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl<R> Failure<R> {
    /// The same in a wider type of refusals.
    pub fn widen<S: From<R>>(self) -> Failure<S> {
        match self {
            Self::Refused { refusal, place } => Failure::Refused { refusal: refusal.into(), place },
            Self::KeyReused => Failure::KeyReused,
            Self::Overloaded { retry_after } => Failure::Overloaded { retry_after },
            Self::Unavailable => Failure::Unavailable,
            Self::DryRun(dry_run) => Failure::DryRun(dry_run),
        }
    }
}

/// What a command wrote.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The events; none if there was nothing to do.
    pub events: Vec<Recorded>,
    /// The place of the last of them, or the head.
    pub place: Place,
    /// Whether this answers a repeat.
    pub replayed: bool,
}

/// What a command of several lines wrote.
#[derive(Debug, Clone)]
pub struct CommittedLines {
    /// The events, each with its line. A line that is neither here nor in `done_before` wrote nothing.
    pub events: Vec<(usize, Recorded)>,
    /// Lines whose key was in the log before, or on an earlier line, in order.
    pub done_before: Vec<usize>,
    /// The place of the last event, or the head: what was done before is in the log up to there, too.
    pub place: Place,
}

/// An answer, and the position it is true at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub body: T,
    /// The log's position.
    pub position: u64,
    /// Whether this answers a repeat.
    pub replayed: bool,
}

impl Committed {
    /// Renders the answer from the events that were written: the first that `render` knows.
    ///
    /// # Errors
    /// If none is known, which would be a defect of the caller.
    pub fn answer<E: Event, T, R>(
        &self,
        render: impl Fn(&E) -> Option<T>,
    ) -> Result<Answer<T>, Failure<R>> {
        self.answer_at(|_, event| render(event))
    }

    /// The same for answers that need to know where an event stands.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn answer_at<E: Event, T, R>(
        &self,
        render: impl Fn(&Recorded, &E) -> Option<T>,
    ) -> Result<Answer<T>, Failure<R>> {
        let mut events = self.events.iter();
        let found = events.find_map(|recorded| {
            let event = recorded.event.decode().ok()?;
            Some((render(recorded, &event)?, recorded.place.position))
        });
        let Some((body, position)) = found else {
            tracing::error!(
                position = self.place.position,
                "a command wrote no event to answer from"
            );
            return Err(Failure::Unavailable);
        };
        Ok(Answer { body, position, replayed: self.replayed })
    }
}
