//! Events as the staff sees, makes and runs them.

pub mod participations;
pub mod preview;
mod terms;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use commands::bus::Committed;
use commands::events::{EventChange, EventDraft};
use domain::id::LiveEventId;
use projections::read_models::live_events::{self, LiveEventRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::events::{event_id, not_found};
use crate::app::App;
use crate::auth::{May, Staff, need};
use crate::body::Fields;
use crate::error::ApiError;
use crate::reads;
use crate::request::{Asked, IfMatch, MinPosition, Segment, etag};
use terms::{EventAdminView, EventWish, SentTerms};

/// An event that was made or changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventDone {
    success: bool,
    #[serde(flatten)]
    event: EventAdminView,
    position: u64,
}

/// All events, whatever their status, by number.
#[utoipa::path(get, path = "/api/admin/events", tag = "administration", security(("token" = ["staff"])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a bare array", body = Vec<EventAdminView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
) -> Result<Json<Vec<EventAdminView>>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let all = live_events::all(&app.pool).await?.rows;
    Ok(Json(all.iter().map(view).collect()))
}

fn view(row: &LiveEventRow) -> EventAdminView {
    let terms = (row.version, &row.terms);
    EventAdminView::new(row.event_id.0, terms, row.status.name(), row.payout_stopped)
}

/// One event.
#[utoipa::path(get, path = "/api/admin/events/{id}", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = i64, Path, description = "the event's number")),
    responses(
        (status = 200, description = "the event; send its ETag as If-Match when you change it", body = EventAdminView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    _staff: Staff,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let view = now(&app, event_id(&id)?).await?;
    Ok(([(header::ETAG, etag(view.version))], Json(view)).into_response())
}

/// Draws up an event under the next number. Players see it once it is published.
#[utoipa::path(post, path = "/api/admin/events", tag = "administration", security(("token" = ["edit_events"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = EventWish,
    responses(
        (status = 201, description = "drawn up, and published if asked for", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let starts_now = !fields.has("starts_at");
    let SentTerms { terms, publish, idempotency_key } =
        SentTerms::parse(fields, app.commands.clock.now())?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let draft = EventDraft { terms, starts_now, publish };
    let added = app.commands.add_event(&caller, draft).await?;
    app.positions.acknowledge(admin.id(), added.position);
    let event = now(&app, added.event).await?;
    let tag = [(header::ETAG, etag(event.version))];
    let done = EventDone { success: true, event, position: added.position };
    Ok(replayable((StatusCode::CREATED, tag, Json(done)).into_response(), added.replayed))
}

/// Replaces an event's terms. Whoever has joined keeps those under which they did.
#[utoipa::path(put, path = "/api/admin/events/{id}", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the version that is changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = EventWish,
    responses(
        (status = 200, description = "replaced", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem),
        (status = 409, description = "it has ended", body = Problem),
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
    let event = event_id(&id)?;
    // What has no beginning in the body keeps the one it has.
    let present = app.commands.event_now(event).await?.ok_or_else(not_found)?;
    let SentTerms { terms, idempotency_key, .. } =
        SentTerms::parse(fields, present.terms.starts_at)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let revised = app.commands.revise_event(&caller, event, terms, versions).await?;
    done(&app, admin, event, &revised).await
}

/// Lets an event be seen and joined, for the first time or again.
#[utoipa::path(post, path = "/api/admin/events/{id}/publish", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number")),
    responses(
        (status = 200, description = "published", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem),
        (status = 409, description = "it has ended", body = Problem)))]
pub async fn publish(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    change(&app, admin, &asked, &id, EventChange::Publish).await
}

/// Lets an event rest: nobody joins, nothing counts, nothing is claimed, until it is published again.
#[utoipa::path(post, path = "/api/admin/events/{id}/pause", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number")),
    responses(
        (status = 200, description = "paused", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem),
        (status = 409, description = "it has ended", body = Problem)))]
pub async fn pause(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    change(&app, admin, &asked, &id, EventChange::Pause).await
}

/// Ends an event for good, early or not. What is complete can still be claimed.
#[utoipa::path(post, path = "/api/admin/events/{id}/end", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number")),
    responses(
        (status = 200, description = "ended", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem)))]
pub async fn end(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    change(&app, admin, &asked, &id, EventChange::End).await
}

/// Stops the rewarding of places, wherever it is.
#[utoipa::path(post, path = "/api/admin/events/{id}/payout/stop", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number")),
    responses(
        (status = 200, description = "stopped", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem)))]
pub async fn stop_payout(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    change(&app, admin, &asked, &id, EventChange::StopPayout).await
}

/// Goes on rewarding places where it was stopped.
#[utoipa::path(post, path = "/api/admin/events/{id}/payout/resume", tag = "administration",
    security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number")),
    responses(
        (status = 200, description = "goes on", body = EventDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem)))]
pub async fn resume_payout(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    change(&app, admin, &asked, &id, EventChange::ResumePayout).await
}

async fn change(
    app: &App,
    admin: May<need::EditEvents>,
    asked: &Asked,
    id: &str,
    change: EventChange,
) -> Result<Response, ApiError> {
    let event = event_id(id)?;
    let caller = asked.caller(admin.actor());
    let changed = app.commands.change_event(&caller, event, change).await?;
    done(app, admin, event, &changed).await
}

async fn done(
    app: &App,
    admin: May<need::EditEvents>,
    event: LiveEventId,
    Committed { place, replayed, .. }: &Committed,
) -> Result<Response, ApiError> {
    app.positions.acknowledge(admin.id(), place.position);
    let event = now(app, event).await?;
    let tag = [(header::ETAG, etag(event.version))];
    let done = EventDone { success: true, event, position: place.position };
    Ok(replayable((tag, Json(done)).into_response(), *replayed))
}

/// An event from the node's own state.
async fn now(app: &App, id: LiveEventId) -> Result<EventAdminView, ApiError> {
    let event = app.commands.event_now(id).await?.ok_or_else(not_found)?;
    let terms = (event.version.into(), &event.terms);
    Ok(EventAdminView::new(id.0, terms, event.status.name(), event.payout_is_stopped))
}
