//! Work on very many accounts that the staff has asked for, and how far each is. That the time to agree
//! to one is over is nobody's event: it shows by the moment at which it is looked at. The lines have a
//! table of their own ([`super::job_lines`]).

mod fold;

use chrono::{DateTime, Utc};
use domain::id::{JobId, PlayerId};
use domain::job::{JobKind, Segment};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{At, ReadError, named, number, optional_json, optional_number, read_at};
use crate::position::bound_to_sql;

pub(crate) use fold::Jobs;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "jobs";
/// Raise it with any change of what these files make of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position           bigint not null,
    requested_position bigint not null,
    job_id             text   not null,
    kind               text   not null,
    maker_id           bigint not null,
    lines              bigint not null,
    gold               bigint not null,
    segment            text,
    resolved_position  bigint,
    requested_at       timestamptz not null,
    expires_at         timestamptz,
    status             text   not null,
    checker_id         bigint,
    rejected_position  bigint,
    paid_lines         bigint not null,
    refused_lines      bigint not null,
    paid_gold          bigint not null,
    undone_lines       bigint not null,
    taken_back         bigint not null,
    left_gold          bigint not null,
    finished_at        timestamptz,
    undone_at          timestamptz
) with (fillfactor = 50)";

/// A job with the reasons for it and against it, which stand beside the log. `$1` is now.
const SHOWN: &str = "select job.*, asked.text as reason, said.text as rejection,
        case when status = 'awaiting_approval' and expires_at <= $1 then 'expired' else status end
          as shown_status
   from read.jobs job
   left join event_texts asked on asked.position = job.requested_position
   left join event_texts said on said.position = job.rejected_position";

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownStatus {
    /// Somebody else has to agree first.
    AwaitingApproval,
    /// Nobody agreed in time.
    Expired,
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

impl ShownStatus {
    /// As clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRow {
    /// Its id.
    pub job_id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub status: ShownStatus,
    /// Who asked.
    pub maker: PlayerId,
    /// Who agreed, or said no.
    pub checker: Option<PlayerId>,
    /// How many lines it has.
    pub lines: u64,
    /// All their gold.
    pub gold: u64,
    /// The segment that its players were found by, if they were.
    pub segment: Option<Segment>,
    /// Where in the log they were found.
    pub resolved_position: Option<u64>,
    /// How many lines were paid.
    pub paid_lines: u64,
    /// How many were refused.
    pub refused_lines: u64,
    /// How much was paid.
    pub paid_gold: u64,
    /// How many lines that were paid were looked at again, to be taken back.
    pub undone_lines: u64,
    /// How much was taken back.
    pub taken_back: u64,
    /// How much of those was not there any more.
    pub left_gold: u64,
    /// Why, unless it was erased.
    pub reason: Option<String>,
    /// Why not, if somebody said no, unless it was erased.
    pub rejection: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// The first moment at which nobody can agree any more, if somebody has to.
    pub expires_at: Option<DateTime<Utc>>,
    /// When every line had been paid or refused.
    pub finished_at: Option<DateTime<Utc>>,
    /// When what was left of every line had been taken back.
    pub undone_at: Option<DateTime<Utc>>,
    /// The event that asked for it: the cursor of pages.
    pub requested_position: u64,
}

/// Jobs as they stand `now`, newest first: those with this status (all, if `None`), asked for before
/// the position `before` (all, if `None`), `limit` at most. The next page is before the last one's
/// `requested_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    now: DateTime<Utc>,
    status: Option<ShownStatus>,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<JobRow>>, ReadError> {
    let rows = format!(
        "select * from ({SHOWN}) shown
          where requested_position < $2 and ($3::text is null or shown_status = $3)
          order by requested_position desc limit $4"
    );
    let (before, limit) = (bound_to_sql(before), i64::from(limit));
    let status = status.map(ShownStatus::name);
    // What is not asked for falls away when the statement is planned, which is done each time.
    read_at(
        pool,
        &rows,
        |query| query.persistent(false).bind(now).bind(before).bind(status).bind(limit),
        job,
    )
    .await
}

/// The job with this id, as it stands `now`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(
    pool: &PgPool,
    now: DateTime<Utc>,
    id: JobId,
) -> Result<At<Option<JobRow>>, ReadError> {
    let rows = format!("{SHOWN} where job.job_id = $2");
    let At { position, mut rows } =
        read_at(pool, &rows, |query| query.bind(now).bind(id.to_string()), job).await?;
    Ok(At { position, rows: rows.pop() })
}

/// Jobs with which something is to be done, oldest first.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn due(pool: &PgPool) -> Result<At<Vec<JobId>>, ReadError> {
    let rows = "select job_id from read.jobs where status in ('running', 'undoing')
                 order by requested_position";
    read_at(pool, rows, |query| query, |row| named(row, "job_id")).await
}

fn job(row: &PgRow) -> Result<JobRow, ReadError> {
    let checker: Option<i64> = row.try_get("checker_id")?;
    Ok(JobRow {
        job_id: named(row, "job_id")?,
        kind: named(row, "kind")?,
        status: named(row, "shown_status")?,
        maker: PlayerId(row.try_get("maker_id")?),
        checker: checker.map(PlayerId),
        lines: number(row, "lines")?,
        gold: number(row, "gold")?,
        segment: optional_json(row, "segment")?,
        resolved_position: optional_number(row, "resolved_position")?,
        paid_lines: number(row, "paid_lines")?,
        refused_lines: number(row, "refused_lines")?,
        paid_gold: number(row, "paid_gold")?,
        undone_lines: number(row, "undone_lines")?,
        taken_back: number(row, "taken_back")?,
        left_gold: number(row, "left_gold")?,
        reason: row.try_get("reason")?,
        rejection: row.try_get("rejection")?,
        requested_at: row.try_get("requested_at")?,
        expires_at: row.try_get("expires_at")?,
        finished_at: row.try_get("finished_at")?,
        undone_at: row.try_get("undone_at")?,
        requested_position: number(row, "requested_position")?,
    })
}
