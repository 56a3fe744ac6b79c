//! What the staff decides about somebody: rank, role, bans, the end of sessions.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use commands::standing::StandingChange;
use domain::id::{PlayerId, RoleCode};
use domain::offer::Rank;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::no_such_user;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::request::{Asked, Segment};

/// The longest ban that ends: ten years.
const LONGEST_HOURS: u32 = 24 * 3_653;

/// A wish to give a rank.
#[derive(Debug, ToSchema)]
pub struct RankWish {
    /// `STANDARD` or `VIP`.
    #[schema(value_type = String)]
    rank: Rank,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    reason: Option<String>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// A wish to keep somebody out.
#[derive(Debug, ToSchema)]
pub struct BanWish {
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    reason: String,
    /// For so many hours; for good if not told.
    duration_hours: Option<u32>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// A wish to let somebody in again, or to log them out everywhere.
#[derive(Debug, ToSchema)]
pub struct ReasonWish {
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    pub(super) reason: String,
    /// Instead of the header Idempotency-Key.
    pub(super) idempotency_key: Option<String>,
}

impl ReasonWish {
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let reason = fields.required("reason", values::line(2, 120));
        let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| Some(Self { reason: reason?, idempotency_key: key }))
    }
}

/// A wish to give a role.
#[derive(Debug, ToSchema)]
pub struct RoleWish {
    /// A built-in one, or one of the club's own.
    #[schema(value_type = String)]
    role: RoleCode,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// The answer to all of them; what is not concerned is missing.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct StandingDone {
    success: bool,
    user_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    rank: Option<Rank>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// When the ban ends; missing if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<String>,
    position: u64,
}

impl StandingDone {
    /// Of what has nothing more to say.
    pub(super) fn of(player: PlayerId, position: u64) -> Self {
        Self { success: true, user_id: player.0, position, ..Self::default() }
    }
}

/// Gives somebody a rank. Purchases under way keep theirs.
#[utoipa::path(put, path = "/api/admin/users/{id}/rank", tag = "administration",
    security(("token" = ["grant"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = RankWish,
    responses(
        (status = 200, description = "given, or the present one already", body = StandingDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn change_rank(
    State(app): State<App>,
    staff: May<need::Grant>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let rank = fields.required("rank", values::rank);
    let reason = fields.nullable("reason", values::line(2, 120));
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(RankWish { rank: rank?, reason, idempotency_key: key }))?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let change = (StandingChange::Rank(wish.rank), wish.reason);
    let answer = StandingDone { rank: Some(wish.rank), ..StandingDone::default() };
    decide(&app, *staff, &id, &asked, change, answer).await
}

/// Keeps somebody out: all sessions end at once, on every node, and nobody signs in.
#[utoipa::path(post, path = "/api/admin/users/{id}/ban", tag = "administration",
    security(("token" = ["ban"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = BanWish,
    responses(
        (status = 200, description = "banned", body = StandingDone),
        (status = 403, description = "not allowed, or somebody who may do more than you", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn ban(
    State(app): State<App>,
    staff: May<need::Ban>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let reason = fields.required("reason", values::line(2, 120));
    let duration_hours = fields.nullable("duration_hours", values::count(LONGEST_HOURS));
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields
        .finish(|| Some(BanWish { reason: reason?, duration_hours, idempotency_key: key }))?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let until = until(app.commands.clock.now(), wish.duration_hours);
    let answer = StandingDone { banned_until: until.map(rfc3339), ..StandingDone::default() };
    decide(&app, *staff, &id, &asked, (StandingChange::Ban(until), Some(wish.reason)), answer).await
}

fn until(now: DateTime<Utc>, hours: Option<u32>) -> Option<DateTime<Utc>> {
    hours.map(|hours| now + TimeDelta::hours(hours.into()))
}

/// Lets somebody in again.
#[utoipa::path(post, path = "/api/admin/users/{id}/unban", tag = "administration",
    security(("token" = ["ban"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = ReasonWish,
    responses(
        (status = 200, description = "not banned, or not any more", body = StandingDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn unban(
    State(app): State<App>,
    staff: May<need::Ban>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    with_reason(&app, *staff, &id, asked, fields, StandingChange::Unban).await
}

/// Logs somebody out everywhere.
#[utoipa::path(post, path = "/api/admin/users/{id}/logout-all", tag = "administration",
    security(("token" = ["ban"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = ReasonWish,
    responses(
        (status = 200, description = "logged out", body = StandingDone),
        (status = 403, description = "not allowed, or somebody who may do more than you", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn log_out(
    State(app): State<App>,
    staff: May<need::Ban>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    with_reason(&app, *staff, &id, asked, fields, StandingChange::EndSessions).await
}

/// Gives somebody a role; nobody gives or takes what they may not do themselves.
#[utoipa::path(put, path = "/api/admin/users/{id}/role", tag = "administration",
    security(("token" = ["edit_roles"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = RoleWish,
    responses(
        (status = 200, description = "given, or the present one already", body = StandingDone),
        (status = 403, description = "not allowed: names the permission that you lack", body = Problem),
        (status = 404, description = "no such user or role", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn give_role(
    State(app): State<App>,
    staff: May<need::EditRoles>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let role = fields.required("role", values::role);
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(RoleWish { role: role?, idempotency_key: key }))?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(staff.actor());
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let done = app.commands.give_role(&caller, Some(staff.id()), player, wish.role).await?;
    let position = done.place.position;
    app.positions.acknowledge(staff.id(), position);
    let role = Some(wish.role.to_string());
    let answer = StandingDone {
        success: true,
        user_id: player.0,
        role,
        position,
        ..StandingDone::default()
    };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

async fn with_reason(
    app: &App,
    staff: Staff,
    id: &str,
    asked: Asked,
    fields: Fields,
    change: StandingChange,
) -> Result<Response, ApiError> {
    let wish = ReasonWish::parse(fields)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    decide(app, staff, id, &asked, (change, Some(wish.reason)), StandingDone::default()).await
}

async fn decide(
    app: &App,
    staff: Staff,
    id: &str,
    asked: &Asked,
    change: (StandingChange, Option<String>),
    answer: StandingDone,
) -> Result<Response, ApiError> {
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let caller = asked.caller(staff.actor());
    let done = app.commands.change_standing(&caller, staff.id(), player, change).await?;
    let position = done.place.position;
    app.positions.acknowledge(staff.id(), position);
    let StandingDone { success, user_id, .. } = StandingDone::of(player, position);
    let answer = StandingDone { success, user_id, position, ..answer };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}
