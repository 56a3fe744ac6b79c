//! Takes commands, decides them on the node's state, and answers when the decision is durable.
//!
//! The fast path never waits before the command is queued: look up the key in memory, decide, queue,
//! all in one step under the node's lock. Whatever needs the database first (a stream or a key that
//! is not in memory) goes on in a task of its own, so that a client that hangs up cancels nothing.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::aggregate::{Aggregate, Event};
use domain::id::PlayerId;
use domain::stored::{Place, Recorded, StoredEvent};
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::time::Instant;

use crate::appender::{Appender, Ending};
use crate::cache::{StreamKey, Version, empty_state};
use crate::clock::Clock;
use crate::context::{Caller, Fingerprint, IdempotencyKey};
use crate::keys::{KeyHash, KeyedRequest, Standing};
use crate::log::{Log, LogError};
use crate::node::{Job, Node, Outcome, Pending, Verdict};
use crate::world::{Decline, Missing, World};

/// Limits of the write side. Every wait and every queue has one.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Commands in one batch.
    pub batch: usize,
    /// Batches under way on the connection.
    pub in_flight: usize,
    /// Commands waiting; more are refused with [`Failure::Overloaded`].
    pub queue: usize,
    /// Bytes of states in memory.
    pub cache_bytes: usize,
    /// Idempotency keys in memory, in each of two generations.
    pub keys: usize,
    /// What a caller is told to wait when the queue is full.
    pub retry_after: Duration,
    /// How long a caller waits for the log.
    pub patience: Duration,
    /// How often an idle node looks whether others have written.
    pub poll: Duration,
    /// Batches that a slow follower may lie behind before it must read from the log.
    pub handover: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch: 512,
            in_flight: 2,
            queue: 10_000,
            cache_bytes: 256 << 20,
            keys: 1_000_000,
            retry_after: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            poll: Duration::from_millis(250),
            handover: 1_024,
        }
    }
}

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
        }
    }
}

/// What comes with a command: what is stored about it, its key, its text.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) metadata: Arc<str>,
    pub(crate) keyed: Option<KeyedRequest>,
    pub(crate) text: Option<String>,
    unfingerprinted: Option<IdempotencyKey>,
    caller: String,
}

impl Request {
    /// A command by this caller, which concerns this player.
    #[must_use]
    pub fn new(caller: &Caller, player: Option<PlayerId>) -> Self {
        Self {
            metadata: caller.metadata(player).to_json().into(),
            keyed: None,
            text: None,
            unfingerprinted: caller.key.clone(),
            caller: caller.actor.to_string(),
        }
    }

    /// A command with these texts as its metadata, keys in order.
    #[must_use]
    pub fn of_metadata(metadata: &HashMap<String, String>) -> Self {
        let ordered: BTreeMap<_, _> = metadata.iter().collect();
        Self {
            // A map of texts always has a JSON form.
            metadata: serde_json::to_string(&ordered).unwrap_or_default().into(),
            keyed: None,
            text: None,
            unfingerprinted: None,
            caller: String::new(),
        }
    }

    /// Binds the caller's idempotency key, if there is one, to what is asked.
    #[must_use]
    pub fn keyed(mut self, fingerprint: Fingerprint) -> Self {
        let caller = self.caller.clone();
        self.keyed =
            self.unfingerprinted.take().map(|key| KeyedRequest { key, caller, fingerprint });
        self
    }

    /// A text about people that is kept beside the log, by the position of the first event.
    #[must_use]
    pub fn with_text(mut self, text: String) -> Self {
        self.text = Some(text);
        self
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

/// What became of the attempt to queue a command without waiting.
enum Entered<R> {
    /// It is on its way; the answer will come.
    Queued(oneshot::Receiver<Reply<R>>),
    /// A stream must be loaded first.
    Load(Missing),
    /// The key must be looked up first.
    LookUp,
    /// Another command with the key is under way.
    Await(oneshot::Receiver<()>),
    /// The key is in the log: answer from there.
    Replay,
    /// Too many are waiting.
    Full,
}

/// How far a command has come before it is queued.
#[derive(Default)]
struct Progress {
    /// It has entered its key, which is held for it.
    holds: Option<KeyHash>,
    /// The key has been looked up and is not in the log.
    looked_up: bool,
}

type Decide<R> = Arc<dyn Fn(&mut World<'_>) -> Result<(), Decline<R>> + Send + Sync>;

/// A command and where its answer goes.
struct Command<R> {
    decide: Decide<R>,
    refusal: Option<R>,
    reply: Option<oneshot::Sender<Reply<R>>>,
}

enum Reply<R> {
    Committed(Committed),
    Refused(R, Place),
    Again,
    KeyTaken,
    Unavailable,
}

impl<R: Send> Job for Command<R> {
    fn decide(&mut self, world: &mut World<'_>) -> Verdict {
        self.refusal = None;
        match (self.decide)(world) {
            Ok(()) => Verdict::Wrote,
            Err(Decline::Refused(refusal)) => {
                self.refusal = Some(refusal);
                Verdict::Refused
            }
            Err(Decline::Missing(missing)) => Verdict::Missing(missing),
        }
    }

    fn finish(mut self: Box<Self>, outcome: Outcome) {
        let reply = match (outcome, self.refusal.take()) {
            (Outcome::Committed { place, .. }, Some(refusal)) => Reply::Refused(refusal, place),
            (Outcome::Committed { events, place }, None) => {
                Reply::Committed(Committed { events, place, replayed: false })
            }
            (Outcome::Again, _) => Reply::Again,
            (Outcome::KeyTaken, _) => Reply::KeyTaken,
            (Outcome::Unavailable, _) => Reply::Unavailable,
        };
        if let Some(caller) = self.reply.take() {
            // A caller that has gone away misses its answer, nothing else.
            let _ = caller.send(reply);
        }
    }
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

/// How often a look loads a stream that was pushed out again before it could look.
const LOOK_ATTEMPTS: usize = 3;
