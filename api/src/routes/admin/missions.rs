//! Missions as the staff sees and makes them.

mod terms;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use commands::bus::Committed;
use domain::id::MissionId;
use projections::read_models::missions;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::events::missions::{mission_id, not_found};
use crate::app::App;
use crate::auth::{May, Staff, need};
use crate::body::Fields;
use crate::error::ApiError;
use crate::reads;
use crate::request::{Asked, IfMatch, MinPosition, Segment, etag};
use terms::{MissionAdminView, MissionWish, SentTerms};

/// A mission that was made or changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissionDone {
    success: bool,
    #[serde(flatten)]
    mission: MissionAdminView,
    position: u64,
}

/// All missions, on the board or not, by number.
#[utoipa::path(get, path = "/api/admin/missions", tag = "administration", security(("token" = ["staff"])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a bare array", body = Vec<MissionAdminView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
) -> Result<Json<Vec<MissionAdminView>>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let all = missions::all(&app.pool).await?.rows;
    let view = |row: &missions::MissionRow| {
        MissionAdminView::new(row.mission_id.0, (row.version, &row.terms), row.counts_after)
    };
    Ok(Json(all.iter().map(view).collect()))
}

/// One mission.
#[utoipa::path(get, path = "/api/admin/missions/{id}", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = i64, Path, description = "the mission's number")),
    responses(
        (status = 200, description = "the mission; send its ETag as If-Match when you change it", body = MissionAdminView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such mission", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    _staff: Staff,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let view = now(&app, mission_id(&id)?).await?;
    Ok(([(header::ETAG, etag(view.version))], Json(view)).into_response())
}

/// Puts a mission on the board, under the next number.
#[utoipa::path(post, path = "/api/admin/missions", tag = "administration", security(("token" = ["edit_events"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = MissionWish,
    responses(
        (status = 201, description = "on the board", body = MissionDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let SentTerms { terms, counts_after, idempotency_key } = SentTerms::parse(fields)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let view = |id, counts_after| MissionAdminView::new(id, (1, &terms), counts_after);
    let added = app.commands.add_mission(&caller, terms.clone(), counts_after).await?;
    app.positions.acknowledge(admin.id(), added.position);
    let mission = view(added.mission.0, counts_after);
    let tag = [(header::ETAG, etag(mission.version))];
    let done = MissionDone { success: true, mission, position: added.position };
    Ok(replayable((StatusCode::CREATED, tag, Json(done)).into_response(), added.replayed))
}

/// Replaces a mission's terms. What is counted, and in which period, stays as it is; so does what
/// was reached.
#[utoipa::path(put, path = "/api/admin/missions/{id}", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the mission's number"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the version that is changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = MissionWish,
    responses(
        (status = 200, description = "replaced", body = MissionDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such mission", body = Problem),
        (status = 409, description = "counter or period would change", body = Problem),
        (status = 412, description = "it is at another version than If-Match says", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn revise(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    Segment(id): Segment,
    IfMatch(versions): IfMatch,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let SentTerms { terms, idempotency_key, .. } = SentTerms::parse(fields)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let mission = mission_id(&id)?;
    let revised = app.commands.revise_mission(&caller, mission, terms, versions).await?;
    let Committed { place, replayed, .. } = revised;
    app.positions.acknowledge(admin.id(), place.position);
    let mission = now(&app, mission).await?;
    let tag = [(header::ETAG, etag(mission.version))];
    let done = MissionDone { success: true, mission, position: place.position };
    Ok(replayable((tag, Json(done)).into_response(), replayed))
}

/// A mission from the node's own state.
async fn now(app: &App, id: MissionId) -> Result<MissionAdminView, ApiError> {
    let mission = app.commands.mission_now(id).await?.ok_or_else(not_found)?;
    let terms = (mission.version.into(), &mission.terms);
    Ok(MissionAdminView::new(id.0, terms, mission.counts_after))
}
