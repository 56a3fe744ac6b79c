//! The work of a job, so many lines at once. What becomes of the lines stands in the job's own stream,
//! in the append that moves the gold: so each line is done once, whoever begins anew, and nothing is
//! paid behind a stop. Whoever wanted lines that another node has done meanwhile finds that out in the
//! decision itself.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal};
use domain::aggregate::Aggregate;
use domain::event::Metadata;
use domain::id::{JobId, PlayerId, ReceiptCode};
use domain::job::{Due, Job, JobCommand, JobLine, JobRefusal, LineOutcome, LineRefusal};
use domain::money::Gold;

use super::BulkRefusal;
use crate::Commands;
use crate::bus::{Failure, Request};
use crate::context::Caller;
use crate::world::{Decline, Missing, World};

/// Lines in one append, at most: nobody else's command waits long behind so many.
pub const LINES_AT_ONCE: usize = 500;

/// What has come of an attempt to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worked {
    /// Some lines are done; there may be more.
    Some,
    /// There is nothing to do now, or somebody else does it.
    Nothing,
}

impl Commands {
    /// Does the next lines of a job.
    ///
    /// # Errors
    /// If the log cannot be reached or too much is waiting; trying again is harmless.
    pub async fn work_on_job(
        &self,
        caller: &Caller,
        job: JobId,
    ) -> Result<Worked, Failure<BulkRefusal>> {
        let (due, _) = self.bus.look(job, |job: &Job| job.due(LINES_AT_ONCE)).await?;
        let worked = match due {
            None => return Ok(Worked::Nothing),
            Some(Due::Pay { first, lines }) => self.pay_lines(caller, job, (first, lines)).await,
            Some(Due::TakeBack { first, lines }) => {
                self.take_lines_back(caller, job, (first, lines)).await
            }
        };
        match worked {
            Ok(()) => Ok(Worked::Some),
            Err(Failure::Refused { refusal: BulkRefusal::Job(JobRefusal::MovedOn), .. }) => {
                Ok(Worked::Nothing)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn pay_lines(
        &self,
        caller: &Caller,
        job: JobId,
        (first, lines): (u32, Vec<JobLine>),
    ) -> Result<(), Failure<BulkRefusal>> {
        let (at, receipts) = (self.clock.now(), self.codes.receipts(lines.len()).await?);
        let players: Vec<PlayerId> = lines.iter().map(|line| line.player).collect();
        let request = self.line_request(caller, (job, first), &players).await?;
        let lines: Vec<(JobLine, ReceiptCode)> = lines.into_iter().zip(receipts).collect();
        let decide = move |world: &mut World<'_>| {
            insist(world.read::<Job>(job)?.pays_next(first))?;
            let outcomes: Vec<LineOutcome> = lines
                .iter()
                .map(|line| outcome(world, line, at))
                .collect::<Result<_, Missing>>()?;
            let paid: Vec<bool> = outcomes.iter().map(|it| it.receipt().is_some()).collect();
            let pay = JobCommand::Pay { at, first, outcomes };
            world.decide::<Job>(job, &pay).map_err(Decline::widen)?;
            let numbered = (1..).zip(&lines).zip(paid);
            for ((number, (JobLine { player, gold }, receipt_code)), _) in
                numbered.filter(|(_, is_paid)| *is_paid)
            {
                world.begin_line(number);
                let (receipt_code, gold) = (*receipt_code, *gold);
                let give = AccountCommand::GrantGold { at, receipt_code, gold };
                world.decide::<Account>(*player, &give).map_err(Decline::widen)?;
            }
            finish(world, job, lines.len(), at)
        };
        self.bus.execute(request, decide).await.map(drop)
    }

    async fn take_lines_back(
        &self,
        caller: &Caller,
        job: JobId,
        (first, lines): (u32, Vec<(JobLine, Option<ReceiptCode>)>),
    ) -> Result<(), Failure<BulkRefusal>> {
        let at = self.clock.now();
        let players: Vec<PlayerId> = lines.iter().map(|(line, _)| line.player).collect();
        let request = self.line_request(caller, (job, first), &players).await?;
        let decide = move |world: &mut World<'_>| {
            insist(world.read::<Job>(job)?.takes_back_next(first))?;
            let taken_back: Vec<Option<Gold>> = lines
                .iter()
                .map(|(line, receipt)| receipt.map(|it| left_of(world, line, it, at)).transpose())
                .collect::<Result<_, Missing>>()?;
            let take = JobCommand::TakeBack { at, first, taken_back: taken_back.clone() };
            world.decide::<Job>(job, &take).map_err(Decline::widen)?;
            for ((number, (line, receipt)), taken) in (1..).zip(&lines).zip(taken_back) {
                let (Some(receipt_code), Some(_)) = (*receipt, taken.filter(|it| *it > Gold::ZERO))
                else {
                    continue;
                };
                world.begin_line(number);
                let take = AccountCommand::TakeBackGrant { at, receipt_code, gold: line.gold };
                world.decide::<Account>(line.player, &take).map_err(Decline::widen)?;
            }
            finish(world, job, lines.len(), at)
        };
        self.bus.execute(request, decide).await.map(drop)
    }

    /// A command that says of each line's events whose they are, and which line has caused them. What
    /// is said about the job's own events comes first.
    async fn line_request(
        &self,
        caller: &Caller,
        (job, first): (JobId, u32),
        players: &[PlayerId],
    ) -> Result<Request, Failure<BulkRefusal>> {
        let accounts = players.iter().map(|player| Missing::of::<Account>(*player));
        self.bus.warm(&accounts.collect::<Vec<_>>()).await?;
        let about = |cause: String, player| -> Metadata {
            Caller { cause: Some(cause), ..caller.clone() }.metadata(player)
        };
        let of_job = || about(format!("{}/{job}", Job::TYPE), None);
        let of_lines = (first..)
            .zip(players)
            .map(|(line, player)| about(format!("{}/{job}/{line}", Job::TYPE), Some(*player)));
        let metadata = std::iter::once(of_job()).chain(of_lines);
        let caller = Caller { cause: of_job().cause, ..caller.without_key() };
        Ok(Request::new(&caller, None).with_metadata_of_lines(metadata))
    }
}

fn insist(is_next: bool) -> Result<(), Decline<BulkRefusal>> {
    is_next.then_some(()).ok_or(Decline::Refused(JobRefusal::MovedOn.into()))
}

/// What becomes of a line: nobody is on two of them, so none changes what the next one finds.
fn outcome(
    world: &mut World<'_>,
    (JobLine { player, gold }, receipt): &(JobLine, ReceiptCode),
    at: DateTime<Utc>,
) -> Result<LineOutcome, Missing> {
    let give = AccountCommand::GrantGold { at, receipt_code: *receipt, gold: *gold };
    Ok(match world.read::<Account>(*player)?.decide(&give) {
        Ok(_) => LineOutcome::Paid(*receipt),
        Err(refusal) => LineOutcome::Refused(told(&refusal)),
    })
}

fn told(refusal: &AccountRefusal) -> LineRefusal {
    match refusal {
        AccountRefusal::NoSuchAccount => LineRefusal::UnknownUser,
        AccountRefusal::BalanceTooLarge => LineRefusal::BalanceTooLarge,
        _ => LineRefusal::AccountRefused,
    }
}

/// How much of what was paid can be taken back. An account that refuses that keeps it.
fn left_of(
    world: &mut World<'_>,
    line: &JobLine,
    receipt_code: ReceiptCode,
    at: DateTime<Utc>,
) -> Result<Gold, Missing> {
    let take = AccountCommand::TakeBackGrant { at, receipt_code, gold: line.gold };
    let events = world.read::<Account>(line.player)?.decide(&take).unwrap_or_default();
    let taken = events.iter().find_map(|event| match event {
        AccountEvent::GrantTakenBack { movement, .. } => Gold::new(movement.gold.total()),
        _ => None,
    });
    Ok(taken.unwrap_or_default())
}

/// Says in the same append that all is done, if it is.
fn finish(
    world: &mut World<'_>,
    job: JobId,
    lines: usize,
    at: DateTime<Utc>,
) -> Result<(), Decline<BulkRefusal>> {
    // Behind the lines: what is said about it is what is said about the command.
    world.begin_line(lines + 1);
    world.decide::<Job>(job, &JobCommand::Finish { at }).map_err(Decline::widen)
}
