//! Who is signed in where, as the staff sees it.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::id::{PlayerId, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::paging::{page_length, query, word};
use crate::app::App;
use crate::auth::sessions::{Cursor, Live};
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, Segment};

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SessionsQuery {
    /// Only of this player.
    user_id: Option<i64>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "word")]
    cursor: Option<String>,
    /// At most so many are looked at; at most 200.
    limit: Option<u32>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveSessionView {
    id: String,
    user_id: i64,
    began_at: String,
    last_used_at: String,
    /// When it ends by itself, if it is not used.
    expires_at: String,
    /// What the browser said it is.
    user_agent: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsPage {
    /// Fewer than were asked for, if some of those that were looked at have ended.
    items: Vec<LiveSessionView>,
    /// Asks for the next page; `null` on the last one.
    next_cursor: Option<String>,
}

/// A session was ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionEnded {
    success: bool,
    user_id: i64,
    position: u64,
}

impl From<Live> for LiveSessionView {
    fn from(Live { player, shown }: Live) -> Self {
        Self {
            id: shown.id.to_string(),
            user_id: player.0,
            began_at: rfc3339(shown.began_at),
            last_used_at: rfc3339(shown.last_used_at),
            expires_at: rfc3339(shown.expires_at),
            user_agent: shown.user_agent,
        }
    }
}

/// The sessions that have not ended, the latest first.
#[utoipa::path(get, path = "/api/admin/sessions", tag = "administration",
    security(("token" = ["see_players"])), params(SessionsQuery),
    responses(
        (status = 200, description = "a page", body = SessionsPage),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    _staff: May<need::SeePlayers>,
    asked: Result<Query<SessionsQuery>, QueryRejection>,
) -> Result<Json<SessionsPage>, ApiError> {
    let SessionsQuery { user_id, cursor, limit } = query(asked)?;
    let no_cursor = || ApiError::new(Reason::BadRequest, "the cursor is none of ours");
    let cursor = cursor.map(|text| text.parse::<Cursor>().map_err(|()| no_cursor())).transpose()?;
    let length = page_length(limit);
    let now = app.commands.clock.now();
    let found = app.sessions.page(user_id.map(PlayerId), cursor, length, now).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found >= length);
    let next_cursor = found.last().filter(|_| is_full).map(|last| last.cursor().to_string());
    let items = going_on(&app, found).await?.into_iter().map(LiveSessionView::from).collect();
    Ok(Json(SessionsPage { items, next_cursor }))
}

/// Those that the log does not say have ended.
async fn going_on(app: &App, found: Vec<Live>) -> Result<Vec<Live>, ApiError> {
    let mut by_player: HashMap<PlayerId, Vec<Live>> = HashMap::new();
    found.into_iter().for_each(|live| by_player.entry(live.player).or_default().push(live));
    let mut going_on = Vec::new();
    for (player, lives) in by_player {
        let has_ended = |live: &Live, identity: &domain::identity::Identity| {
            identity.has_ended(live.shown.id, live.shown.began_at)
        };
        let look = |identity: &_| {
            lives.iter().map(|live| has_ended(live, identity)).collect::<Vec<bool>>()
        };
        let ended = app.commands.standing(player, look).await?;
        let kept = lives.into_iter().zip(ended).filter(|(_, ended)| !ended);
        going_on.extend(kept.map(|(live, _)| live));
    }
    going_on.sort_by_key(|live| std::cmp::Reverse((live.shown.began_at, live.shown.id)));
    Ok(going_on)
}

/// Ends a session, at once and on every node.
#[utoipa::path(delete, path = "/api/admin/sessions/{id}", tag = "administration",
    security(("token" = ["ban"])),
    params(("id" = String, Path, description = "the session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "ended", body = SessionEnded),
        (status = 403, description = "not allowed, or somebody who may do more than you", body = Problem),
        (status = 404, description = "no such session", body = Problem)))]
pub async fn end(
    State(app): State<App>,
    staff: May<need::Ban>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    let none = || ApiError::new(Reason::NotFound, "there is no session with this id");
    let session: SessionId = id.parse().map_err(|_| none())?;
    let player = app.sessions.owner(session).await?.ok_or_else(none)?;
    let caller = asked.caller(staff.actor());
    // The log goes first, and decides whether this may be. If the row then stays, it can be asked again.
    let ended = app.commands.throw_out(&caller, staff.id(), player, session).await?;
    app.sessions.forget(player, session).await?;
    let position = ended.place.position;
    app.positions.acknowledge(staff.id(), position);
    let answer = SessionEnded { success: true, user_id: player.0, position };
    Ok(replayable(Json(answer).into_response(), ended.replayed))
}
