//! A node's state is the log up to its head: the states of streams, the keys it knows, and the
//! commands decided ahead of the log.
//!
//! The invariant of the write side: the head moves in two ways only, by this node's own commits and
//! by applying what other nodes wrote. A batch is appended on that head, so if it is written, nothing
//! has happened that its decisions did not see.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::stored::{Place, Recorded, StoredEvent, chain};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::bus::{Limits, Request};
use crate::cache::{Cache, StreamKey, Version};
use crate::families;
use crate::keys::{HeldKey, KeyHash, Keys};
use crate::log::Batch;
use crate::snapshot::Due;
use crate::world::{Draft, Missing, World};

/// A command in the queue, its types forgotten.
pub(crate) trait Job: Send {
    /// Decides on what the world shows.
    fn decide(&mut self, world: &mut World<'_>) -> Verdict;
    /// Tells the caller.
    fn finish(self: Box<Self>, outcome: Outcome);
}

/// How a decision went.
pub(crate) enum Verdict {
    /// Events may have been written.
    Wrote,
    /// The aggregate says no: an append without events.
    Refused,
    /// Not yet.
    Missing(Missing),
}

/// What a job is told in the end.
pub(crate) enum Outcome {
    /// What was decided is true at `place`; its events, if any, are durable.
    Committed { events: Vec<Recorded>, place: Place },
    /// Enter again from the start.
    Again,
    /// A key of it is in the log already.
    KeyTaken,
    /// Given up; it is certain that nothing was written.
    Unavailable,
}

/// A command that was decided and waits to become durable.
pub(crate) struct Pending {
    pub(crate) job: Box<dyn Job>,
    pub(crate) request: Arc<Request>,
    /// Its keys in flight.
    pub(crate) keys: Vec<HeldKey>,
    pub(crate) draft: Draft,
    /// Into how large a batch it may go: halved when a batch with it was rejected.
    pub(crate) batch_limit: usize,
    /// After this it is given up, unless it may be in the log.
    pub(crate) deadline: Instant,
    /// The log refused it: why it ends at the next occasion.
    pub(crate) rejected: Option<Outcome>,
}

/// A batch under way, with the commands it is made of.
pub(crate) struct Sent {
    pub(crate) batch: Arc<Batch>,
    pub(crate) pendings: Vec<Pending>,
    pub(crate) at: Instant,
}

/// A batch is closed before it has more events than this, unless one command alone has more. All
/// batches under way together fit into one page of the log's tail, which is where a batch of unknown
/// fate is looked for.
const BATCH_EVENTS: usize = 2_000;

/// Jobs that have ended, to be told once the node's lock is released.
pub(crate) type Finished = Vec<(Box<dyn Job>, Outcome)>;

/// See the module.
pub(crate) struct Node {
    /// Where this node is in the log.
    pub(crate) head: Place,
    /// Where it will be when the batches under way are committed.
    ahead: Place,
    last_recorded_at: DateTime<Utc>,
    pub(crate) cache: Cache,
    pub(crate) keys: Keys,
    queue: VecDeque<Pending>,
    loading: HashMap<StreamKey, Loading>,
    snapshot_every: u64,
    pub(crate) closed: bool,
}

/// A stream on its way into memory.
#[derive(Default)]
struct Loading {
    /// What others wrote to it meanwhile.
    foreign: Vec<StoredEvent>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Node {
    pub(crate) fn new(
        head: Place,
        recorded_at: Option<DateTime<Utc>>,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            head,
            ahead: head,
            last_recorded_at: recorded_at.unwrap_or(DateTime::UNIX_EPOCH),
            cache: Cache::new(limits.cache_bytes),
            keys: Keys::new(now, limits.keys),
            queue: VecDeque::new(),
            loading: HashMap::new(),
            snapshot_every: limits.snapshot_every,
            closed: false,
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Decides a command on the newest states.
    pub(crate) fn decide(&mut self, job: &mut dyn Job, request: &Request) -> (Verdict, Draft) {
        let mut world = World::new(&mut self.cache, request);
        let verdict = job.decide(&mut world);
        let mut draft = world.into_draft();
        if !matches!(verdict, Verdict::Wrote) {
            // One stream may have agreed before another refused: together they write nothing.
            draft.written.clear();
        }
        (verdict, draft)
    }

    /// Queues a decided command: from now on the next decisions see what it wrote.
    pub(crate) fn push(&mut self, pending: Pending) {
        for written in &pending.draft.written {
            self.cache.advance(&written.stream, written.typed.as_ref());
        }
        self.queue.push_back(pending);
    }

    /// Cuts the next batch off the queue and chains it to the head it will meet.
    pub(crate) fn next_batch(&mut self, limit: usize, now: DateTime<Utc>) -> Option<Sent> {
        let mut limit = self.queue.front()?.batch_limit.min(limit);
        let mut pendings = Vec::with_capacity(limit.min(self.queue.len()));
        let mut events = 0;
        while pendings.len() < limit
            && let Some(pending) = self.queue.pop_front()
        {
            events += pending.draft.written.len();
            let fits = pending.batch_limit > pendings.len() && events <= BATCH_EVENTS;
            if !fits && !pendings.is_empty() {
                self.queue.push_front(pending);
                break;
            }
            limit = limit.min(pending.batch_limit);
            pendings.push(pending);
        }
        let batch = self.chained(&mut pendings, now);
        self.ahead = batch.head();
        Some(Sent { batch: Arc::new(batch), pendings, at: Instant::now() })
    }

    fn chained(&mut self, pendings: &mut [Pending], now: DateTime<Utc>) -> Batch {
        let recorded_at = now.max(self.last_recorded_at);
        let (mut events, mut keys, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut place = self.ahead;
        for pending in pendings {
            let written = &pending.draft.written;
            let mut index = events.len();
            for line in written.chunk_by(|one, next| one.line == next.line) {
                if let Some(keyed) = pending.request.keys.get(line[0].line) {
                    keys.push((index, keyed.clone(), line.len()));
                }
                texts.extend(pending.request.text.clone().map(|text| (index, text)));
                index += line.len();
            }
            for written in written {
                let position = place.position + 1;
                let hash = chain(&place.hash, position, recorded_at, &written.digest);
                place = Place { position, hash };
                events.push(Recorded { place, recorded_at, event: written.event.clone() });
            }
        }
        if !events.is_empty() {
            self.last_recorded_at = recorded_at;
        }
        Batch { expected: self.ahead, recorded_at, events: events.into(), keys, texts }
    }

    /// A batch is in the log: the head moves, and its commands have ended. Returns the states that
    /// should be stored, too.
    pub(crate) fn settle(&mut self, sent: Sent, now: DateTime<Utc>) -> (Finished, Vec<Due>) {
        let mut index = 0;
        let mut long = HashSet::new();
        let mut finished = Vec::with_capacity(sent.pendings.len());
        self.head = sent.batch.head();
        for pending in sent.pendings {
            let written = &pending.draft.written;
            for written in written {
                self.cache.settle(&written.stream, written.typed.as_ref());
                if written.event.sequence.is_multiple_of(self.snapshot_every) {
                    long.insert(written.stream.clone());
                }
            }
            let events = sent.batch.events[index..index + written.len()].to_vec();
            index += written.len();
            for key in &pending.keys {
                if pending.draft.has_line(key.line) {
                    self.keys.seen(key.hash, now);
                } else {
                    self.keys.release(key.hash);
                }
            }
            let place = events.last().map_or(self.head, |last| last.place);
            finished.push((pending.job, Outcome::Committed { events, place }));
        }
        let due = long.iter().filter_map(|stream| self.due_snapshot(stream)).collect();
        self.cache.shrink();
        (finished, due)
    }

    /// The durable state of a stream, to be stored; none if it is not in memory or its family has no
    /// snapshots.
    pub(crate) fn due_snapshot(&self, stream: &StreamKey) -> Option<Due> {
        let version = self.cache.durable_for_snapshot(stream)?;
        Some(Due { stream: stream.clone(), version, seen: self.head })
    }

    /// Another node has written: the head moves. Returns the streams that have changed.
    pub(crate) fn follow(
        &mut self,
        events: &[Recorded],
        keys: &[KeyHash],
        now: DateTime<Utc>,
    ) -> HashSet<StreamKey> {
        let mut changed = HashSet::new();
        for recorded in events {
            self.head = recorded.place;
            self.last_recorded_at = self.last_recorded_at.max(recorded.recorded_at);
            let Some(stream) = families::stream_key(&recorded.event) else { continue };
            self.cache.apply_foreign(&stream, &recorded.event);
            if let Some(loading) = self.loading.get_mut(&stream) {
                loading.foreign.push(recorded.event.clone());
            }
            changed.insert(stream);
        }
        for key in keys {
            self.keys.seen(*key, now);
        }
        changed
    }

    /// Decides again whatever was decided ahead of the head on something that has changed. `failed`
    /// were in batches that are certain not to be in the log; they stay in front of the queue.
    pub(crate) fn rework(
        &mut self,
        failed: Vec<Pending>,
        mut changed: HashSet<StreamKey>,
    ) -> Finished {
        self.ahead = self.head;
        let pendings: Vec<Pending> = failed.into_iter().chain(self.queue.drain(..)).collect();
        for written in pendings.iter().flat_map(|pending| &pending.draft.written) {
            self.cache.fall_back(&written.stream);
        }
        let now = Instant::now();
        let mut finished = Vec::new();
        for mut pending in pendings {
            let touched = pending.draft.read.iter().any(|stream| changed.contains(stream));
            let ended = if pending.rejected.is_some() {
                pending.rejected.take()
            } else if pending.keys.iter().any(|key| self.keys.is_known(key.hash)) {
                Some(Outcome::KeyTaken)
            } else if now > pending.deadline {
                Some(Outcome::Unavailable)
            } else if touched {
                changed.extend(pending.written_streams());
                self.decide_again(&mut pending)
            } else {
                None
            };
            if ended.is_some() || touched {
                changed.extend(pending.written_streams());
            }
            match ended {
                None => self.push(pending),
                Some(outcome) => finished.push(self.give_up(pending, outcome)),
            }
        }
        finished
    }

    fn decide_again(&mut self, pending: &mut Pending) -> Option<Outcome> {
        let (verdict, draft) = self.decide(pending.job.as_mut(), &pending.request);
        pending.draft = draft;
        match verdict {
            Verdict::Wrote | Verdict::Refused => None,
            Verdict::Missing(_) => Some(Outcome::Again),
        }
    }

    /// Ends a command that is certain not to be in the log.
    pub(crate) fn give_up(
        &mut self,
        pending: Pending,
        outcome: Outcome,
    ) -> (Box<dyn Job>, Outcome) {
        self.keys.release_all(&pending.keys);
        (pending.job, outcome)
    }

    /// Everything that waits, out of the queue.
    pub(crate) fn drain(&mut self) -> Vec<Pending> {
        self.queue.drain(..).collect()
    }

    /// The first who asks for a stream loads it; others get something to wait for.
    pub(crate) fn begin_load(&mut self, stream: &StreamKey) -> Option<oneshot::Receiver<()>> {
        if let Some(loading) = self.loading.get_mut(stream) {
            let (done, wait) = oneshot::channel();
            loading.waiting.push(done);
            return Some(wait);
        }
        self.loading.insert(stream.clone(), Loading::default());
        None
    }

    /// Takes a loaded stream in, or tells those who wait that there is none.
    pub(crate) fn end_load(&mut self, stream: StreamKey, loaded: Option<Version>) {
        // Dropping the senders wakes those who wait; they look for themselves.
        let Some(loading) = self.loading.remove(&stream) else { return };
        let Some(version) = loaded else { return };
        if self.cache.contains(&stream) {
            return;
        }
        self.cache.insert(stream.clone(), version);
        for event in &loading.foreign {
            self.cache.apply_foreign(&stream, event);
        }
    }
}

impl Pending {
    fn written_streams(&self) -> Vec<StreamKey> {
        self.draft.written.iter().map(|written| written.stream.clone()).collect()
    }
}
