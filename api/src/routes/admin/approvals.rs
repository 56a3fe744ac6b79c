//! What takes two members of the staff: requests for it, and what the second one says.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::id::ApprovalId;
use projections::read_models::approvals::{self, ApprovalOf, ApprovalRow, ApprovalStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsQuery {
    /// With one status only: `open`, `approved`, `rejected` or `expired`.
    #[param(value_type = Option<String>)]
    status: Option<ApprovalStatus>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// Lines on the page: 50, at most 200.
    limit: Option<u32>,
}

/// A request for gold: a grant for one player, or a job for many.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// `grant` or `bulk_grant`.
    kind: &'static str,
    /// The request's id, or the job's.
    id: String,
    /// Where it is shown, and decided below that by `approve` and `reject`.
    href: String,
    /// `open`, `approved`, `rejected` or `expired`.
    status: &'static str,
    /// The user number of who asked.
    maker: i64,
    /// The user number of who agreed, or said no.
    checker: Option<i64>,
    /// To whom, if it is a grant.
    user_id: Option<i64>,
    /// To how many.
    lines: u64,
    /// How much, for all of them.
    gold: u64,
    /// Why, unless it was erased.
    reason: Option<String>,
    /// Why not, if somebody said no, unless it was erased.
    rejection: Option<String>,
    /// The receipt of a grant, once it is approved.
    receipt_code: Option<String>,
    at: String,
    /// From then on nobody can agree any more.
    expires_at: String,
    ended_at: Option<String>,
}

impl From<ApprovalRow> for ApprovalView {
    fn from(row: ApprovalRow) -> Self {
        let is_given = row.status == ApprovalStatus::Approved;
        let id = row.of.id();
        let href = match row.of {
            ApprovalOf::Grant(_) => format!("/api/admin/approvals/{id}"),
            ApprovalOf::Job(_) => format!("/api/admin/jobs/{id}"),
        };
        Self {
            kind: row.of.kind(),
            id,
            href,
            status: row.status.name(),
            maker: row.maker.0,
            checker: row.checker.map(|checker| checker.0),
            user_id: row.player.map(|player| player.0),
            lines: row.lines,
            gold: row.gold,
            reason: row.reason,
            rejection: row.rejection,
            receipt_code: row.receipt_code.filter(|_| is_given).map(|code| code.to_string()),
            at: rfc3339(row.requested_at),
            expires_at: rfc3339(row.expires_at),
            ended_at: row.ended_at.map(rfc3339),
        }
    }
}

/// Requests for what takes two, newest first: grants and jobs.
#[utoipa::path(get, path = "/api/admin/approvals", tag = "administration",
    security(("token" = ["staff"])),
    params(ApprovalsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<ApprovalView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    asked: Result<Query<ApprovalsQuery>, QueryRejection>,
) -> Result<Json<Page<ApprovalView>>, ApiError> {
    let ApprovalsQuery { status, cursor, limit } = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let (now, length) = (app.commands.clock.now(), page_length(limit));
    let page = approvals::page(&app.pool, now, status, cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.requested_position);
    let items = page.rows.into_iter().map(ApprovalView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// One request for a grant.
#[utoipa::path(get, path = "/api/admin/approvals/{id}", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = String, Path, description = "the request's id"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the request", body = ApprovalView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such request", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    staff: Staff,
    Segment(id): Segment,
    min: MinPosition,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = parse(&id)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let shown = approvals::by_id(&app.pool, app.commands.clock.now(), id).await?;
    Ok(Json(shown.rows.ok_or_else(no_such_request)?.into()))
}

/// A grant that was approved, and given.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalDone {
    success: bool,
    approval_id: String,
    /// `approved`.
    status: &'static str,
    /// How much was given.
    granted: u64,
    new_gold_balance: u64,
    receipt_code: String,
    position: u64,
}

/// Agrees to a grant, which gives the gold: once, also if several agree at the same time. Whoever has
/// asked for it, or shall have the gold, cannot agree.
#[utoipa::path(post, path = "/api/admin/approvals/{id}/approve", tag = "administration",
    security(("token" = ["approve"])),
    params(("id" = String, Path, description = "the request's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "given, or given before", body = ApprovalDone),
        (status = 403, description = "not allowed, MAKER_IS_CHECKER or PLAYER_IS_CHECKER", body = Problem),
        (status = 404, description = "no such request", body = Problem),
        (status = 409, description = "APPROVAL_EXPIRED, APPROVAL_ENDED or BALANCE_TOO_LARGE", body = Problem),
        (status = 422, description = "a reused key", body = Problem)))]
pub async fn approve(
    State(app): State<App>,
    admin: May<need::Approve>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    let id = parse(&id)?;
    let done = app.commands.approve_grant(&asked.caller(admin.actor()), id).await?;
    app.positions.acknowledge(admin.id(), done.position);
    let answer = ApprovalDone {
        success: true,
        approval_id: id.to_string(),
        status: ApprovalStatus::Approved.name(),
        granted: done.body.granted,
        new_gold_balance: done.body.wallet.gold(),
        receipt_code: done.body.receipt_code.to_string(),
        position: done.position,
    };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

/// A wish that nothing comes of a request.
#[derive(Debug, ToSchema)]
pub struct RejectionWish {
    /// Why not: 2 to 120 characters. Kept beside the log, where it can be erased.
    pub(super) reason: String,
    /// Instead of the header Idempotency-Key.
    pub(super) idempotency_key: Option<String>,
}

impl RejectionWish {
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let reason = fields.required("reason", values::line(2, 120));
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| Some(Self { reason: reason?, idempotency_key }))
    }
}

/// A request of which nothing comes.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectionDone {
    success: bool,
    approval_id: String,
    /// `rejected`.
    status: &'static str,
    position: u64,
}

/// Says no to a grant. Whoever has asked for it can do so, too.
#[utoipa::path(post, path = "/api/admin/approvals/{id}/reject", tag = "administration",
    security(("token" = ["approve"])),
    params(("id" = String, Path, description = "the request's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = RejectionWish,
    responses(
        (status = 200, description = "rejected, or rejected before", body = RejectionDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such request", body = Problem),
        (status = 409, description = "APPROVAL_EXPIRED or APPROVAL_ENDED", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn reject(
    State(app): State<App>,
    admin: May<need::Approve>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let RejectionWish { reason, idempotency_key } = RejectionWish::parse(fields)?;
    let id = parse(&id)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let done = app.commands.reject_grant(&caller, id, reason).await?;
    let position = done.place.position;
    app.positions.acknowledge(admin.id(), position);
    let (approval_id, status) = (id.to_string(), ApprovalStatus::Rejected.name());
    let answer = RejectionDone { success: true, approval_id, status, position };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

fn parse(id: &str) -> Result<ApprovalId, ApiError> {
    id.parse().map_err(|_| no_such_request())
}

fn no_such_request() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no request for approval with this id")
}
