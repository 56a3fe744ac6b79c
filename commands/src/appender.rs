//! The one task of a node that writes to the log.
//!
//! Commands queue while a batch is under way and form the next one, so an idle node adds no delay
//! and a busy one batches by itself. A batch goes out on the head the node knows. If it missed, or
//! its fate is unknown, there is one way on, for all cases: make sure that nothing sent before can
//! still happen, take the lock, read what is new, settle what was written after all, decide again
//! what has changed, write, commit. Under the lock this cannot miss a second time. While others are
//! writing, every batch goes that way from the start: a try that misses is a wasted turn.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::stored::Recorded;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::bus::{Head, Shared};
use crate::cache::StreamKey;
use crate::log::{Appended, LockedLog, LogError, Tail};
use crate::node::{Finished, Outcome, Pending, Sent};

/// Why the appender has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to, and everything accepted is done.
    Closed,
    /// This node's last place is not in the log: the database was restored to an earlier moment, or
    /// it is another one. Nothing in this process's memory can be trusted; it must end.
    PlaceGone,
}

/// Events read at once while catching up. More than all batches under way can have together.
const PAGE: usize = 10_000;
/// Between attempts while the database is away: doubling from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Announcements to other nodes are at least this far apart.
const ANNOUNCE: Duration = Duration::from_millis(5);

type Answer = (Sent, Result<Appended, LogError>);

/// See the module.
pub(crate) struct Appender {
    shared: Arc<Shared>,
    under_way: FuturesOrdered<BoxFuture<'static, Answer>>,
    polled_at: Instant,
    /// Others are writing, too: a batch on the head that this node knows would most likely miss, so it
    /// takes the lock at once. Counts down to 0.
    contended: u8,
}

/// Why catching up could not be finished.
enum Obstacle {
    Lost(LogError),
    PlaceGone,
}

impl From<LogError> for Obstacle {
    fn from(error: LogError) -> Self {
        Self::Lost(error)
    }
}

impl Appender {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, under_way: FuturesOrdered::new(), polled_at: Instant::now(), contended: 0 }
    }

    pub(crate) async fn run(mut self, ending: watch::Sender<Option<Ending>>) {
        let announcer = tokio::spawn(announce(self.shared.clone()));
        let end = loop {
            self.send();
            if self.under_way.is_empty() && self.is_finished() {
                break Ending::Closed;
            }
            if let Err(Obstacle::PlaceGone) = self.step().await {
                tracing::error!(
                    head = self.shared.node().head.position,
                    "this node's last place is not in the log: the database went back in time, ending"
                );
                break Ending::PlaceGone;
            }
        };
        self.abandon();
        announcer.abort();
        ending.send_replace(Some(end));
    }

    fn is_finished(&self) -> bool {
        let node = self.shared.node();
        node.closed && node.queued() == 0
    }

    /// Sends batches as long as there are commands and room on the connection.
    fn send(&mut self) {
        if self.contended > 0 {
            return;
        }
        while self.under_way.len() < self.shared.limits.in_flight {
            let next =
                self.shared.node().next_batch(self.shared.limits.batch, self.shared.clock.now());
            let Some(sent) = next else { return };
            let log = self.shared.log.clone();
            let append = async move {
                let result = log.append(sent.batch.clone()).await;
                (sent, result)
            };
            self.under_way.push_back(Box::pin(append));
        }
    }

    /// Waits for whatever comes first: an answer, a command, a hint that others wrote, or the time
    /// to look for it.
    async fn step(&mut self) -> Result<(), Obstacle> {
        if self.under_way.is_empty() && self.goes_to_the_lock() {
            return self.catch_up(VecDeque::new()).await;
        }
        let next_poll = self.polled_at + self.shared.limits.poll;
        tokio::select! {
            biased;
            Some(answer) = self.under_way.next() => self.receive(answer).await,
            () = self.shared.wake.notified() => Ok(()),
            () = self.shared.log.hint() => self.look_around().await,
            () = tokio::time::sleep_until(next_poll) => self.look_around().await,
        }
    }

    fn goes_to_the_lock(&self) -> bool {
        self.contended > 0 && self.shared.node().queued() > 0
    }

    /// Confirms the head. With batches under way they do that, and nothing needs to be asked.
    async fn look_around(&mut self) -> Result<(), Obstacle> {
        self.polled_at = Instant::now();
        if self.under_way.is_empty() { self.catch_up(VecDeque::new()).await } else { Ok(()) }
    }

    async fn receive(&mut self, (sent, result): Answer) -> Result<(), Obstacle> {
        match result {
            Ok(Appended::Committed) => {
                self.settle(sent);
                Ok(())
            }
            Ok(Appended::Missed) => {
                self.contended = self.shared.limits.calm;
                self.catch_up_with(sent).await
            }
            Err(LogError::Rejected { key_taken, reason }) => {
                let rejected = Self::reject(sent, key_taken, &reason);
                self.catch_up_with(rejected).await
            }
            Err(LogError::Lost(reason)) => {
                tracing::warn!(%reason, "the log did not answer an append");
                self.catch_up_with(sent).await
            }
        }
    }

    /// After a batch that was not committed for certain: whatever was sent behind it was made for a
    /// head that never came.
    async fn catch_up_with(&mut self, first: Sent) -> Result<(), Obstacle> {
        let mut failed = VecDeque::from([first]);
        while let Some((sent, _)) = self.under_way.next().await {
            failed.push_back(sent);
        }
        self.catch_up(failed).await
    }

    async fn catch_up(&mut self, mut failed: VecDeque<Sent>) -> Result<(), Obstacle> {
        let mut pause = RETRY.0;
        loop {
            let attempt = if !failed.is_empty() || self.goes_to_the_lock() {
                self.write_locked(&mut failed).await
            } else {
                self.follow().await
            };
            match attempt {
                Ok(()) if !failed.is_empty() => {}
                Err(Obstacle::Lost(error)) => {
                    tracing::warn!(%error, "the log cannot be reached, trying again");
                    if failed.is_empty() {
                        self.give_up_expired();
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY.1);
                }
                ended => return ended,
            }
        }
    }

    /// Nothing to write: only reads what others wrote.
    async fn follow(&mut self) -> Result<(), Obstacle> {
        loop {
            let asked_at = Instant::now();
            let head = self.shared.node().head;
            let tail = self.shared.log.read_tail(head.position, PAGE).await?;
            if !tail.continues(head) {
                return Err(Obstacle::PlaceGone);
            }
            let complete = tail.events.len() < PAGE;
            let changed = self.apply(tail);
            let finished = self.shared.node().rework(Vec::new(), changed);
            tell(finished);
            if complete {
                self.publish_head(Some(asked_at));
                return Ok(());
            }
            self.publish_head(None);
        }
    }

    /// The slow way, see the module.
    async fn write_locked(&mut self, failed: &mut VecDeque<Sent>) -> Result<(), Obstacle> {
        let head = self.shared.node().head;
        // What is read is as new as the moment at which it was asked for: this process may be stopped
        // before it gets to see it.
        let asked_at = Instant::now();
        let (mut log, tail) = self.shared.log.lock(head.position, PAGE).await?;
        let changed = self.read_up(log.as_mut(), tail, failed).await?;
        let is_calm = changed.is_empty();
        self.contended =
            if is_calm { self.contended.saturating_sub(1) } else { self.shared.limits.calm };
        let unsent = failed.drain(..).flat_map(|sent| sent.pendings).collect();
        let next = {
            let mut node = self.shared.node();
            let finished = node.rework(unsent, changed);
            let next = node.next_batch(self.shared.limits.batch, self.shared.clock.now());
            drop(node);
            tell(finished);
            next
        };
        self.publish_head(Some(asked_at));
        let Some(sent) = next else {
            log.release().await;
            return Ok(());
        };
        match log.commit(sent.batch.clone()).await {
            Ok(()) => self.settle(sent),
            Err(LogError::Rejected { key_taken, reason }) => {
                failed.push_back(Self::reject(sent, key_taken, &reason));
            }
            Err(error @ LogError::Lost(_)) => {
                failed.push_back(sent);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Takes everything after the node's head, of which the first page has been read; settles batches
    /// that turn out to be in the log.
    async fn read_up(
        &mut self,
        log: &mut dyn LockedLog,
        mut tail: Tail,
        failed: &mut VecDeque<Sent>,
    ) -> Result<HashSet<StreamKey>, Obstacle> {
        let mut changed = HashSet::new();
        loop {
            let head = self.shared.node().head;
            if !tail.continues(head) {
                return Err(Obstacle::PlaceGone);
            }
            let complete = tail.events.len() < PAGE;
            // Batches of refusals leave no trace: they stay and are decided again.
            for sent in std::mem::take(failed) {
                if tail.starts_with(&sent.batch.events) {
                    tail.skip(sent.batch.events.len());
                    self.settle(sent);
                } else {
                    failed.push_back(sent);
                }
            }
            changed.extend(self.apply(tail));
            if complete {
                return Ok(changed);
            }
            let position = self.shared.node().head.position;
            tail = log.read_tail(position, PAGE).await?;
        }
    }

    /// Others' events: into the states, and on to the followers.
    fn apply(&self, tail: Tail) -> HashSet<StreamKey> {
        if tail.events.is_empty() {
            return HashSet::new();
        }
        let changed = self.shared.node().follow(&tail.events, &tail.keys, self.shared.clock.now());
        self.hand_over(tail.events.into());
        changed
    }

    fn settle(&self, sent: Sent) {
        let (batch, sent_at) = (sent.batch.clone(), sent.at);
        let (finished, due) = self.shared.node().settle(sent, self.shared.clock.now());
        due.into_iter().for_each(|due| self.shared.keep(due));
        self.publish_head(Some(sent_at));
        tell(finished);
        if !batch.events.is_empty() {
            metrics::counter!("club_events_appended_total").increment(batch.events.len() as u64);
            metrics::counter!("club_batches_appended_total").increment(1);
            self.hand_over(batch.events.clone());
        }
    }

    fn hand_over(&self, events: Arc<[Recorded]>) {
        // Without followers in this process nobody listens.
        let _ = self.shared.handover.send(events);
    }

    fn publish_head(&self, confirmed_at: Option<Instant>) {
        let place = self.shared.node().head;
        self.shared.heads.send_modify(|head| {
            *head = Head { place, confirmed_at: confirmed_at.unwrap_or(head.confirmed_at) };
        });
    }

    /// The log refused a batch: its commands go on in batches half as large, until the poisonous one
    /// is alone; alone, it fails.
    fn reject(mut sent: Sent, key_taken: bool, reason: &str) -> Sent {
        tracing::warn!(%reason, key_taken, commands = sent.pendings.len(), "the log refused a batch");
        if let [alone] = &mut sent.pendings[..] {
            alone.rejected = Some(if key_taken { Outcome::KeyTaken } else { Outcome::Unavailable });
        }
        let half = (sent.pendings.len() / 2).max(1);
        for pending in &mut sent.pendings {
            pending.batch_limit = half;
        }
        sent
    }

    /// While the database is away, callers are told in time.
    fn give_up_expired(&self) {
        let finished = self.shared.node().rework(Vec::new(), HashSet::new());
        tell(finished);
    }

    /// Nobody waits for ever, not even when the appender ends.
    fn abandon(&mut self) {
        let mut node = self.shared.node();
        node.closed = true;
        let left: Vec<Pending> = node.drain();
        let finished =
            left.into_iter().map(|left| node.give_up(left, Outcome::Unavailable)).collect();
        drop(node);
        tell(finished);
    }
}

fn tell(finished: Finished) {
    for (job, outcome) in finished {
        job.finish(outcome);
    }
}

/// Tells other nodes, soon and not too often.
async fn announce(shared: Arc<Shared>) {
    let mut heads = shared.heads.subscribe();
    let mut announced = heads.borrow_and_update().place.position;
    while heads.changed().await.is_ok() {
        let head = heads.borrow_and_update().place.position;
        if head > announced {
            announced = head;
            // A lost announcement costs the others one poll.
            let _ = shared.log.announce().await;
            tokio::time::sleep(ANNOUNCE).await;
        }
    }
}
