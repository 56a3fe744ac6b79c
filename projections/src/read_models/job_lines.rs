//! Each line of each job: who shall have how much, and what became of it.

use std::collections::BTreeMap;

use domain::event::ClubEvent;
use domain::id::{JobId, PlayerId, ReceiptCode};
use domain::job::{JobEvent, JobLine, LineOutcome, LineRefusal};
use domain::money::Gold;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{
    At, Entry, ReadError, ReadModel, bring_new, named, number, optional_number, read_at, table,
};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "job_lines";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position     bigint not null,
    job_id       text   not null,
    line         bigint not null,
    player_id    bigint not null,
    gold         bigint not null,
    receipt_code text,
    refusal      text,
    taken_back   bigint
) with (fillfactor = 50)";

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineStatus {
    /// Nothing yet.
    Pending,
    /// It was paid.
    Paid,
    /// It was not paid.
    Refused,
    /// It was paid, and what was left of it was taken back.
    Undone,
}

impl LineStatus {
    /// As clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Refused => "refused",
            Self::Undone => "undone",
        }
    }
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JobLineRow {
    /// Its number, from 1: the cursor of pages.
    pub line: u64,
    /// Who shall have the gold.
    pub user_id: PlayerId,
    /// How much.
    pub gold: u64,
    /// What became of it.
    pub status: LineStatus,
    /// The receipt of the grant, if it was paid.
    pub receipt_code: Option<ReceiptCode>,
    /// Why it was not paid.
    pub refusal: Option<LineRefusal>,
    /// How much was taken back, if it was looked at for that.
    pub taken_back: Option<u64>,
    /// How much of it was not there any more then.
    pub rest: Option<u64>,
}

/// Which lines of a job.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only those of which this became.
    pub status: Option<LineStatus>,
    /// Only those of which not all could be taken back.
    pub with_rest: bool,
}

/// Lines of a job by number, behind the line `after`, `limit` at most.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    job: JobId,
    wanted: Wanted,
    after: u64,
    limit: u32,
) -> Result<At<Vec<JobLineRow>>, ReadError> {
    let rows = "select *, gold - taken_back as rest from (
                  select *, case when taken_back is not null then 'undone'
                                 when receipt_code is not null then 'paid'
                                 when refusal is not null then 'refused'
                                 else 'pending' end as status
                    from read.job_lines where job_id = $1 and line > $2) shown
                 where ($3::text is null or status = $3) and (not $4 or gold > taken_back)
                 order by line limit $5";
    let after = bound_to_sql(Some(after));
    let status = wanted.status.map(LineStatus::name);
    read_at(
        pool,
        rows,
        |query| {
            let query = query.persistent(false).bind(job.to_string()).bind(after).bind(status);
            query.bind(wanted.with_rest).bind(i64::from(limit))
        },
        line,
    )
    .await
}

fn line(row: &PgRow) -> Result<JobLineRow, ReadError> {
    let has = |column: &str| Ok::<_, ReadError>(row.try_get::<Option<&str>, _>(column)?.is_some());
    Ok(JobLineRow {
        line: number(row, "line")?,
        user_id: PlayerId(row.try_get("player_id")?),
        gold: number(row, "gold")?,
        status: named(row, "status")?,
        receipt_code: if has("receipt_code")? { Some(named(row, "receipt_code")?) } else { None },
        refusal: if has("refusal")? { Some(named(row, "refusal")?) } else { None },
        taken_back: optional_number(row, "taken_back")?,
        rest: optional_number(row, "rest")?,
    })
}

/// Lines that events have listed or settled.
#[derive(Debug, Default)]
pub(crate) struct JobLines(BTreeMap<(JobId, u32), Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    listed: Option<JobLine>,
    outcome: Option<LineOutcome>,
    taken_back: Option<Gold>,
}

impl Change {
    fn receipt(&self) -> Option<String> {
        Some(self.outcome?.receipt()?.to_string())
    }

    fn refusal(&self) -> Option<&'static str> {
        match self.outcome? {
            LineOutcome::Paid(_) => None,
            LineOutcome::Refused(refusal) => Some(refusal.name()),
        }
    }

    fn taken_back(&self) -> Option<i64> {
        self.taken_back.map(|taken| amount(taken.amount()))
    }

    fn copy_out(&self, (job, line): (JobId, u32), rows: &mut CopyRows) {
        // What became of a line that is not listed is no row: `verify` says it.
        let Some(JobLine { player, gold }) = self.listed else { return };
        rows.row(8)
            .int(self.position)
            .text(&job.to_string())
            .int(i64::from(line))
            .int(player.0)
            .int(amount(gold.amount()))
            .optional_text(self.receipt().as_deref())
            .optional_text(self.refusal())
            .optional_int(self.taken_back());
    }
}

impl JobLines {
    fn change(&mut self, position: i64, line: (JobId, u32)) -> &mut Change {
        let change = self.0.entry(line).or_default();
        change.position = position;
        change
    }
}

/// Brings what became of lines into rows that are there.
async fn update(
    changes: BTreeMap<(JobId, u32), Change>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    if changes.is_empty() {
        return Ok(());
    }
    let (mut positions, mut jobs, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let (mut receipts, mut refusals, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for ((job, line), change) in changes {
        positions.push(change.position);
        jobs.push(job.to_string());
        lines.push(i64::from(line));
        receipts.push(change.receipt());
        refusals.push(change.refusal());
        taken.push(change.taken_back());
    }
    let sql = format!(
        "update {table} line
            set position = it.position,
                receipt_code = coalesce(it.receipt, line.receipt_code),
                refusal = coalesce(it.refusal, line.refusal),
                taken_back = coalesce(it.taken, line.taken_back)
           from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
             as it (position, job, number, receipt, refusal, taken)
          where line.job_id = it.job and line.line = it.number"
    );
    let query = sqlx::query(&sql).bind(positions).bind(jobs).bind(lines);
    query.bind(receipts).bind(refusals).bind(taken).execute(connection).await?;
    Ok(())
}

impl ReadModel for JobLines {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        vec![format!("alter table {table} add primary key (job_id, line)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Job(job, event) = &entry.event else { return };
        let position = entry.position;
        match event {
            JobEvent::JobLinesListed { first, lines } => {
                for (number, line) in (*first..).zip(lines) {
                    self.change(position, (*job, number)).listed = Some(*line);
                }
            }
            JobEvent::JobLinesPaid { first, outcomes, .. } => {
                for (number, outcome) in (*first..).zip(outcomes) {
                    self.change(position, (*job, number)).outcome = Some(*outcome);
                }
            }
            JobEvent::JobLinesUndone { first, taken_back, .. } => {
                for (number, taken) in (*first..).zip(taken_back) {
                    if let Some(taken) = taken {
                        self.change(position, (*job, number)).taken_back = Some(*taken);
                    }
                }
            }
            JobEvent::JobRequested { .. }
            | JobEvent::JobApproved { .. }
            | JobEvent::JobRejected { .. }
            | JobEvent::JobStopped { .. }
            | JobEvent::JobResumed { .. }
            | JobEvent::JobFinished { .. }
            | JobEvent::JobUndoRequested { .. }
            | JobEvent::JobUndone { .. } => {}
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.listed.is_some();
            let new = (is_new, Change::copy_out);
            let settled = bring_new(&mut self.0, new, connection, &table).await?;
            update(settled, connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(line, change)| change.copy_out(*line, rows));
    }
}
