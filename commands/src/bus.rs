//! Takes commands, decides them on the node's state, and answers when the decision is durable.
//!
//! The fast path never waits before the command is queued: look up the key in memory, decide, queue,
//! all in one step under the node's lock. Whatever needs the database first (a stream or a key that
//! is not in memory) goes on in a task of its own, so that a client that hangs up cancels nothing.

mod answer;
mod command;
mod entering;
mod limits;
mod loading;
mod progress;
mod request;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::aggregate::Aggregate;
use domain::stored::{Place, Recorded};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::Instant;

pub use self::answer::{Answer, Committed, CommittedLines, Failure, Unavailable};
pub use self::limits::Limits;
pub use self::request::{Line, Request};

use self::command::{Decide, Step};
use self::progress::Progress;
use crate::appender::{Appender, Ending};
use crate::cache::StreamKey;
use crate::clock::Clock;
use crate::log::{Log, LogError};
use crate::node::Node;
use crate::snapshot::{self, Due};
use crate::world::{Decline, Missing, World};

/// How often a look loads a stream that was pushed out again before it could look.
const LOOK_ATTEMPTS: usize = 3;

/// What the bus and the appender have in common.
pub(crate) struct Shared {
    pub(crate) node: Mutex<Node>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    /// Wakes the appender.
    pub(crate) wake: Notify,
    pub(crate) handover: broadcast::Sender<Arc<[Recorded]>>,
    pub(crate) heads: watch::Sender<Head>,
    snapshots: mpsc::Sender<Due>,
}

/// The node's head, for those who wait for it.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Where.
    pub place: Place,
    /// When it was last known to be the log's head.
    pub confirmed_at: Instant,
}

impl Shared {
    pub(crate) fn node(&self) -> MutexGuard<'_, Node> {
        // A panic under the lock is a defect, but the state is only ever changed in whole steps.
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a snapshot stored in the background, or not, if too many wait for that.
    pub(crate) fn keep(&self, due: Due) {
        if let Err(full) = self.snapshots.try_send(due) {
            tracing::debug!(%full, "a snapshot was left out");
        }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
    ended: watch::Receiver<Option<Ending>>,
}

impl Bus {
    /// Finds the head and starts the appender.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn start(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, LogError> {
        let (place, recorded_at) = log.head().await?;
        let node = Node::new(place, recorded_at, &limits, clock.now());
        let (heads, _) = watch::channel(Head { place, confirmed_at: Instant::now() });
        let (handover, _) = broadcast::channel(limits.handover);
        let (snapshots, due) = mpsc::channel(snapshot::WAITING);
        tokio::spawn(snapshot::keep(log.clone(), due));
        let shared = Arc::new(Shared {
            node: Mutex::new(node),
            log,
            clock,
            limits,
            wake: Notify::new(),
            handover,
            heads,
            snapshots,
        });
        let (ending, ended) = watch::channel(None);
        tokio::spawn(Appender::new(shared.clone()).run(ending));
        Ok(Self { shared, ended })
    }

    /// Decides a command and answers when the decision is durable. `decide` may run more than once,
    /// so it must be a function of what the world shows.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn execute<R, F>(&self, request: Request, decide: F) -> Result<Committed, Failure<R>>
    where
        R: Send + 'static,
        F: Fn(&mut World<'_>) -> Result<(), Decline<R>> + Send + Sync + 'static,
    {
        let done = self.carry_out(request, Arc::new(decide)).await?;
        Ok(done.committed)
    }

    /// The same for a command of several lines ([`Request::of_lines`]): one decision and one append,
    /// but each line is done once for ever by its own key. `decide` goes through the lines in order:
    /// it skips those that [`World::is_done`] and calls [`World::begin_line`] before it writes for one.
    ///
    /// A line that is refused is the closure's own affair: it takes back what the line has written
    /// ([`World::undo_line`]), collects the refusal and goes on. It may run more than once, so it
    /// begins its collection anew each time: the last run is the one that counts. A line that writes
    /// nothing leaves its key free. A refusal of the closure itself refuses the whole command, unless
    /// every line was done before.
    ///
    /// # Errors
    /// See [`Failure`]. A key that was used for something else is not told apart: its line was done
    /// before.
    pub async fn execute_lines<R, F>(
        &self,
        mut request: Request,
        decide: F,
    ) -> Result<CommittedLines, Failure<R>>
    where
        R: Send + 'static,
        F: Fn(&mut World<'_>) -> Result<(), Decline<R>> + Send + Sync + 'static,
    {
        request.is_by_lines = true;
        let done = self.carry_out(request, Arc::new(decide)).await?;
        Ok(done.into())
    }

    /// The log itself, for look-ups.
    pub(crate) fn log(&self) -> &dyn Log {
        self.shared.log.as_ref()
    }

    /// Makes sure that at some moment after this call nothing was in the log beyond the node's head:
    /// an append without events. Returns that head.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn confirm(&self) -> Result<Place, Unavailable> {
        let nothing = Arc::new(Request::of_metadata(&HashMap::new()));
        let decide: Decide<Infallible> = Arc::new(|_| Ok(()));
        let entered = self.enter(&decide, &nothing, &mut Progress::default());
        let Step::Queued(reply) = entered else { return Err(Unavailable) };
        match self.answer(reply).await {
            Step::Ended(Ok(done)) => Ok(done.committed.place),
            _ => Err(Unavailable),
        }
    }

    /// Looks at a stream's durable state at the node's head.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn look<A: Aggregate, T>(
        &self,
        id: A::Id,
        look: impl Fn(&A) -> T,
    ) -> Result<(T, Place), Unavailable> {
        let stream = StreamKey::of::<A>(id);
        for _ in 0..LOOK_ATTEMPTS {
            {
                let mut node = self.shared.node();
                let place = node.head;
                if let Some(state) = node.cache.durable::<A>(&stream) {
                    return Ok((look(state), place));
                }
            }
            self.load_aside(Missing::of::<A>(id)).await?;
        }
        Err(Unavailable)
    }

    /// The node's head.
    #[must_use]
    pub fn head(&self) -> Place {
        self.shared.heads.borrow().place
    }

    /// Waits until the node's head is at `position` or beyond; false if that takes too long.
    pub async fn reach(&self, position: u64, within: Duration) -> bool {
        if self.head().position >= position {
            return true;
        }
        let mut heads = self.shared.heads.subscribe();
        let reached = heads.wait_for(|head| head.place.position >= position);
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }

    /// Watches the node's head.
    #[must_use]
    pub fn heads(&self) -> watch::Receiver<Head> {
        self.shared.heads.subscribe()
    }

    /// How long ago the node last knew that its head was the log's.
    #[must_use]
    pub fn unconfirmed_for(&self) -> Duration {
        self.shared.heads.borrow().confirmed_at.elapsed()
    }

    /// Every event from now on, in order, in batches: this node's and others'.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Recorded]>> {
        self.shared.handover.subscribe()
    }

    /// Waits until the appender has ended: because of [`Self::close`], or because this node's place
    /// is no longer in the log and the process must end.
    pub async fn ended(&self) -> Ending {
        let mut ended = self.ended.clone();
        let ending = match ended.wait_for(Option::is_some).await {
            Ok(ending) => *ending,
            Err(_) => None,
        };
        ending.unwrap_or(Ending::Closed)
    }

    /// Takes no more commands, finishes those that were accepted, and ends.
    pub async fn close(&self) {
        self.shared.node().closed = true;
        self.shared.wake.notify_one();
        self.ended().await;
    }
}
