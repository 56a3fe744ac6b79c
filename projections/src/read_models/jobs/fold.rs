//! What events make of jobs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::{JobId, PlayerId};
use domain::job::{JobEvent, JobKind, JobStatus, LineOutcome, ResolvedSegment};
use domain::money::Gold;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::super::balances::amount;
use super::super::{Entry, ReadModel, bring_new, table, to_json};
use super::{COLUMNS, NAME, VERSION};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// Jobs that events have made or moved.
#[derive(Debug, Default)]
pub(crate) struct Jobs(BTreeMap<JobId, Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    requested: Option<Requested>,
    status: Option<JobStatus>,
    checker: Option<PlayerId>,
    /// Where somebody said no.
    rejected: Option<i64>,
    finished_at: Option<DateTime<Utc>>,
    undone_at: Option<DateTime<Utc>>,
    more: More,
}

#[derive(Debug)]
struct Requested {
    position: i64,
    at: DateTime<Utc>,
    maker: PlayerId,
    kind: JobKind,
    lines: u32,
    gold: Gold,
    resolved: Option<ResolvedSegment>,
    expires_at: Option<DateTime<Utc>>,
}

/// What has come to the counts.
#[derive(Debug, Default)]
struct More {
    paid: i64,
    refused: i64,
    paid_gold: i64,
    taken_back: i64,
    left_gold: i64,
    undone: i64,
}

impl More {
    fn paid(&mut self, outcomes: &[LineOutcome], gold: Gold) {
        let paid = outcomes.iter().filter(|outcome| outcome.receipt().is_some()).count();
        self.paid += counted(paid);
        self.refused += counted(outcomes.len() - paid);
        self.paid_gold += amount(gold.amount());
    }

    fn undone(&mut self, taken_back: &[Option<Gold>], left: Gold) {
        let taken = taken_back.iter().flatten();
        self.undone += counted(taken.clone().count());
        self.taken_back += taken.map(|taken| amount(taken.amount())).sum::<i64>();
        self.left_gold += amount(left.amount());
    }
}

/// An event has a thousand lines at most.
fn counted(lines: usize) -> i64 {
    i64::try_from(lines).unwrap_or(i64::MAX)
}

impl Change {
    fn take(&mut self, position: i64, event: &JobEvent) {
        self.position = position;
        match event {
            JobEvent::JobRequested { at, maker, kind, lines, gold, resolved, expires_at } => {
                self.requested = Some(Requested {
                    position,
                    at: *at,
                    maker: *maker,
                    kind: *kind,
                    lines: *lines,
                    gold: *gold,
                    resolved: *resolved,
                    expires_at: *expires_at,
                });
                self.status = Some(match expires_at {
                    Some(_) => JobStatus::AwaitingApproval,
                    None => JobStatus::Running,
                });
            }
            JobEvent::JobLinesListed { .. } => {}
            JobEvent::JobApproved { checker, .. } => {
                (self.status, self.checker) = (Some(JobStatus::Running), Some(*checker));
            }
            JobEvent::JobRejected { checker, .. } => {
                (self.status, self.checker) = (Some(JobStatus::Rejected), Some(*checker));
                self.rejected = Some(position);
            }
            JobEvent::JobStopped { .. } => self.status = Some(JobStatus::Stopped),
            JobEvent::JobResumed { .. } => self.status = Some(JobStatus::Running),
            JobEvent::JobLinesPaid { outcomes, gold, .. } => self.more.paid(outcomes, *gold),
            JobEvent::JobFinished { at, .. } => {
                (self.status, self.finished_at) = (Some(JobStatus::Finished), Some(*at));
            }
            JobEvent::JobUndoRequested { .. } => self.status = Some(JobStatus::Undoing),
            JobEvent::JobLinesUndone { taken_back, left, .. } => {
                self.more.undone(taken_back, *left);
            }
            JobEvent::JobUndone { at, .. } => {
                (self.status, self.undone_at) = (Some(JobStatus::Undone), Some(*at));
            }
        }
    }

    fn copy_out(&self, id: JobId, rows: &mut CopyRows) {
        // What happened to a job that nobody asked for is no row: `verify` says it.
        let Some(requested) = &self.requested else { return };
        let resolved = requested.resolved;
        let segment = resolved.map(|resolved| to_json(&resolved.segment));
        rows.row(22)
            .int(self.position)
            .int(requested.position)
            .text(&id.to_string())
            .text(requested.kind.name())
            .int(requested.maker.0)
            .int(i64::from(requested.lines))
            .int(amount(requested.gold.amount()))
            .optional_text(segment.as_deref())
            .optional_int(resolved.map(|resolved| amount(resolved.position)))
            .time(requested.at)
            .optional_time(requested.expires_at)
            .text(self.status.unwrap_or_default().name())
            .optional_int(self.checker.map(|checker| checker.0))
            .optional_int(self.rejected)
            .int(self.more.paid)
            .int(self.more.refused)
            .int(self.more.paid_gold)
            .int(self.more.undone)
            .int(self.more.taken_back)
            .int(self.more.left_gold)
            .optional_time(self.finished_at)
            .optional_time(self.undone_at);
    }

    /// Brings what has changed into a row that is there.
    async fn bring(
        &self,
        id: JobId,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<(), FollowerError> {
        let sql = format!(
            "update {table} set position = $2, status = coalesce($3, status),
                    checker_id = coalesce($4, checker_id),
                    rejected_position = coalesce($5, rejected_position),
                    finished_at = coalesce($6, finished_at), undone_at = coalesce($7, undone_at),
                    paid_lines = paid_lines + $8, refused_lines = refused_lines + $9,
                    paid_gold = paid_gold + $10, undone_lines = undone_lines + $11,
                    taken_back = taken_back + $12, left_gold = left_gold + $13
              where job_id = $1"
        );
        let query = sqlx::query(&sql)
            .bind(id.to_string())
            .bind(self.position)
            .bind(self.status.map(JobStatus::name))
            .bind(self.checker.map(|checker| checker.0))
            .bind(self.rejected)
            .bind(self.finished_at)
            .bind(self.undone_at);
        let More { paid, refused, paid_gold, taken_back, left_gold, undone } = self.more;
        let counts = [paid, refused, paid_gold, undone, taken_back, left_gold];
        counts.iter().fold(query, |query, count| query.bind(*count)).execute(connection).await?;
        Ok(())
    }
}

impl ReadModel for Jobs {
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
        vec![
            format!("alter table {table} add primary key (job_id)"),
            format!("create index on {table} (requested_position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Job(id, event) = &entry.event else { return };
        self.0.entry(*id).or_default().take(entry.position, event);
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.requested.is_some();
            let new = (is_new, Change::copy_out);
            let moved = bring_new(&mut self.0, new, connection, &table).await?;
            for (id, change) in moved {
                change.bring(id, connection, &table).await?;
            }
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(id, change)| change.copy_out(*id, rows));
    }
}
