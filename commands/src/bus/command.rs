//! A command on its way into the queue, and the way its answer takes back.

use std::sync::Arc;

use domain::stored::Place;
use tokio::sync::oneshot;

use super::{Committed, CommittedLines, Failure, Request};
use crate::node::{Job, Outcome, Verdict};
use crate::world::{Decline, Missing, World};

/// Where a command is on its way, and so what must be done next.
pub(super) enum Step<R> {
    /// It is in the queue; the answer will come.
    Queued(oneshot::Receiver<Reply<R>>),
    /// It has its answer.
    Ended(Result<Done, Failure<R>>),
    /// A stream must be loaded first.
    Load(Missing),
    /// Its keys must be looked up first.
    LookUp,
    /// Another command with one of its keys is under way.
    Await(oneshot::Receiver<()>),
    /// The key is in the log: answer from there.
    Replay,
    /// It was in the queue, but has to enter again.
    Again,
    /// It was in the queue, but one of its keys is in the log.
    KeyTaken,
    /// Too many are waiting.
    Full,
}

/// What a command wrote, and for which of its lines.
pub(super) struct Done {
    pub(super) committed: Committed,
    /// The line of each event; empty for a command that is not made of lines.
    lines: Vec<usize>,
    done_before: Arc<[usize]>,
}

impl From<Committed> for Done {
    fn from(committed: Committed) -> Self {
        Self { committed, lines: Vec::new(), done_before: Arc::default() }
    }
}

impl From<Done> for CommittedLines {
    fn from(Done { committed: Committed { events, place, .. }, lines, done_before }: Done) -> Self {
        let events = lines.into_iter().zip(events).collect();
        Self { events, done_before: done_before.to_vec(), place }
    }
}

/// A decision: a function of what the world shows.
pub(super) type Decide<R> = Arc<dyn Fn(&mut World<'_>) -> Result<(), Decline<R>> + Send + Sync>;

/// A command and where its answer goes.
pub(super) struct Command<R> {
    decide: Decide<R>,
    refusal: Option<R>,
    reply: Option<oneshot::Sender<Reply<R>>>,
    lines: Option<Lines>,
}

/// What a command of several lines remembers of them.
struct Lines {
    count: usize,
    done: Arc<[usize]>,
    /// The line of each event that was written.
    written: Vec<usize>,
}

impl<R> Command<R> {
    /// A command, some of whose lines were done before, and where its answer will come.
    pub(super) fn new(
        decide: &Decide<R>,
        request: &Request,
        done: &[usize],
    ) -> (Self, oneshot::Receiver<Reply<R>>) {
        let (reply, answer) = oneshot::channel();
        let count = request.keys.len();
        let lines = || Lines { count, done: done.into(), written: Vec::new() };
        let lines = request.is_by_lines.then(lines);
        (Self { decide: decide.clone(), refusal: None, reply: Some(reply), lines }, answer)
    }

    fn is_done(&self) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.done.len() == lines.count)
    }
}

/// What the caller is told.
pub(super) enum Reply<R> {
    Committed(Done),
    Refused(R, Place),
    Again,
    KeyTaken,
    Unavailable,
}

impl<R: Send> Job for Command<R> {
    fn decide(&mut self, world: &mut World<'_>) -> Verdict {
        self.refusal = None;
        if let Some(lines) = &self.lines {
            world.set_done(lines.done.clone());
        }
        let verdict = match (self.decide)(world) {
            Ok(()) => Verdict::Wrote,
            Err(Decline::Refused(refusal)) => {
                // Whose lines were all done before must not be refused by what they have done.
                self.refusal = (!self.is_done()).then_some(refusal);
                Verdict::Refused
            }
            Err(Decline::Missing(missing)) => Verdict::Missing(missing),
        };
        if let Some(lines) = &mut self.lines {
            lines.written = world.written_lines().collect();
        }
        verdict
    }

    fn finish(mut self: Box<Self>, outcome: Outcome) {
        let reply = match (outcome, self.refusal.take()) {
            (Outcome::Committed { place, .. }, Some(refusal)) => Reply::Refused(refusal, place),
            (Outcome::Committed { events, place }, None) => {
                let mut done = Done::from(Committed { events, place, replayed: false });
                if let Some(lines) = self.lines.take() {
                    (done.lines, done.done_before) = (lines.written, lines.done);
                }
                Reply::Committed(done)
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
