//! How far a command has come before it is queued: which of its keys are held for it, and which of
//! its lines were done before.
//!
//! A command takes all its keys in one step or none: whoever waits for a key holds none, so two
//! commands with keys in common never wait for each other.

use std::collections::HashMap;
use std::mem;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::Request;
use crate::context::Fingerprint;
use crate::keys::{HeldKey, Keys, Standing};
use crate::world::Draft;

/// See the module.
#[derive(Default)]
pub(super) struct Progress {
    /// Keys that it has entered, which are held for it.
    pub(super) holds: Vec<HeldKey>,
    /// Lines whose keys are in the log or on an earlier line, in order.
    pub(super) done: Vec<usize>,
    /// The keys that it holds have been looked up and are not in the log.
    pub(super) looked_up: bool,
    /// A key that was believed to be new was in the log: now none is believed.
    distrusts: bool,
    has_entered: bool,
}

/// What stands between a command and its keys.
pub(super) enum Obstacle {
    /// Another command with one of them is under way.
    Await(oneshot::Receiver<()>),
    /// They must be looked up.
    LookUp,
    /// The key is in the log, and with it the answer.
    Replay,
}

impl Progress {
    /// Of a command whose key turned out to be in the log.
    pub(super) fn distrusting() -> Self {
        Self { distrusts: true, ..Self::default() }
    }

    /// Enters its keys, or looks again at those that it holds.
    pub(super) fn take_keys(
        &mut self,
        request: &Request,
        keys: &mut Keys,
        now: DateTime<Utc>,
    ) -> Option<Obstacle> {
        if self.has_entered {
            self.look_again(request, keys)
        } else {
            self.enter(request, keys, now)
        }
    }

    fn enter(
        &mut self,
        request: &Request,
        keys: &mut Keys,
        now: DateTime<Utc>,
    ) -> Option<Obstacle> {
        let mut believed = !self.distrusts;
        self.done.clone_from(&request.repeats);
        for (line, keyed) in request.keys.iter().enumerate() {
            if request.repeats.binary_search(&line).is_ok() {
                continue;
            }
            match keys.enter(keyed, now) {
                Standing::InLog if request.is_by_lines => self.done.push(line),
                Standing::InLog => return Some(Obstacle::Replay),
                Standing::InFlight(done) => {
                    self.release(keys);
                    return Some(Obstacle::Await(done));
                }
                Standing::New => self.holds.push(HeldKey { line, hash: keyed.hash }),
                Standing::MaybeOld => {
                    self.holds.push(HeldKey { line, hash: keyed.hash });
                    believed = false;
                }
            }
        }
        self.done.sort_unstable();
        self.has_entered = true;
        (!believed && !self.holds.is_empty()).then_some(Obstacle::LookUp)
    }

    /// While this one was reading, keys may have come in from another node.
    fn look_again(&mut self, request: &Request, keys: &Keys) -> Option<Obstacle> {
        let is_known = |held: &HeldKey| keys.is_known(held.hash);
        if !self.holds.iter().any(is_known) {
            return None;
        }
        if !request.is_by_lines {
            self.holds.clear();
            return Some(Obstacle::Replay);
        }
        let (known, holds) = mem::take(&mut self.holds).into_iter().partition(is_known);
        self.holds = holds;
        self.finish(known);
        None
    }

    /// Those of its keys that are in the log: their lines are done.
    pub(super) fn found(
        &mut self,
        request: &Request,
        found: &HashMap<String, Fingerprint>,
        keys: &mut Keys,
        now: DateTime<Utc>,
    ) {
        let is_found = |held: &HeldKey| found.contains_key(request.keys[held.line].key.as_str());
        let (in_log, holds) = mem::take(&mut self.holds).into_iter().partition(is_found);
        self.holds = holds;
        self.looked_up = true;
        for held in &in_log {
            keys.seen(held.hash, now);
        }
        self.finish(in_log);
    }

    fn finish(&mut self, known: Vec<HeldKey>) {
        self.done.extend(known.iter().map(|held| held.line));
        self.done.sort_unstable();
    }

    /// Whether a key that is only believed to be new belongs to something that was not done: a repeat
    /// must not be refused by what its first time has done.
    pub(super) fn must_look_up(&self, request: &Request, draft: &Draft, is_refused: bool) -> bool {
        let may_be_refused = is_refused || request.is_by_lines;
        let is_idle = |held: &HeldKey| !draft.has_line(held.line);
        !self.looked_up && may_be_refused && self.holds.iter().any(is_idle)
    }

    /// Gives up what it holds.
    pub(super) fn release(&mut self, keys: &mut Keys) {
        keys.release_all(&self.holds);
        self.holds.clear();
    }
}
