//! What a follower is, what it says about itself, and how others wait for it.
//!
//! Three kinds, by what they promise: tables ([`crate::read_models`]; exactly once), a
//! [`Reaction`] (at least once, its place kept here) and a [`Sink`] (its place kept on its own
//! side).

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::stored::{DecodeError, Place, Recorded};
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::engine::Pace;
use crate::feed::FeedError;
use crate::position::OutOfRange;

/// Why a follower could not go on. It tries again by itself, later and later.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The log could not be read on.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The database refused or did not answer.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// An event that this program cannot read: the log is newer than the program.
    #[error("the event at position {position} cannot be read: {source}")]
    Decode {
        /// Which event.
        position: u64,
        /// What does not fit.
        source: DecodeError,
    },
    /// A number that SQL cannot hold.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// Another generation has been promoted, or another process has moved this one.
    #[error("another generation is live, or another process has moved this one")]
    Superseded,
    /// Building the tables anew did not come to its end.
    #[error("its tables could not be built: {0}")]
    Rebuild(String),
    /// What the handler of a reaction or sink says.
    #[error("{0}")]
    Handler(Box<dyn Error + Send + Sync>),
}

impl FollowerError {
    /// Wraps a handler's own error.
    pub fn handler(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Handler(error.into())
    }

    /// Whether only a rebuild helps.
    pub(crate) fn is_place_gone(&self) -> bool {
        matches!(self, Self::Feed(FeedError::PlaceGone(_)))
    }
}

/// When this happened, ask for that: at least once for each event, in position order, on one node
/// at a time. Made harmless by the idempotency key `<reaction>/<position>` of what it asks for: in a
/// log that does not hold its place (it was restored) it begins anew.
pub trait Reaction: Send + 'static {
    /// Its name in `read.followers`. Forever.
    const NAME: &'static str;

    /// Reacts to a page of events in position order; its place is stored after this has succeeded.
    ///
    /// # Errors
    /// The same events come again, after a while.
    fn handle(
        &mut self,
        events: &[&Recorded],
    ) -> impl Future<Output = Result<(), FollowerError>> + Send;

    /// Called at least every 250 ms while there is nothing new: the place for deadlines.
    ///
    /// # Errors
    /// It is called again, after a while.
    fn idle(&mut self) -> impl Future<Output = Result<(), FollowerError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// Where a sink begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Behind this place, if it is in the log.
    After(Place),
    /// With the first event.
    Genesis,
    /// With what is written from now on.
    Head,
}

/// Something outside that is fed from the log and keeps its own place.
pub trait Sink: Send + 'static {
    /// What status and metrics call it.
    const NAME: &'static str;
    /// Whether one node at a time feeds it; otherwise every node feeds its own.
    const LEASED: bool;
    /// How often it takes a page; at once, if `None`.
    const PACE: Option<Pace> = None;

    /// Where to begin; asked at the start and after every error.
    ///
    /// # Errors
    /// It is asked again, after a while.
    fn resume(&mut self) -> impl Future<Output = Result<Resume, FollowerError>> + Send;

    /// Takes events in position order and remembers the place of the last one.
    ///
    /// # Errors
    /// `resume` is asked again, after a while.
    fn handle(
        &mut self,
        events: &[Recorded],
    ) -> impl Future<Output = Result<(), FollowerError>> + Send;

    /// The page that `handle` was given in parts is over: the place for what is done once a page.
    ///
    /// # Errors
    /// `resume` is asked again, after a while.
    fn settle(&mut self) -> impl Future<Output = Result<(), FollowerError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Called at least every 250 ms while there is nothing new: the place to remember a place.
    ///
    /// # Errors
    /// `resume` is asked again, after a while.
    fn idle(&mut self) -> impl Future<Output = Result<(), FollowerError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// How a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowerState {
    /// Not there yet.
    Starting,
    /// Another node works for it; this one stands by.
    StandingBy,
    /// Its tables are being built from the whole log.
    Building,
    /// It follows.
    Following,
    /// Something failed; it will try again.
    Failing,
    /// The log does not hold its place: it has followed another history. Only a rebuild helps.
    PlaceGone,
    /// The process is ending.
    Stopped,
}

impl FollowerState {
    /// Whether readers are served as promised.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Following | Self::StandingBy)
    }
}

impl fmt::Display for FollowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::StandingBy => "standing by",
            Self::Building => "building its tables",
            Self::Following => "following",
            Self::Failing => "failing",
            Self::PlaceGone => "its place has gone: rebuild",
            Self::Stopped => "stopped",
        })
    }
}

/// What `/ready`, metrics and the console show of a follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FollowerStatus {
    /// Its name.
    pub name: &'static str,
    /// Which generation of its tables is live; 0 for followers without tables.
    pub generation: i32,
    /// The last event it has taken.
    pub position: u64,
    /// How many events are behind that in the log.
    pub lag_events: u64,
    /// How long the first of them has been waiting, in milliseconds.
    pub lag_ms: u64,
    /// How it is.
    pub state: FollowerState,
    /// What failed last, while it is failing.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Condition {
    generation: i32,
    state: FollowerState,
    error: Option<String>,
}

/// One follower of this process: how far it is, and a way to wait for it.
#[derive(Debug, Clone)]
pub struct FollowerHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    position: watch::Sender<u64>,
    waiting: AtomicUsize,
    wake: Notify,
    condition: Mutex<Condition>,
}

impl FollowerHandle {
    pub(crate) fn new(name: &'static str) -> Self {
        let condition = Condition { generation: 0, state: FollowerState::Starting, error: None };
        Self(Arc::new(Shared {
            name,
            position: watch::channel(0).0,
            waiting: AtomicUsize::new(0),
            wake: Notify::new(),
            condition: Mutex::new(condition),
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The last event it has taken.
    #[must_use]
    pub fn position(&self) -> u64 {
        *self.0.position.borrow()
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> FollowerState {
        self.condition().state
    }

    /// Waits until it has taken the event at `position`; makes it look at once. Answers whether it
    /// has within `deadline`.
    pub async fn wait_for(&self, position: u64, deadline: Duration) -> bool {
        let mut moved = self.0.position.subscribe();
        if *moved.borrow_and_update() >= position {
            return true;
        }
        let _waiting = Waiting::new(&self.0.waiting);
        self.0.wake.notify_one();
        let reached = moved.wait_for(|now| *now >= position);
        matches!(tokio::time::timeout(deadline, reached).await, Ok(Ok(_)))
    }

    /// Waits until it is well, for as long as `deadline`.
    pub async fn wait_until_well(&self, deadline: Duration) -> bool {
        let well = async {
            while !self.state().is_well() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(deadline, well).await.is_ok()
    }

    /// Whether somebody waits for an event that it has not taken yet.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) > 0
    }

    /// Notified when somebody begins to wait.
    pub(crate) fn wake(&self) -> &Notify {
        &self.0.wake
    }

    /// It stands at this position now, which after a promotion or an error may be an earlier one.
    pub(crate) fn stands_at(&self, position: u64) {
        self.0.position.send_replace(position);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("club_follower_position", "follower" => self.0.name).set(position as f64);
    }

    pub(crate) fn is_now(&self, state: FollowerState) {
        let mut condition = self.condition();
        condition.state = state;
        condition.error = None;
    }

    pub(crate) fn has_generation(&self, generation: i32) {
        self.condition().generation = generation;
    }

    pub(crate) fn has_failed(&self, error: &FollowerError) {
        let mut condition = self.condition();
        condition.error = Some(error.to_string());
        condition.state = match error.is_place_gone() {
            true => FollowerState::PlaceGone,
            false => FollowerState::Failing,
        };
    }

    pub(crate) fn status(&self, lag_events: u64, lag_ms: u64) -> FollowerStatus {
        let position = self.position();
        let condition = self.condition();
        FollowerStatus {
            name: self.0.name,
            generation: condition.generation,
            position,
            lag_events,
            lag_ms,
            state: condition.state,
            error: condition.error.clone(),
        }
    }

    fn condition(&self) -> std::sync::MutexGuard<'_, Condition> {
        self.0.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one who waits, for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
