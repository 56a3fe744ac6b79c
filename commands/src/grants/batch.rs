//! Grants to many: one append, each line once for ever by its own key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand};
use domain::id::{PlayerId, ReceiptCode};
use domain::money::Gold;

use super::{Executed, GrantRefusal, executed};
use crate::Commands;
use crate::approvals::ApprovalPolicy;
use crate::bus::{CommittedLines, Failure, Line, Request, Unavailable};
use crate::context::{Caller, IdempotencyKey};
use crate::log::KeyedCommand;
use crate::world::{Decline, Missing, World};

/// A grant of gold among many.
#[derive(Debug, Clone)]
pub struct GrantLine {
    /// What whoever asks calls it: its name for ever.
    pub key: IdempotencyKey,
    /// To whom.
    pub player: PlayerId,
    /// How much, of the free kind.
    pub gold: Gold,
}

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineOutcome {
    /// It was given.
    Granted(Executed),
    /// It was given before: as it was then.
    Duplicate(Executed),
    /// It was not given; its key stays free.
    Refused(GrantRefusal),
    /// Its key is that of something else.
    KeyReused,
}

/// What became of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinesGranted {
    /// Of each, in order.
    pub outcomes: Vec<LineOutcome>,
    /// Where in the log the last of them stands, or the head.
    pub position: u64,
}

/// Lines that the last run of a decision refused.
type Refused = Arc<Mutex<HashMap<usize, GrantRefusal>>>;

impl Commands {
    /// Gives gold to many, in one append and for one reason, which is kept with each of them. What
    /// cannot be given does not stop the others.
    ///
    /// # Errors
    /// If the log cannot be reached or too much is waiting; repeating the whole is harmless.
    pub async fn grant_all(
        &self,
        caller: &Caller,
        grants: Vec<GrantLine>,
        reason: String,
    ) -> Result<LinesGranted, Failure<GrantRefusal>> {
        let line = |grant: &GrantLine| self.grant_line(caller, grant, &reason);
        let lines: Vec<Line> = grants.iter().map(line).collect();
        let (at, receipts) = (self.clock.now(), self.codes.receipts(grants.len()).await?);
        let accounts = grants.iter().map(|grant| Missing::of::<Account>(grant.player));
        self.bus.warm(&accounts.collect::<Vec<_>>()).await?;
        let request = Request::new(caller, None).with_lines(lines.clone()).with_text(reason);
        let (policy, refused) = (self.approvals, Refused::default());
        let refusals = refused.clone();
        let decide = move |world: &mut World<'_>| {
            let mut refused = refusals.lock().unwrap_or_else(PoisonError::into_inner);
            refused.clear();
            let numbered = grants.iter().zip(&receipts).enumerate();
            for (line, (grant, receipt_code)) in numbered {
                match give(world, line, (grant, *receipt_code), policy, at) {
                    Err(Decline::Refused(refusal)) => drop(refused.insert(line, refusal)),
                    done => done?,
                }
            }
            Ok(())
        };
        let committed = self.bus.execute_lines(request, decide).await?;
        let refused = std::mem::take(&mut *refused.lock().unwrap_or_else(PoisonError::into_inner));
        let known = self.known_grants(caller, &lines, &committed.done_before).await?;
        let position = committed.place.position;
        Ok(LinesGranted { outcomes: outcomes(&lines, &committed, refused, &known), position })
    }

    fn grant_line(&self, caller: &Caller, grant: &GrantLine, reason: &str) -> Line {
        let asked = (grant.player, grant.gold, reason);
        Line {
            key: grant.key.clone(),
            fingerprint: self.fingerprints.fingerprint("grant_line", &asked),
            metadata: caller.metadata(Some(grant.player)),
        }
    }

    /// What stands in the log under the keys of these lines.
    async fn known_grants(
        &self,
        caller: &Caller,
        asked: &[Line],
        lines: &[usize],
    ) -> Result<HashMap<String, KeyedCommand>, Unavailable> {
        if lines.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<&str> = lines.iter().map(|line| asked[*line].key.as_str()).collect();
        Ok(self.bus.log().find_commands(&keys, &caller.actor.to_string()).await?)
    }
}

/// Decides one line. It writes one event or none, so there is never anything to take back.
fn give(
    world: &mut World<'_>,
    line: usize,
    (grant, receipt_code): (&GrantLine, ReceiptCode),
    policy: ApprovalPolicy,
    at: DateTime<Utc>,
) -> Result<(), Decline<GrantRefusal>> {
    if world.is_done(line) {
        return Ok(());
    }
    world.begin_line(line);
    let gold = grant.gold;
    policy.insist_on_one(gold).map_err(|needed| Decline::Refused(needed.into()))?;
    let command = AccountCommand::GrantGold { at, receipt_code, gold };
    world.decide::<Account>(grant.player, &command).map_err(Decline::widen)
}

fn outcomes(
    lines: &[Line],
    committed: &CommittedLines,
    mut refused: HashMap<usize, GrantRefusal>,
    known: &HashMap<String, KeyedCommand>,
) -> Vec<LineOutcome> {
    let mut outcomes = vec![LineOutcome::KeyReused; lines.len()];
    for (line, recorded) in &committed.events {
        let executed = recorded.event.decode().ok().as_ref().and_then(executed);
        outcomes[*line] = executed.map_or(LineOutcome::KeyReused, LineOutcome::Granted);
    }
    for (line, refusal) in refused.drain() {
        outcomes[line] = LineOutcome::Refused(refusal);
    }
    for line in &committed.done_before {
        outcomes[*line] = match known.get(lines[*line].key.as_str()) {
            Some(known) => repeated(&lines[*line], known),
            None => as_the_first(lines, *line, &outcomes),
        };
    }
    outcomes
}

/// A line whose key is in the log.
fn repeated(line: &Line, known: &KeyedCommand) -> LineOutcome {
    let first = known.events.first().filter(|_| known.fingerprint == line.fingerprint);
    let executed = first.and_then(|first| first.event.decode().ok()).as_ref().and_then(executed);
    executed.map_or(LineOutcome::KeyReused, LineOutcome::Duplicate)
}

/// A line whose key an earlier one has, to which nothing was given.
fn as_the_first(lines: &[Line], line: usize, outcomes: &[LineOutcome]) -> LineOutcome {
    let first = lines.iter().position(|first| first.key == lines[line].key).unwrap_or(line);
    match lines[first].fingerprint == lines[line].fingerprint {
        true => outcomes[first].clone(),
        false => LineOutcome::KeyReused,
    }
}
