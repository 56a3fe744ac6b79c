//! Takes commands, decides them on the node's state, and answers when the decision is durable.
//!
//! The fast path never waits before the command is queued: look up the key in memory, decide, queue,
//! all in one step under the node's lock. Whatever needs the database first (a stream or a key that
//! is not in memory) goes on in a task of its own, so that a client that hangs up cancels nothing.

mod answer;
mod command;
mod limits;
mod request;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::aggregate::Aggregate;
use domain::stored::{Place, Recorded, StoredEvent};
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::time::Instant;

pub use self::answer::{Answer, Committed, Failure, Unavailable};
pub use self::limits::Limits;
pub use self::request::Request;

use self::command::{Command, Decide, Entered, Progress, Reply};
use crate::appender::{Appender, Ending};
use crate::cache::{StreamKey, Version, empty_state};
use crate::clock::Clock;
use crate::keys::{KeyHash, Standing};
use crate::log::{Log, LogError};
use crate::node::{Node, Pending, Verdict};
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
        let shared = Arc::new(Shared {
            node: Mutex::new(node),
            log,
            clock,
            limits,
            wake: Notify::new(),
            handover,
            heads,
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
        let decide: Decide<R> = Arc::new(decide);
        let request = Arc::new(request);
        let mut progress = Progress::default();
        let entered = self.enter(&decide, &request, &mut progress);
        let ended = match entered {
            Entered::Queued(reply) => self.answer(reply, &request).await,
            Entered::Full => Some(Err(self.overloaded())),
            entered => {
                // Something must be read first: in a task of its own, which nobody can cancel.
                let bus = self.clone();
                let run = async move { bus.run(decide, request, progress, entered).await };
                return tokio::spawn(run).await.unwrap_or(Err(Failure::Unavailable));
            }
        };
        match ended {
            Some(ended) => ended,
            None => self.run_anew(decide, request).await,
        }
    }

    async fn run_anew<R: Send + 'static>(
        &self,
        decide: Decide<R>,
        request: Arc<Request>,
    ) -> Result<Committed, Failure<R>> {
        let mut progress = Progress::default();
        let entered = self.enter(&decide, &request, &mut progress);
        let bus = self.clone();
        let run = async move { bus.run(decide, request, progress, entered).await };
        tokio::spawn(run).await.unwrap_or(Err(Failure::Unavailable))
    }

    /// Reads whatever is missing until the command is queued and answered.
    async fn run<R: Send + 'static>(
        &self,
        decide: Decide<R>,
        request: Arc<Request>,
        mut progress: Progress,
        mut entered: Entered<R>,
    ) -> Result<Committed, Failure<R>> {
        let deadline = Instant::now() + self.shared.limits.patience;
        loop {
            if Instant::now() > deadline {
                self.let_go(&mut progress);
                return Err(Failure::Unavailable);
            }
            match entered {
                Entered::Full => return Err(self.overloaded()),
                Entered::Queued(reply) => {
                    progress = Progress::default();
                    if let Some(ended) = self.answer(reply, &request).await {
                        return ended;
                    }
                }
                // Whoever held the key is done with it; look again.
                Entered::Await(done) => drop(tokio::time::timeout_at(deadline, done).await),
                Entered::Replay => {
                    // Known from the log, so it is there; unless the log went back in time.
                    return self.replay(&request).await?.unwrap_or(Err(Failure::Unavailable));
                }
                Entered::LookUp => match self.replay(&request).await {
                    Ok(None) => progress.looked_up = true,
                    Ok(Some(ended)) => {
                        self.remember(&mut progress);
                        return ended;
                    }
                    Err(unavailable) => {
                        self.let_go(&mut progress);
                        return Err(unavailable);
                    }
                },
                Entered::Load(missing) => {
                    if let Err(Unavailable) = self.load(missing).await {
                        self.let_go(&mut progress);
                        return Err(Failure::Unavailable);
                    }
                }
            }
            entered = self.enter(&decide, &request, &mut progress);
        }
    }

    /// Everything that can be done without waiting, in one step under the node's lock.
    fn enter<R: Send + 'static>(
        &self,
        decide: &Decide<R>,
        request: &Arc<Request>,
        progress: &mut Progress,
    ) -> Entered<R> {
        let limits = &self.shared.limits;
        let mut node = self.shared.node();
        if node.closed || node.queued() >= limits.queue {
            if let Some(key) = progress.holds.take() {
                node.keys.release(key);
            }
            return Entered::Full;
        }
        if progress.holds.is_some_and(|key| node.keys.is_known(key)) {
            // While this one was reading, its first time came in from another node.
            progress.holds = None;
            return Entered::Replay;
        }
        if let (Some(keyed), None) = (&request.keyed, progress.holds) {
            let hash = KeyHash::of(keyed.key.as_str(), &keyed.caller);
            let standing = node.keys.enter(keyed, hash, self.shared.clock.now());
            match standing {
                Standing::InLog => return Entered::Replay,
                Standing::InFlight(done) => return Entered::Await(done),
                Standing::New => progress.holds = Some(hash),
                Standing::MaybeOld => {
                    progress.holds = Some(hash);
                    return Entered::LookUp;
                }
            }
        }
        let (reply, answer) = oneshot::channel();
        let mut job = Command { decide: decide.clone(), refusal: None, reply: Some(reply) };
        let (verdict, draft) = node.decide(&mut job, request);
        match verdict {
            Verdict::Missing(missing) => return Entered::Load(missing),
            // A repeat must not be refused by what its first time has done.
            Verdict::Refused if progress.holds.is_some() && !progress.looked_up => {
                return Entered::LookUp;
            }
            Verdict::Wrote | Verdict::Refused => {}
        }
        node.push(Pending {
            job: Box::new(job),
            request: request.clone(),
            key: progress.holds.take(),
            draft,
            batch_limit: limits.batch,
            deadline: Instant::now() + limits.patience,
            rejected: None,
        });
        drop(node);
        self.shared.wake.notify_one();
        Entered::Queued(answer)
    }

    /// Waits for the answer; `None` if the command has to enter again.
    async fn answer<R>(
        &self,
        reply: oneshot::Receiver<Reply<R>>,
        request: &Request,
    ) -> Option<Result<Committed, Failure<R>>> {
        // The appender gives up what it has not sent after `patience`; what it has sent may stay
        // unknown for as long as the database is away.
        let patience = self.shared.limits.patience + Duration::from_secs(1);
        match tokio::time::timeout(patience, reply).await {
            Ok(Ok(Reply::Committed(committed))) => Some(Ok(committed)),
            Ok(Ok(Reply::Refused(refusal, place))) => {
                Some(Err(Failure::Refused { refusal, place }))
            }
            Ok(Ok(Reply::Again)) => None,
            Ok(Ok(Reply::KeyTaken)) => match self.replay(request).await {
                Ok(found) => found,
                Err(unavailable) => Some(Err(unavailable)),
            },
            Ok(Ok(Reply::Unavailable) | Err(_)) | Err(_) => Some(Err(Failure::Unavailable)),
        }
    }

    /// The answer to a repeat, from the log; `None` if the key is not there.
    async fn replay<R>(
        &self,
        request: &Request,
    ) -> Result<Option<Result<Committed, Failure<R>>>, Failure<R>> {
        let Some(keyed) = &request.keyed else { return Ok(None) };
        let found = self.shared.log.find_key(keyed.key.as_str(), &keyed.caller).await;
        let Some(command) = found.map_err(Unavailable::from)? else { return Ok(None) };
        if command.fingerprint != keyed.fingerprint {
            return Ok(Some(Err(Failure::KeyReused)));
        }
        let place = command.events.last().map_or(self.head(), |last| last.place);
        Ok(Some(Ok(Committed { events: command.events, place, replayed: true })))
    }

    fn let_go(&self, progress: &mut Progress) {
        if let Some(key) = progress.holds.take() {
            self.shared.node().keys.release(key);
        }
    }

    fn remember(&self, progress: &mut Progress) {
        if let Some(key) = progress.holds.take() {
            self.shared.node().keys.seen(key, self.shared.clock.now());
        }
    }

    fn overloaded<R>(&self) -> Failure<R> {
        Failure::Overloaded { retry_after: self.shared.limits.retry_after }
    }

    /// Brings a stream into memory: its state at the node's head.
    async fn load(&self, missing: Missing) -> Result<(), Unavailable> {
        let waiting = self.shared.node().begin_load(&missing.stream);
        if let Some(done) = waiting {
            // The sender is dropped when the load has ended, well or not; the caller looks again.
            let _ = done.await;
            return Ok(());
        }
        let loaded = self.read_version(&missing).await;
        // What was read may be newer than this node's head. After a confirmation it is not.
        let loaded = match self.confirm().await {
            Ok(_) => loaded,
            Err(unavailable) => Err(unavailable),
        };
        let failed = loaded.as_ref().err().copied();
        self.shared.node().end_load(missing.stream, loaded.ok());
        failed.map_or(Ok(()), Err)
    }

    async fn read_version(&self, missing: &Missing) -> Result<Version, Unavailable> {
        let StreamKey { aggregate_type, aggregate_id } = &missing.stream;
        let mut version = Version { state: (missing.empty)(), sequence: 0 };
        for event in self.read_stream(aggregate_type, aggregate_id).await? {
            if let Err(error) = version.state.apply(&event) {
                tracing::error!(%error, stream = %missing.stream, "a stored event cannot be read");
                return Err(Unavailable);
            }
            version.sequence = event.sequence;
        }
        Ok(version)
    }

    pub(crate) async fn read_stream(
        &self,
        aggregate_type: &'static str,
        aggregate_id: &str,
    ) -> Result<Vec<StoredEvent>, Unavailable> {
        Ok(self.shared.log.read_stream(aggregate_type, aggregate_id).await?)
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
        let Entered::Queued(reply) = entered else { return Err(Unavailable) };
        match self.answer(reply, &nothing).await {
            Some(Ok(committed)) => Ok(committed.place),
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
            let missing = Missing { stream: stream.clone(), empty: empty_state::<A> };
            let bus = self.clone();
            let load = tokio::spawn(async move { bus.load(missing).await });
            load.await.unwrap_or(Err(Unavailable))?;
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
