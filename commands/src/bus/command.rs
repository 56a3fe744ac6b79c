//! A command on its way into the queue, and the way its answer takes back.

use std::sync::Arc;

use domain::stored::Place;
use tokio::sync::oneshot;

use super::Committed;
use crate::keys::KeyHash;
use crate::node::{Job, Outcome, Verdict};
use crate::world::{Decline, Missing, World};

/// What became of the attempt to queue a command without waiting.
pub(super) enum Entered<R> {
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
pub(super) struct Progress {
    /// It has entered its key, which is held for it.
    pub(super) holds: Option<KeyHash>,
    /// The key has been looked up and is not in the log.
    pub(super) looked_up: bool,
}

/// A decision: a function of what the world shows.
pub(super) type Decide<R> = Arc<dyn Fn(&mut World<'_>) -> Result<(), Decline<R>> + Send + Sync>;

/// A command and where its answer goes.
pub(super) struct Command<R> {
    pub(super) decide: Decide<R>,
    pub(super) refusal: Option<R>,
    pub(super) reply: Option<oneshot::Sender<Reply<R>>>,
}

/// What the caller is told.
pub(super) enum Reply<R> {
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
