//! What may be asked of a job, and why it refuses.

use chrono::{DateTime, Utc};

use super::{JobLine, JobStatus, LineOutcome, MOST_LINES, Order};
use crate::id::PlayerId;
use crate::money::Gold;

/// What may be asked of a job.
#[derive(Debug, Clone)]
pub enum JobCommand {
    /// Make it.
    Request {
        /// When.
        at: DateTime<Utc>,
        /// What is asked for.
        order: Order,
        /// For whom, and how much.
        lines: Vec<JobLine>,
    },
    /// Agree; once more does nothing.
    Approve {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
    /// Say no; once more does nothing.
    Reject {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
    /// Pay nothing more for now; once more does nothing.
    Stop {
        /// When.
        at: DateTime<Utc>,
    },
    /// Go on; once more does nothing.
    Resume {
        /// When.
        at: DateTime<Utc>,
    },
    /// Take back what is left of what was paid; once more does nothing.
    Undo {
        /// When.
        at: DateTime<Utc>,
    },
    /// Write what becomes of the next lines, beside the gold itself.
    Pay {
        /// When.
        at: DateTime<Utc>,
        /// The number of the first one.
        first: u32,
        /// What becomes of each.
        outcomes: Vec<LineOutcome>,
    },
    /// Write how much of the next lines is taken back, beside the taking itself.
    TakeBack {
        /// When.
        at: DateTime<Utc>,
        /// The number of the first one.
        first: u32,
        /// How much of each that was paid.
        taken_back: Vec<Option<Gold>>,
    },
    /// Say that it is done, if it is.
    Finish {
        /// When.
        at: DateTime<Utc>,
    },
}

/// Why a job refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    /// Nobody has asked for it.
    #[error("there is no such job")]
    NotFound,
    /// Codes are unique by construction: a defect.
    #[error("there is a job under this id already")]
    IdInUse,
    /// For nobody.
    #[error("the job is for nobody")]
    NoLines,
    /// For too many.
    #[error("a job has at most {MOST_LINES} lines")]
    TooManyLines,
    /// For somebody twice.
    #[error("line {line}: user {player} is on line {before} already")]
    PlayerTwice {
        /// Who.
        player: PlayerId,
        /// The second line.
        line: u32,
        /// The first one.
        before: u32,
    },
    /// Nothing for somebody.
    #[error("line {line}: the amount must be at least 1")]
    NothingToGive {
        /// Which line.
        line: u32,
    },
    /// More than there can be.
    #[error("all lines together are more than {most} gold")]
    TotalTooLarge {
        /// How much they may be.
        most: u64,
    },
    /// Four eyes are those of two people.
    #[error("whoever asks for a job cannot approve it: somebody else has to")]
    MakerIsChecker,
    /// Nobody agrees to gold of their own.
    #[error("whoever shall have gold of a job cannot approve it: somebody else has to")]
    PlayerIsChecker,
    /// The time to agree is over.
    #[error("nobody approved the job in time: ask for it anew")]
    Expired {
        /// Since when.
        expires_at: DateTime<Utc>,
    },
    /// It is not where it would have to be for that.
    #[error("that cannot be done with a job that is {}", .status.name().replace('_', " "))]
    Elsewhere {
        /// Where it is.
        status: JobStatus,
    },
    /// Somebody else has done these lines, or has stopped them.
    #[error("the job has moved on")]
    MovedOn,
}
