//! What may be done with a job that was asked for.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::Committed;
use commands::jobs::Steer;
use domain::id::JobId;
use domain::job::JobStatus;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::super::approvals::RejectionWish;
use crate::app::App;
use crate::auth::{May, Staff, need};
use crate::body::Fields;
use crate::error::ApiError;
use crate::request::{Asked, Segment};

/// A job that is somewhere else now.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobSteered {
    success: bool,
    job_id: String,
    /// Where it is: `running`, `rejected`, `stopped` or `undoing`.
    status: &'static str,
    position: u64,
}

/// Agrees to a job, which begins. Whoever has asked for it, or shall have gold of it,
/// cannot agree.
#[utoipa::path(post, path = "/api/admin/jobs/{id}/approve", tag = "administration",
    security(("token" = ["approve"])),
    params(("id" = String, Path, description = "the job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "approved, or approved before", body = JobSteered),
        (status = 403, description = "not allowed, MAKER_IS_CHECKER or PLAYER_IS_CHECKER", body = Problem),
        (status = 404, description = "no such job", body = Problem),
        (status = 409, description = "APPROVAL_EXPIRED, or JOB_STATUS", body = Problem),
        (status = 422, description = "a reused key", body = Problem)))]
pub async fn approve(
    State(app): State<App>,
    admin: May<need::Approve>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    steer(&app, *admin, &asked, &id, Steer::Approve).await
}

/// Says no to a job. Whoever has asked for it can do so, too.
#[utoipa::path(post, path = "/api/admin/jobs/{id}/reject", tag = "administration",
    security(("token" = ["approve"])),
    params(("id" = String, Path, description = "the job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = RejectionWish,
    responses(
        (status = 200, description = "rejected, or rejected before", body = JobSteered),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem),
        (status = 409, description = "APPROVAL_EXPIRED, or JOB_STATUS", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn reject(
    State(app): State<App>,
    admin: May<need::Approve>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let RejectionWish { reason, idempotency_key } = RejectionWish::parse(fields)?;
    let id = super::parse(&id)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let done = app.commands.reject_job(&caller, id, reason).await?;
    Ok(steered(&app, *admin, id, JobStatus::Rejected, &done))
}

/// Stops a job: no line is paid behind that.
#[utoipa::path(post, path = "/api/admin/jobs/{id}/stop", tag = "administration",
    security(("token" = ["grant"])),
    params(("id" = String, Path, description = "the job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "stopped, or stopped before", body = JobSteered),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem),
        (status = 409, description = "JOB_STATUS: it is not running", body = Problem)))]
pub async fn stop(
    State(app): State<App>,
    admin: May<need::Grant>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    steer(&app, *admin, &asked, &id, Steer::Stop).await
}

/// Lets a job go on that was stopped.
#[utoipa::path(post, path = "/api/admin/jobs/{id}/resume", tag = "administration",
    security(("token" = ["grant"])),
    params(("id" = String, Path, description = "the job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "it goes on, or has not been stopped", body = JobSteered),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem),
        (status = 409, description = "JOB_STATUS: it is not stopped", body = Problem)))]
pub async fn resume(
    State(app): State<App>,
    admin: May<need::Grant>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    steer(&app, *admin, &asked, &id, Steer::Resume).await
}

/// Takes back what is left of what a job has paid: of each line the gold that was given, as far as the
/// player still has given gold. What was not there any more is told line by line. A job that is under
/// way is stopped first.
#[utoipa::path(post, path = "/api/admin/jobs/{id}/undo", tag = "administration",
    security(("token" = ["grant"])),
    params(("id" = String, Path, description = "the job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "it is being undone, or was before", body = JobSteered),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem),
        (status = 409, description = "JOB_STATUS: it has never begun", body = Problem)))]
pub async fn undo(
    State(app): State<App>,
    admin: May<need::Grant>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    steer(&app, *admin, &asked, &id, Steer::Undo).await
}

async fn steer(
    app: &App,
    admin: Staff,
    asked: &Asked,
    id: &str,
    steer: Steer,
) -> Result<Response, ApiError> {
    let id = super::parse(id)?;
    let done = app.commands.steer_job(&asked.caller(admin.actor()), id, steer).await?;
    Ok(steered(app, admin, id, steer.leads_to(), &done))
}

fn steered(
    app: &App,
    admin: Staff,
    id: JobId,
    status: JobStatus,
    Committed { place, replayed, .. }: &Committed,
) -> Response {
    app.positions.acknowledge(admin.id(), place.position);
    let (job_id, status) = (id.to_string(), status.name());
    let answer = JobSteered { success: true, job_id, status, position: place.position };
    replayable(Json(answer).into_response(), *replayed)
}
