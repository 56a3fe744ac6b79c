//! Who takes part in an event, and what the staff can give them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::id::PlayerId;
use projections::read_models::participations::{self, ParticipationRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::super::super::events::event_id;
use super::super::super::events::view::ParticipationView;
use super::super::super::paging::{Page, next_cursor, page_length, query};
use super::super::super::play::Claimed;
use crate::app::App;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// Which participations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ParticipationsQuery {
    /// When the occurrence began; all, if left out.
    occurrence_at: Option<DateTime<Utc>>,
    /// Where the page before ended.
    cursor: Option<u64>,
    /// Lines on the page, at most 200.
    limit: Option<u32>,
}

/// How somebody takes part.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipationLine {
    user_id: i64,
    #[serde(flatten)]
    participation: ParticipationView,
    /// Whether the staff gave what it pays, complete or not.
    forced: bool,
    /// The place on the leaderboard that was rewarded.
    place: Option<u64>,
}

impl From<&ParticipationRow> for ParticipationLine {
    fn from(row: &ParticipationRow) -> Self {
        Self {
            user_id: row.user_id.0,
            participation: ParticipationView::of(row),
            forced: row.forced,
            place: row.place,
        }
    }
}

/// Who takes part in an event, newest first.
#[utoipa::path(get, path = "/api/admin/events/{id}/participations", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = i64, Path, description = "the event's number"), ParticipationsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<ParticipationLine>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    Segment(id): Segment,
    asked: Result<Query<ParticipationsQuery>, QueryRejection>,
) -> Result<Json<Page<ParticipationLine>>, ApiError> {
    let (event, asked) = (event_id(&id)?, query(asked)?);
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page =
        participations::page(&app.pool, event, asked.occurrence_at, asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.joined_position);
    let items = page.rows.iter().map(ParticipationLine::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// Why the staff gives it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct ForceWish {
    /// 2 to 120 characters; kept where it can be erased.
    reason: Option<String>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// Gives a player who has joined an event what it pays, complete or not, in time or not. Once.
#[utoipa::path(post, path = "/api/admin/events/{id}/force-claim/{user_id}",
    tag = "administration", security(("token" = ["edit_events"])),
    params(("id" = i64, Path, description = "the event's number"),
        ("user_id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = ForceWish,
    responses(
        (status = 200, description = "given", body = Claimed),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event or user", body = Problem),
        (status = 409, description = "NOT_JOINED, ALREADY_CLAIMED or BALANCE_TOO_LARGE", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn force_claim(
    State(app): State<App>,
    admin: May<need::EditEvents>,
    Path((id, user)): Path<(String, String)>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let reason = fields.nullable("reason", values::line(2, 120));
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    fields.finish(|| Some(()))?;
    let no_such_user = |_| ApiError::new(Reason::NotFound, "there is no user with this number");
    let player: PlayerId = user.parse().map_err(no_such_user)?;
    let event = event_id(&id)?;
    let caller = asked.with_key(key.as_deref())?.caller(admin.actor());
    let given = app.commands.force_claim(&caller, player, event, reason).await?;
    app.positions.acknowledge(admin.id(), given.position);
    app.positions.acknowledge(player, given.position);
    let answer = Claimed::of(&given.body, given.position);
    Ok(replayable(Json(answer).into_response(), given.replayed))
}
