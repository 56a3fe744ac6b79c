//! A command's way into the queue, and what must be read before it gets there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::command::{Command, Decide, Done, Reply, Step};
use super::progress::{Obstacle, Progress};
use super::{Bus, Committed, Failure, Request, Unavailable};
use crate::dry_run::DryRun;
use crate::node::{Pending, Verdict};

impl Bus {
    /// Decides, queues and answers, and reads first what is missing for that.
    pub(super) async fn carry_out<R: Send + 'static>(
        &self,
        request: Request,
        decide: Decide<R>,
    ) -> Result<Done, Failure<R>> {
        let request = Arc::new(request);
        let mut progress = Progress::default();
        let mut step = self.enter(&decide, &request, &mut progress);
        if let Step::Queued(reply) = step {
            step = self.answer(reply).await;
        }
        match step {
            Step::Ended(ended) => ended,
            Step::Full => Err(self.overloaded()),
            step => {
                // Something must be read first: in a task of its own, which nobody can cancel.
                let bus = self.clone();
                let run = async move { bus.run(decide, request, progress, step).await };
                tokio::spawn(run).await.unwrap_or(Err(Failure::Unavailable))
            }
        }
    }

    /// Reads whatever is missing until the command is queued and answered.
    async fn run<R: Send + 'static>(
        &self,
        decide: Decide<R>,
        request: Arc<Request>,
        mut progress: Progress,
        mut step: Step<R>,
    ) -> Result<Done, Failure<R>> {
        let deadline = Instant::now() + self.shared.limits.patience;
        loop {
            match step {
                Step::Ended(ended) => return ended,
                Step::Full => return Err(self.overloaded()),
                Step::Queued(reply) => {
                    progress = Progress::default();
                    step = self.answer(reply).await;
                    continue;
                }
                Step::Again => {}
                // Whoever held the key is done with it; look again.
                Step::Await(done) => drop(tokio::time::timeout_at(deadline, done).await),
                Step::Replay => {
                    // Known from the log, so it is there; unless the log went back in time.
                    return self.replay(&request).await?.unwrap_or(Err(Failure::Unavailable));
                }
                Step::KeyTaken if request.is_by_lines => progress = Progress::distrusting(),
                Step::KeyTaken => {
                    if let Some(ended) = self.replay(&request).await? {
                        return ended;
                    }
                }
                Step::LookUp => {
                    if let Some(ended) = self.look_up(&request, &mut progress).await {
                        return ended;
                    }
                }
                Step::Load(missing) => {
                    if let Err(Unavailable) = self.load(missing).await {
                        self.let_go(&mut progress);
                        return Err(Failure::Unavailable);
                    }
                }
            }
            if Instant::now() >= deadline {
                self.let_go(&mut progress);
                return Err(Failure::Unavailable);
            }
            step = self.enter(&decide, &request, &mut progress);
        }
    }

    /// Everything that can be done without waiting, in one step under the node's lock.
    pub(super) fn enter<R: Send + 'static>(
        &self,
        decide: &Decide<R>,
        request: &Arc<Request>,
        progress: &mut Progress,
    ) -> Step<R> {
        let limits = &self.shared.limits;
        let mut node = self.shared.node();
        if node.closed || node.queued() >= limits.queue {
            progress.release(&mut node.keys);
            return Step::Full;
        }
        match progress.take_keys(request, &mut node.keys, self.shared.clock.now()) {
            Some(Obstacle::Await(done)) => return Step::Await(done),
            Some(Obstacle::LookUp) => return Step::LookUp,
            Some(Obstacle::Replay) => return Step::Replay,
            None => {}
        }
        let (mut job, answer) = Command::new(decide, request, &progress.done);
        let (verdict, draft) = node.decide(&mut job, request);
        let is_refused = match verdict {
            Verdict::Missing(missing) => return Step::Load(missing),
            Verdict::Refused => true,
            Verdict::Wrote => false,
        };
        if request.is_dry_run && !is_refused {
            let dry_run = DryRun::of(&draft, &mut node.cache);
            return Step::Ended(Err(Failure::DryRun(Box::new(dry_run))));
        }
        if progress.must_look_up(request, &draft, is_refused) {
            return Step::LookUp;
        }
        node.push(Pending {
            job: Box::new(job),
            request: request.clone(),
            keys: std::mem::take(&mut progress.holds),
            draft,
            batch_limit: limits.batch,
            deadline: Instant::now() + limits.patience,
            rejected: None,
        });
        drop(node);
        self.shared.wake.notify_one();
        Step::Queued(answer)
    }

    /// Waits for what becomes of a command in the queue.
    pub(super) async fn answer<R>(&self, reply: oneshot::Receiver<Reply<R>>) -> Step<R> {
        // The appender gives up what it has not sent after `patience`; what it has sent may stay
        // unknown for as long as the database is away.
        let patience = self.shared.limits.patience + Duration::from_secs(1);
        match tokio::time::timeout(patience, reply).await {
            Ok(Ok(Reply::Committed(done))) => Step::Ended(Ok(done)),
            Ok(Ok(Reply::Refused(refusal, place))) => {
                Step::Ended(Err(Failure::Refused { refusal, place }))
            }
            Ok(Ok(Reply::Again)) => Step::Again,
            Ok(Ok(Reply::KeyTaken)) => Step::KeyTaken,
            Ok(Ok(Reply::Unavailable) | Err(_)) | Err(_) => Step::Ended(Err(Failure::Unavailable)),
        }
    }

    /// Looks for the keys that the command holds; the answer, if that ends it.
    async fn look_up<R>(
        &self,
        request: &Request,
        progress: &mut Progress,
    ) -> Option<Result<Done, Failure<R>>> {
        let ended = if request.is_by_lines {
            self.find_lines(request, progress)
                .await
                .err()
                .map(|unavailable| Err(unavailable.into()))
        } else {
            self.replay(request).await.unwrap_or_else(|unavailable| Some(Err(unavailable)))
        };
        match &ended {
            None => progress.looked_up = true,
            Some(Err(Failure::Unavailable)) => self.let_go(progress),
            Some(_) => self.remember(progress),
        }
        ended
    }

    /// Finds out which of the lines were done before, in one query.
    async fn find_lines(
        &self,
        request: &Request,
        progress: &mut Progress,
    ) -> Result<(), Unavailable> {
        let Some(first) = request.keys.first() else { return Ok(()) };
        let held = progress.holds.iter().map(|held| request.keys[held.line].key.as_str());
        let held: Vec<&str> = held.collect();
        let found = self.shared.log.find_keys(&held, &first.caller).await?;
        let now = self.shared.clock.now();
        progress.found(request, &found, &mut self.shared.node().keys, now);
        Ok(())
    }

    /// The answer to a repeat, from the log; `None` if the key is not there.
    async fn replay<R>(
        &self,
        request: &Request,
    ) -> Result<Option<Result<Done, Failure<R>>>, Failure<R>> {
        let Some(keyed) = request.keys.first() else { return Ok(None) };
        let found = self.shared.log.find_key(keyed.key.as_str(), &keyed.caller).await;
        let Some(command) = found.map_err(Unavailable::from)? else { return Ok(None) };
        if command.fingerprint != keyed.fingerprint {
            return Ok(Some(Err(Failure::KeyReused)));
        }
        let place = command.events.last().map_or(self.head(), |last| last.place);
        let committed = Committed { events: command.events, place, replayed: true };
        Ok(Some(Ok(committed.into())))
    }

    fn let_go(&self, progress: &mut Progress) {
        progress.release(&mut self.shared.node().keys);
    }

    fn remember(&self, progress: &mut Progress) {
        let now = self.shared.clock.now();
        let mut node = self.shared.node();
        for held in std::mem::take(&mut progress.holds) {
            node.keys.seen(held.hash, now);
        }
    }

    fn overloaded<R>(&self) -> Failure<R> {
        Failure::Overloaded { retry_after: self.shared.limits.retry_after }
    }
}
