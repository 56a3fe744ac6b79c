//! Work on very many accounts that the staff asks for once: gold for each of a list of players, paid by
//! and by, and taken back by and by if it was a mistake.
//!
//! The stream holds all of it: who shall have how much, how far the work is, what became of each line.
//! How far it is and what is paid are written in one append, so that each line is paid once, and nothing
//! is paid behind a stop. Why somebody asked or said no stands beside the log.
//!
//! Stored names of what happened stand in [`event`], and are forever.

mod command;
mod event;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use command::{JobCommand, JobRefusal};
pub use event::{JobEvent, JobKind, JobLine, LineOutcome, LineRefusal, ResolvedSegment, Segment};

use crate::aggregate::Aggregate;
use crate::id::{JobId, PlayerId, ReceiptCode};
use crate::money::{Gold, MAX_GOLD};

/// Lines of one job, at most.
pub const MOST_LINES: usize = 50_000;
/// Lines in one event, at most.
pub const LINES_PER_EVENT: usize = 1_000;

/// A job as it was asked for, but for its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who asks.
    pub maker: PlayerId,
    /// What for.
    pub kind: JobKind,
    /// Where the lines come from, if they are those of a segment.
    pub resolved: Option<ResolvedSegment>,
    /// The first moment at which nobody can agree any more, if somebody has to.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Where a job stands. That the time to agree to it is over takes nobody, and shows by the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Somebody else has to agree first.
    #[default]
    AwaitingApproval,
    /// Somebody said no.
    Rejected,
    /// Lines are being paid.
    Running,
    /// Nothing is paid until somebody says so.
    Stopped,
    /// Every line has been paid or refused.
    Finished,
    /// What was paid is being taken back.
    Undoing,
    /// What was left of it has been taken back.
    Undone,
}

impl JobStatus {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Rejected => "rejected",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// What is to be done next. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Pay these.
    Pay {
        /// The number of the first one.
        first: u32,
        /// They.
        lines: Vec<JobLine>,
    },
    /// Take back what is left of these; of those without a receipt nothing was paid.
    TakeBack {
        /// The number of the first one.
        first: u32,
        /// They, and under which receipts they were paid.
        lines: Vec<(JobLine, Option<ReceiptCode>)>,
    },
}

/// Lines and gold, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many lines.
    pub lines: u32,
    /// How much gold.
    pub gold: u64,
}

impl Sum {
    fn add(&mut self, gold: u64) {
        self.lines = self.lines.saturating_add(1);
        self.gold = self.gold.saturating_add(gold);
    }
}

/// A job as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    order: Option<Order>,
    status: JobStatus,
    was_approved: bool,
    lines: Vec<JobLine>,
    /// Of each line that was looked at, in order: under which receipt it was paid, if it was.
    receipts: Vec<Option<ReceiptCode>>,
    paid: Sum,
    /// So many lines were looked at again, to be taken back.
    undone_lines: usize,
    /// Of how many lines something was taken back, and how much.
    taken_back: Sum,
}

type Decision = Result<Vec<JobEvent>, JobRefusal>;

impl Job {
    /// What was asked for, if anything was.
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// Its lines, in order.
    #[must_use]
    pub fn lines(&self) -> &[JobLine] {
        &self.lines
    }

    /// Of each line that was looked at, in order: under which receipt it was paid, if it was.
    #[must_use]
    pub fn receipts(&self) -> &[Option<ReceiptCode>] {
        &self.receipts
    }

    /// How many lines were paid, and how much that was.
    #[must_use]
    pub fn paid(&self) -> Sum {
        self.paid
    }

    /// How many lines were looked at again, to be taken back.
    #[must_use]
    pub fn undone_lines(&self) -> usize {
        self.undone_lines
    }

    /// Of how many lines something was taken back, and how much that was.
    #[must_use]
    pub fn taken_back(&self) -> Sum {
        self.taken_back
    }

    /// The next lines to be worked on, so many at most; none if nothing is to be done now.
    #[must_use]
    pub fn due(&self, most: usize) -> Option<Due> {
        match self.status {
            JobStatus::Running => {
                let at = self.receipts.len();
                let lines: Vec<_> = self.lines.iter().skip(at).take(most).copied().collect();
                (!lines.is_empty()).then_some(Due::Pay { first: number(at), lines })
            }
            JobStatus::Undoing => {
                let at = self.undone_lines;
                let paid = self.lines.iter().copied().zip(self.receipts.iter().copied());
                let lines: Vec<_> = paid.skip(at).take(most).collect();
                (!lines.is_empty()).then_some(Due::TakeBack { first: number(at), lines })
            }
            JobStatus::AwaitingApproval
            | JobStatus::Rejected
            | JobStatus::Stopped
            | JobStatus::Finished
            | JobStatus::Undone => None,
        }
    }

    /// Whether the line with this number is the next one to be paid.
    #[must_use]
    pub fn pays_next(&self, first: u32) -> bool {
        self.status == JobStatus::Running && number(self.receipts.len()) == first
    }

    /// Whether the line with this number is the next one to be taken back.
    #[must_use]
    pub fn takes_back_next(&self, first: u32) -> bool {
        self.status == JobStatus::Undoing && number(self.undone_lines) == first
    }

    fn request(&self, at: DateTime<Utc>, order: Order, lines: &[JobLine]) -> Decision {
        if self.order.is_some() {
            return Err(JobRefusal::IdInUse);
        }
        let gold = total(lines)?;
        let Order { maker, kind, resolved, expires_at } = order;
        let count = count(lines.len());
        let asked =
            JobEvent::JobRequested { at, maker, kind, lines: count, gold, resolved, expires_at };
        let listed = lines.chunks(LINES_PER_EVENT).enumerate().map(|(chunk, lines)| {
            let first = number(chunk * LINES_PER_EVENT);
            JobEvent::JobLinesListed { first, lines: lines.to_vec() }
        });
        Ok(std::iter::once(asked).chain(listed).collect())
    }

    fn ordered(&self) -> Result<&Order, JobRefusal> {
        self.order.as_ref().ok_or(JobRefusal::NotFound)
    }

    fn elsewhere(&self) -> JobRefusal {
        JobRefusal::Elsewhere { status: self.status }
    }

    /// Whether somebody can still agree, or say no.
    fn is_open(&self, at: DateTime<Utc>) -> Result<(), JobRefusal> {
        let order = self.ordered()?;
        if self.status != JobStatus::AwaitingApproval {
            return Err(self.elsewhere());
        }
        match order.expires_at {
            Some(expires_at) if at >= expires_at => Err(JobRefusal::Expired { expires_at }),
            Some(_) | None => Ok(()),
        }
    }

    fn approve(&self, at: DateTime<Utc>, checker: PlayerId) -> Decision {
        if self.ordered()?.maker == checker {
            return Err(JobRefusal::MakerIsChecker);
        }
        if self.lines.iter().any(|line| line.player == checker) {
            return Err(JobRefusal::PlayerIsChecker);
        }
        match self.is_open(at) {
            Ok(()) => Ok(vec![JobEvent::JobApproved { at, checker }]),
            Err(JobRefusal::Elsewhere { .. }) if self.was_approved => Ok(vec![]),
            Err(refusal) => Err(refusal),
        }
    }

    fn reject(&self, at: DateTime<Utc>, checker: PlayerId) -> Decision {
        match self.is_open(at) {
            Ok(()) => Ok(vec![JobEvent::JobRejected { at, checker }]),
            Err(JobRefusal::Elsewhere { status: JobStatus::Rejected }) => Ok(vec![]),
            Err(refusal) => Err(refusal),
        }
    }

    fn stop(&self, at: DateTime<Utc>) -> Decision {
        self.ordered()?;
        match self.status {
            JobStatus::Running => Ok(vec![JobEvent::JobStopped { at }]),
            JobStatus::Stopped => Ok(vec![]),
            _ => Err(self.elsewhere()),
        }
    }

    fn resume(&self, at: DateTime<Utc>) -> Decision {
        self.ordered()?;
        match self.status {
            JobStatus::Stopped => Ok(vec![JobEvent::JobResumed { at }]),
            JobStatus::Running => Ok(vec![]),
            _ => Err(self.elsewhere()),
        }
    }

    /// Work that is under way is stopped first.
    fn undo(&self, at: DateTime<Utc>) -> Decision {
        self.ordered()?;
        let mut events = match self.status {
            JobStatus::Running => vec![JobEvent::JobStopped { at }],
            JobStatus::Stopped | JobStatus::Finished => vec![],
            JobStatus::Undoing | JobStatus::Undone => return Ok(vec![]),
            JobStatus::AwaitingApproval | JobStatus::Rejected => return Err(self.elsewhere()),
        };
        events.push(JobEvent::JobUndoRequested { at });
        if self.receipts.is_empty() {
            let (taken_back, left) = (Gold::ZERO, Gold::ZERO);
            events.push(JobEvent::JobUndone { at, lines: 0, taken_back, left });
        }
        Ok(events)
    }

    fn pay(&self, at: DateTime<Utc>, first: u32, outcomes: &[LineOutcome]) -> Decision {
        if !self.pays_next(first) {
            return Err(JobRefusal::MovedOn);
        }
        let lines = self.lines.iter().skip(self.receipts.len());
        let paid = lines.zip(outcomes).filter(|(_, outcome)| outcome.receipt().is_some());
        let gold = paid.fold(0, |sum: u64, (line, _)| sum.saturating_add(line.gold.amount()));
        let gold = Gold::new(gold).unwrap_or_default();
        Ok(vec![JobEvent::JobLinesPaid { at, first, outcomes: outcomes.to_vec(), gold }])
    }

    fn take_back(&self, at: DateTime<Utc>, first: u32, taken_back: &[Option<Gold>]) -> Decision {
        if !self.takes_back_next(first) {
            return Err(JobRefusal::MovedOn);
        }
        let lines = self.lines.iter().skip(self.undone_lines);
        let left =
            lines.zip(taken_back).filter_map(|(line, taken)| Some(line.gold.minus((*taken)?)));
        let left = left.fold(0, |sum: u64, left| sum.saturating_add(left.amount()));
        let (taken_back, left) = (taken_back.to_vec(), Gold::new(left).unwrap_or_default());
        Ok(vec![JobEvent::JobLinesUndone { at, first, taken_back, left }])
    }

    /// Says that it is done, once it is.
    fn finish(&self, at: DateTime<Utc>) -> Vec<JobEvent> {
        let (looked_at, all) = (self.receipts.len(), self.lines.len());
        let gold = |amount| Gold::new(amount).unwrap_or_default();
        match self.status {
            JobStatus::Running if looked_at == all => {
                let (paid, refused) = (self.paid.lines, count(all) - self.paid.lines);
                vec![JobEvent::JobFinished { at, paid, refused, gold: gold(self.paid.gold) }]
            }
            JobStatus::Undoing if self.undone_lines == looked_at => {
                let (lines, taken_back) = (self.taken_back.lines, gold(self.taken_back.gold));
                let left = gold(self.paid.gold).minus(taken_back);
                vec![JobEvent::JobUndone { at, lines, taken_back, left }]
            }
            _ => vec![],
        }
    }
}

/// All gold of these lines, if they can be those of a job.
fn total(lines: &[JobLine]) -> Result<Gold, JobRefusal> {
    if lines.is_empty() {
        return Err(JobRefusal::NoLines);
    }
    if lines.len() > MOST_LINES {
        return Err(JobRefusal::TooManyLines);
    }
    let mut gold: u64 = 0;
    let mut seen = std::collections::HashMap::with_capacity(lines.len());
    for (index, JobLine { player, gold: of_line }) in lines.iter().enumerate() {
        let line = number(index);
        if *of_line == Gold::ZERO {
            return Err(JobRefusal::NothingToGive { line });
        }
        if let Some(before) = seen.insert(*player, line) {
            return Err(JobRefusal::PlayerTwice { player: *player, line, before });
        }
        gold = gold.saturating_add(of_line.amount());
    }
    Gold::new(gold).ok_or(JobRefusal::TotalTooLarge { most: MAX_GOLD })
}

/// There are never more than [`MOST_LINES`].
fn count(lines: usize) -> u32 {
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// The number of the line at an index.
fn number(index: usize) -> u32 {
    count(index).saturating_add(1)
}

impl Aggregate for Job {
    const TYPE: &'static str = "job";
    type Id = JobId;
    type Command = JobCommand;
    type Event = JobEvent;
    type Refusal = JobRefusal;

    fn decide(&self, command: &JobCommand) -> Decision {
        match command {
            JobCommand::Request { at, order, lines } => self.request(*at, *order, lines),
            JobCommand::Approve { at, checker } => self.approve(*at, *checker),
            JobCommand::Reject { at, checker } => self.reject(*at, *checker),
            JobCommand::Stop { at } => self.stop(*at),
            JobCommand::Resume { at } => self.resume(*at),
            JobCommand::Undo { at } => self.undo(*at),
            JobCommand::Pay { at, first, outcomes } => self.pay(*at, *first, outcomes),
            JobCommand::TakeBack { at, first, taken_back } => {
                self.take_back(*at, *first, taken_back)
            }
            JobCommand::Finish { at } => Ok(self.finish(*at)),
        }
    }

    fn evolve(&mut self, event: &JobEvent) {
        match event {
            JobEvent::JobRequested { maker, kind, resolved, expires_at, .. } => {
                let (resolved, expires_at) = (*resolved, *expires_at);
                self.order = Some(Order { maker: *maker, kind: *kind, resolved, expires_at });
                if expires_at.is_none() {
                    self.status = JobStatus::Running;
                }
            }
            JobEvent::JobLinesListed { lines, .. } => self.lines.extend(lines),
            JobEvent::JobApproved { .. } => {
                (self.status, self.was_approved) = (JobStatus::Running, true);
            }
            JobEvent::JobRejected { .. } => self.status = JobStatus::Rejected,
            JobEvent::JobStopped { .. } => self.status = JobStatus::Stopped,
            JobEvent::JobResumed { .. } => self.status = JobStatus::Running,
            JobEvent::JobLinesPaid { outcomes, .. } => {
                for outcome in outcomes {
                    let line = self.lines.get(self.receipts.len());
                    if let (Some(_), Some(line)) = (outcome.receipt(), line) {
                        self.paid.add(line.gold.amount());
                    }
                    self.receipts.push(outcome.receipt());
                }
            }
            JobEvent::JobFinished { .. } => self.status = JobStatus::Finished,
            JobEvent::JobUndoRequested { .. } => self.status = JobStatus::Undoing,
            JobEvent::JobLinesUndone { taken_back, .. } => {
                for taken in taken_back.iter().flatten().filter(|taken| **taken > Gold::ZERO) {
                    self.taken_back.add(taken.amount());
                }
                self.undone_lines += taken_back.len();
            }
            JobEvent::JobUndone { .. } => self.status = JobStatus::Undone,
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
            + self.lines.len() * size_of::<JobLine>()
            + self.receipts.len() * size_of::<Option<ReceiptCode>>()
    }
}

#[cfg(test)]
mod tests;
