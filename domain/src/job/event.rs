//! What can have happened to a job.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::Event;
use crate::id::{PlayerId, ReceiptCode};
use crate::money::Gold;
use crate::offer::Rank;

/// What has happened to a job. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobEvent {
    /// Somebody of the staff asked for it. Its lines stand right behind it, in the same append.
    JobRequested {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        maker: PlayerId,
        /// What for.
        kind: JobKind,
        /// How many lines it has.
        lines: u32,
        /// All their gold.
        gold: Gold,
        /// Where the lines come from, if they are those of a segment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolved: Option<ResolvedSegment>,
        /// The first moment at which nobody can agree any more, if somebody has to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Some of its lines.
    JobLinesListed {
        /// The number of the first one.
        first: u32,
        /// They.
        lines: Vec<JobLine>,
    },
    /// Somebody else agreed.
    JobApproved {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
    /// Somebody said no; whoever asked can do so, too.
    JobRejected {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
    /// Nothing is paid from here on, until it is resumed.
    JobStopped {
        /// When.
        at: DateTime<Utc>,
    },
    /// It goes on.
    JobResumed {
        /// When.
        at: DateTime<Utc>,
    },
    /// The next lines were looked at. The events behind this one give the gold of those that are paid.
    JobLinesPaid {
        /// When.
        at: DateTime<Utc>,
        /// The number of the first one.
        first: u32,
        /// What became of each.
        outcomes: Vec<LineOutcome>,
        /// All that was given.
        gold: Gold,
    },
    /// Every line has been paid or refused.
    JobFinished {
        /// When.
        at: DateTime<Utc>,
        /// How many lines were paid.
        paid: u32,
        /// How many were not.
        refused: u32,
        /// All that was given.
        gold: Gold,
    },
    /// What was paid shall be taken back. Nothing is paid from here on.
    JobUndoRequested {
        /// When.
        at: DateTime<Utc>,
    },
    /// What was left of the next lines was taken back. The events behind this one take it.
    JobLinesUndone {
        /// When.
        at: DateTime<Utc>,
        /// The number of the first one.
        first: u32,
        /// How much of each that was paid.
        taken_back: Vec<Option<Gold>>,
        /// What was not there any more, of all of them.
        left: Gold,
    },
    /// What was left of every line has been taken back.
    JobUndone {
        /// When.
        at: DateTime<Utc>,
        /// Of how many lines something was taken back.
        lines: u32,
        /// How much.
        taken_back: Gold,
        /// What was not there any more.
        left: Gold,
    },
}

impl Event for JobEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::JobRequested { .. } => "job_requested",
            Self::JobLinesListed { .. } => "job_lines_listed",
            Self::JobApproved { .. } => "job_approved",
            Self::JobRejected { .. } => "job_rejected",
            Self::JobStopped { .. } => "job_stopped",
            Self::JobResumed { .. } => "job_resumed",
            Self::JobLinesPaid { .. } => "job_lines_paid",
            Self::JobFinished { .. } => "job_finished",
            Self::JobUndoRequested { .. } => "job_undo_requested",
            Self::JobLinesUndone { .. } => "job_lines_undone",
            Self::JobUndone { .. } => "job_undone",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Gives gold to each of its players.
    BulkGrant,
}

impl JobKind {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BulkGrant => "bulk_grant",
        }
    }
}

/// Gold for one player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobLine {
    /// Who shall have it.
    pub player: PlayerId,
    /// How much, of the free kind.
    pub gold: Gold,
}

/// Players by what they are: those for whom all holds that is told. Nobody of the staff is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    /// Of this rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
    /// Of this level, or a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_level: Option<u32>,
    /// Of this level, or a lower one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_level: Option<u32>,
    /// With so many vip points, or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_vip_points: Option<u64>,
}

/// A segment, and where in the log those were in it who have lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResolvedSegment {
    /// Which.
    pub segment: Segment,
    /// Where.
    pub position: u64,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineOutcome {
    /// It was paid under this receipt.
    Paid(ReceiptCode),
    /// It was not paid.
    Refused(LineRefusal),
}

impl LineOutcome {
    /// The receipt, if it was paid.
    #[must_use]
    pub fn receipt(&self) -> Option<ReceiptCode> {
        match self {
            Self::Paid(receipt) => Some(*receipt),
            Self::Refused(_) => None,
        }
    }
}

/// Why a line was not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineRefusal {
    /// There is no such player.
    UnknownUser,
    /// The balance would be larger than any may be.
    BalanceTooLarge,
    /// The account takes no gold for another reason.
    AccountRefused,
}

impl LineRefusal {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownUser => "UNKNOWN_USER",
            Self::BalanceTooLarge => "BALANCE_TOO_LARGE",
            Self::AccountRefused => "ACCOUNT_REFUSED",
        }
    }
}
