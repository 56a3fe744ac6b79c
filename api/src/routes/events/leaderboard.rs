//! Leaderboards of events.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use domain::id::PlayerId;
use domain::live_event::reward_of;
use projections::read_models::live_events::{self, LiveEventRow};
use projections::read_models::participations::{self, PlaceRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::query;
use super::super::play::RewardsView;
use super::{event_id, not_found};
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{MinPosition, Segment};

/// Places that are shown, unless asked otherwise, and at most.
const PLACES: u32 = 10;
const MOST_PLACES: u32 = 100;
/// Places before and after the player's own.
const EACH_SIDE: u32 = 3;

/// Which part of a leaderboard.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LeaderboardQuery {
    /// How many of the first places: at most 100; 10, if left out.
    limit: Option<u32>,
    /// When the occurrence began; the present or the latest one, if left out.
    occurrence_at: Option<DateTime<Utc>>,
}

/// A leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeaderboardView {
    event_id: i64,
    /// When the occurrence began.
    occurrence_at: String,
    /// What is scored.
    counter: String,
    /// Whether scores no longer change.
    frozen: bool,
    /// How many players have a score.
    players: u64,
    /// The first places.
    top: Vec<PlaceView>,
    /// The player's own place and those next to it; empty without a score.
    around_me: Vec<PlaceView>,
    position: u64,
}

/// A place.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceView {
    /// From 1.
    place: u64,
    user_id: i64,
    nickname: Option<String>,
    score: u64,
    /// Whether it is the player's own.
    me: bool,
    /// What it pays in the end; nothing, if `null`.
    rewards: Option<RewardsView>,
}

/// The leaderboard of an event: the first places, and those around the player. It is frozen a minute
/// after the occurrence has ended, and then paid.
#[utoipa::path(get, path = "/api/events/{id}/leaderboard", tag = "events",
    security(("token" = [])),
    params(("id" = i64, Path, description = "the event's number"), LeaderboardQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the leaderboard", body = LeaderboardView),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "no such event, or it has no leaderboard", body = Problem)))]
pub async fn show(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    Segment(id): Segment,
    asked: Result<Query<LeaderboardQuery>, QueryRejection>,
) -> Result<Json<LeaderboardView>, ApiError> {
    let (id, asked) = (event_id(&id)?, query(asked)?);
    reads::caught_up(&app, Some(player.id()), min).await?;
    let event = live_events::by_id(&app.pool, id).await?.rows.ok_or_else(not_found)?;
    let board = event.terms.leaderboard.as_ref().ok_or_else(no_leaderboard)?;
    let occurrence_at = match asked.occurrence_at {
        Some(asked) => asked,
        None => latest(&event, app.commands.clock.now()).ok_or_else(no_leaderboard)?,
    };
    let limit = asked.limit.unwrap_or(PLACES).clamp(1, MOST_PLACES);
    let top = participations::top(&app.pool, id, occurrence_at, limit).await?;
    let around =
        participations::around(&app.pool, id, occurrence_at, player.id(), EACH_SIDE).await?;
    let shown = Shown { event: &event, me: player.id() };
    Ok(Json(LeaderboardView {
        event_id: id.0,
        occurrence_at: rfc3339(occurrence_at),
        counter: board.counter.to_string(),
        frozen: top.rows.is_frozen,
        players: top.rows.players,
        top: shown.places(&app, &top.rows.places).await?,
        around_me: shown.places(&app, &around.rows.places).await?,
        position: top.position,
    }))
}

/// The present occurrence, or else the latest that has begun.
fn latest(event: &LiveEventRow, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    event.terms.latest_at(now).map(|occurrence| occurrence.starts_at)
}

fn no_leaderboard() -> ApiError {
    ApiError::new(Reason::NotFound, "this event has no leaderboard")
}

/// Whose leaderboard, and for whom.
struct Shown<'a> {
    event: &'a LiveEventRow,
    me: PlayerId,
}

impl Shown<'_> {
    async fn places(&self, app: &App, rows: &[PlaceRow]) -> Result<Vec<PlaceView>, ApiError> {
        let players: Vec<PlayerId> = rows.iter().map(|row| row.user_id).collect();
        let names = app.users.nicknames(&players).await?;
        let view = |row: &PlaceRow| PlaceView {
            place: row.place,
            user_id: row.user_id.0,
            nickname: names.get(&row.user_id).cloned(),
            score: row.score,
            me: row.user_id == self.me,
            rewards: self.rewards(row.place),
        };
        Ok(rows.iter().map(view).collect())
    }

    fn rewards(&self, place: u64) -> Option<RewardsView> {
        let tiers = self.event.terms.leaderboard.as_ref().map(|board| &board.tiers)?;
        let place = u32::try_from(place).ok()?;
        reward_of(tiers, place).map(RewardsView::from)
    }
}
