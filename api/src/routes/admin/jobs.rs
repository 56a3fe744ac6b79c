//! Gold for very many at once, as a job: what was asked for, and how far it is.

pub mod lines;
pub mod request;
pub mod steering;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use domain::id::JobId;
use domain::job;
use domain::offer::Rank;
use projections::read_models::jobs::{self, JobRow, ShownStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use crate::app::App;
use crate::auth::Staff;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{MinPosition, Segment};

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    /// With one status only: `awaiting_approval`, `expired`, `rejected`, `running`, `stopped`,
    /// `finished`, `undoing` or `undone`.
    #[param(value_type = Option<String>)]
    status: Option<ShownStatus>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// Lines on the page: 50, at most 200.
    limit: Option<u32>,
}

/// Players by what they are; nobody of the staff is one.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    rank: Option<Rank>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_vip_points: Option<u64>,
}

impl From<job::Segment> for SegmentView {
    fn from(segment: job::Segment) -> Self {
        let job::Segment { rank, min_level, max_level, min_vip_points } = segment;
        Self { rank, min_level, max_level, min_vip_points }
    }
}

/// How far a job is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Progress {
    /// Lines that nobody has looked at yet.
    pending: u64,
    paid: u64,
    refused: u64,
    /// How much was paid.
    paid_gold: u64,
    /// Lines that were paid and looked at again, to be taken back.
    undone: u64,
    /// How much was taken back.
    taken_back: u64,
    /// How much of them was not there any more.
    rest: u64,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    id: String,
    /// `bulk_grant`.
    kind: &'static str,
    /// `awaiting_approval`, `expired`, `rejected`, `running`, `stopped`, `finished`, `undoing` or
    /// `undone`.
    status: &'static str,
    /// The user number of who asked.
    maker: i64,
    /// The user number of who agreed, or said no.
    checker: Option<i64>,
    /// How many lines it has.
    lines: u64,
    /// All their gold.
    gold: u64,
    progress: Progress,
    /// The segment whose players it is for, if it was asked for by one.
    segment: Option<SegmentView>,
    /// Where in the log they were in it.
    resolved_position: Option<u64>,
    /// Why, unless it was erased.
    reason: Option<String>,
    /// Why not, if somebody said no, unless it was erased.
    rejection: Option<String>,
    at: String,
    /// From then on nobody can agree any more.
    expires_at: Option<String>,
    finished_at: Option<String>,
    undone_at: Option<String>,
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        let progress = Progress {
            pending: row.lines.saturating_sub(row.paid_lines.saturating_add(row.refused_lines)),
            paid: row.paid_lines,
            refused: row.refused_lines,
            paid_gold: row.paid_gold,
            undone: row.undone_lines,
            taken_back: row.taken_back,
            rest: row.left_gold,
        };
        Self {
            id: row.job_id.to_string(),
            kind: row.kind.name(),
            status: row.status.name(),
            maker: row.maker.0,
            checker: row.checker.map(|checker| checker.0),
            lines: row.lines,
            gold: row.gold,
            progress,
            segment: row.segment.map(SegmentView::from),
            resolved_position: row.resolved_position,
            reason: row.reason,
            rejection: row.rejection,
            at: rfc3339(row.requested_at),
            expires_at: row.expires_at.map(rfc3339),
            finished_at: row.finished_at.map(rfc3339),
            undone_at: row.undone_at.map(rfc3339),
        }
    }
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/api/admin/jobs", tag = "administration",
    security(("token" = ["staff"])),
    params(JobsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<JobView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    asked: Result<Query<JobsQuery>, QueryRejection>,
) -> Result<Json<Page<JobView>>, ApiError> {
    let JobsQuery { status, cursor, limit } = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let (now, length) = (app.commands.clock.now(), page_length(limit));
    let page = jobs::page(&app.pool, now, status, cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.requested_position);
    let items = page.rows.into_iter().map(JobView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// One job, and how far it is.
#[utoipa::path(get, path = "/api/admin/jobs/{id}", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = String, Path, description = "the job's id"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the job", body = JobView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    staff: Staff,
    Segment(id): Segment,
    min: MinPosition,
) -> Result<Json<JobView>, ApiError> {
    let id = parse(&id)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    Ok(Json(shown(&app, id).await?.into()))
}

async fn shown(app: &App, id: JobId) -> Result<JobRow, ApiError> {
    let shown = jobs::by_id(&app.pool, app.commands.clock.now(), id).await?;
    shown.rows.ok_or_else(no_such_job)
}

fn parse(id: &str) -> Result<JobId, ApiError> {
    id.parse().map_err(|_| no_such_job())
}

fn no_such_job() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no job with this id")
}
