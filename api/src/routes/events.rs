//! Events that players join, and what comes of them.

pub mod leaderboard;
pub mod missions;
pub mod view;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::bus::Answer;
use commands::events::Joined;
use domain::id::LiveEventId;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::replayable;
use super::docs::Problem;
use super::play::{Claimed, RewardsView};
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};
use view::EventView;

/// Joins an event.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct JoinWish {
    event_id: i64,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// The answer to joining an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventJoined {
    success: bool,
    event_id: i64,
    /// Whether it is claimed.
    reward_claimed: bool,
    /// What it has paid; nothing yet, if it is not claimed.
    rewards: RewardsView,
    /// The gold at `position`.
    new_gold_balance: u64,
    /// Whether it had been joined before: then this is what came of that.
    idempotent: bool,
    participation: JoinedView,
    position: u64,
}

/// How somebody who has joined stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct JoinedView {
    joined: bool,
    completed: bool,
    claimed: bool,
    joined_at: String,
    /// The occurrence that was joined.
    starts_at: String,
    ends_at: String,
}

/// All events that can be seen, those shown first in front, with how the player stands in each.
#[utoipa::path(get, path = "/api/events", tag = "events", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a bare array", body = Vec<EventView>),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<Vec<EventView>>, ApiError> {
    reads::caught_up(&app, Some(player.id()), min).await?;
    Ok(Json(view::all(&app, player.id()).await?))
}

/// One event.
#[utoipa::path(get, path = "/api/events/{id}", tag = "events", security(("token" = [])),
    params(("id" = i64, Path, description = "the event's number"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the event", body = EventView),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "no such event", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    Segment(id): Segment,
) -> Result<Json<EventView>, ApiError> {
    let event = event_id(&id)?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let all = view::all(&app, player.id()).await?;
    all.into_iter().find(|view| view.is(event)).map(Json).ok_or_else(not_found)
}

/// Joins an event. Whoever has joined its present occurrence gets the answer of that, with
/// `idempotent`.
#[utoipa::path(post, path = "/api/events/join", tag = "events", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = JoinWish,
    responses(
        (status = 200, description = "joined, now or before", body = EventJoined),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 403, description = "NOT_ELIGIBLE", body = Problem),
        (status = 404, description = "no such event", body = Problem),
        (status = 409, description = "EVENT_NOT_OPEN, EVENT_CLOSED, EVENT_PAUSED, EVENT_FULL or BALANCE_TOO_LARGE", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn join(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let event = fields.required("event_id", values::positive);
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let event = fields.finish(|| event)?;
    let caller = asked.with_key(key.as_deref())?.caller(player.actor());
    let event = LiveEventId(event);
    let joined = app.commands.join_event(&caller, player.id(), event).await?;
    app.positions.acknowledge(player.id(), joined.position);
    let replayed = joined.replayed;
    Ok(replayable(Json(joined_view(event, &joined)).into_response(), replayed))
}

fn joined_view(event: LiveEventId, joined: &Answer<Joined>) -> EventJoined {
    let Joined { joined_at, occurrence, is_complete, paid, wallet, is_repeat } = &joined.body;
    EventJoined {
        success: true,
        event_id: event.0,
        reward_claimed: paid.is_some(),
        rewards: paid.as_ref().map_or_else(RewardsView::nothing, RewardsView::paid),
        new_gold_balance: wallet.gold(),
        idempotent: *is_repeat,
        participation: JoinedView {
            joined: true,
            completed: *is_complete || paid.is_some(),
            claimed: paid.is_some(),
            joined_at: rfc3339(*joined_at),
            starts_at: rfc3339(occurrence.starts_at),
            ends_at: rfc3339(occurrence.ends_at),
        },
        position: joined.position,
    }
}

/// Claims what an event pays, once.
#[utoipa::path(post, path = "/api/events/claim/{id}", tag = "events", security(("token" = [])),
    params(("id" = i64, Path, description = "the event's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "claimed", body = Claimed),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "no such event", body = Problem),
        (status = 409, description = "NOT_JOINED, NOT_COMPLETED, ALREADY_CLAIMED, CLAIM_TOO_LATE, EVENT_PAUSED or BALANCE_TOO_LARGE", body = Problem)))]
pub async fn claim(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let event = event_id(&id)?;
    let caller = asked.caller(player.actor());
    let claimed = app.commands.claim_event(&caller, player.id(), event).await?;
    app.positions.acknowledge(player.id(), claimed.position);
    let answer = Claimed::of(&claimed.body, claimed.position);
    Ok(replayable(Json(answer).into_response(), claimed.replayed))
}

/// An event's number in an address.
pub fn event_id(text: &str) -> Result<LiveEventId, ApiError> {
    text.parse().map_err(|_| not_found())
}

/// There is no such event.
pub fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no such event")
}
