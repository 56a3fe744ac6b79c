//! Grants to many: one append, each line once for ever by its own key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountRefusal};
use domain::aggregate::Aggregate;
use domain::id::{PlayerId, ReceiptCode};
use domain::money::Gold;

use super::{Executed, GrantRefusal, executed};
use crate::Commands;
use crate::approvals::ApprovalPolicy;
use crate::bus::{CommittedLines, Failure, Line, Request, Unavailable};
use crate::context::{Caller, Fingerprint, IdempotencyKey};
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

/// A line's key, and what it asks.
type AskedLine = (IdempotencyKey, Fingerprint);

/// What the last run of a decision made of each line; nothing of those that were done before.
type Decided = Arc<Mutex<Vec<Option<Result<Executed, GrantRefusal>>>>>;

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
        let lines: Vec<Line> = grants.iter().map(|grant| self.grant_line(grant, &reason)).collect();
        let asked: Vec<AskedLine> =
            lines.iter().map(|line| (line.key.clone(), line.fingerprint)).collect();
        let (at, receipts) = (self.clock.now(), self.codes.receipts(grants.len()).await?);
        let accounts = grants.iter().map(|grant| Missing::of::<Account>(grant.player));
        self.bus.warm(&accounts.collect::<Vec<_>>()).await?;
        let request = Request::of_lines(caller, lines).with_text(reason);
        let (policy, decided) = (self.approvals, Decided::default());
        let deciding = decided.clone();
        let decide = move |world: &mut World<'_>| {
            let mut decided = deciding.lock().unwrap_or_else(PoisonError::into_inner);
            *decided = vec![None; grants.len()];
            for (line, (grant, receipt_code)) in grants.iter().zip(&receipts).enumerate() {
                decided[line] = match give(world, line, (grant, *receipt_code), policy, at) {
                    Ok(given) => given.map(Ok),
                    Err(Decline::Refused(refusal)) => Some(Err(refusal)),
                    Err(missing @ Decline::Missing(_)) => return Err(missing),
                };
            }
            Ok(())
        };
        let committed = self.bus.execute_lines(request, decide).await?;
        let decided = std::mem::take(&mut *decided.lock().unwrap_or_else(PoisonError::into_inner));
        let known = self.known_grants(caller, &asked, &committed.done_before).await?;
        let position = committed.place.position;
        Ok(LinesGranted { outcomes: outcomes(&asked, &committed, decided, &known), position })
    }

    fn grant_line(&self, grant: &GrantLine, reason: &str) -> Line {
        let asked = (grant.player, grant.gold, reason);
        Line {
            key: grant.key.clone(),
            fingerprint: self.fingerprints.fingerprint("grant_line", &asked),
            player: grant.player,
        }
    }

    /// What stands in the log under the keys of these lines.
    async fn known_grants(
        &self,
        caller: &Caller,
        asked: &[AskedLine],
        lines: &[usize],
    ) -> Result<HashMap<String, KeyedCommand>, Unavailable> {
        if lines.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<&str> = lines.iter().map(|line| asked[*line].0.as_str()).collect();
        Ok(self.bus.log().find_commands(&keys, &caller.actor.to_string()).await?)
    }
}

/// Decides one line, unless it was done before. It writes one event or none, so there is never anything to
/// take back.
fn give(
    world: &mut World<'_>,
    line: usize,
    (grant, receipt_code): (&GrantLine, ReceiptCode),
    policy: ApprovalPolicy,
    at: DateTime<Utc>,
) -> Result<Option<Executed>, Decline<GrantRefusal>> {
    if world.is_done(line) {
        return Ok(None);
    }
    world.begin_line(line);
    let gold = grant.gold;
    policy.insist_on_one(gold).map_err(|needed| Decline::Refused(needed.into()))?;
    let mut given = None;
    let decide = |account: &Account, _| {
        let events = account.decide(&AccountCommand::GrantGold { at, receipt_code, gold })?;
        given = events.first().and_then(executed);
        Ok(events)
    };
    world.write(grant.player, decide).map_err(Decline::<AccountRefusal>::widen)?;
    Ok(given)
}

fn outcomes(
    asked: &[AskedLine],
    committed: &CommittedLines,
    decided: Vec<Option<Result<Executed, GrantRefusal>>>,
    known: &HashMap<String, KeyedCommand>,
) -> Vec<LineOutcome> {
    let outcome = |decided| match decided {
        Some(Ok(executed)) => LineOutcome::Granted(executed),
        Some(Err(refusal)) => LineOutcome::Refused(refusal),
        None => LineOutcome::KeyReused,
    };
    let mut outcomes: Vec<_> = decided.into_iter().map(outcome).collect();
    // If all lines were done before, nothing had to be decided.
    outcomes.resize(asked.len(), LineOutcome::KeyReused);
    for line in &committed.done_before {
        outcomes[*line] = match known.get(asked[*line].0.as_str()) {
            Some(known) => repeated(&asked[*line], known),
            None => as_the_first(asked, *line, &outcomes),
        };
    }
    outcomes
}

/// A line whose key is in the log.
fn repeated((_, fingerprint): &AskedLine, known: &KeyedCommand) -> LineOutcome {
    let first = known.events.first().filter(|_| known.fingerprint == *fingerprint);
    let executed = first.and_then(|first| first.event.decode().ok()).as_ref().and_then(executed);
    executed.map_or(LineOutcome::KeyReused, LineOutcome::Duplicate)
}

/// A line whose key an earlier one has, to which nothing was given.
fn as_the_first(asked: &[AskedLine], line: usize, outcomes: &[LineOutcome]) -> LineOutcome {
    let first = asked.iter().position(|first| first.0 == asked[line].0).unwrap_or(line);
    match asked[first].1 == asked[line].1 {
        true => outcomes[first].clone(),
        false => LineOutcome::KeyReused,
    }
}
