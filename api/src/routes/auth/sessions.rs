//! A player's own sessions, and the password behind them.

use axum::Json;
use axum::extract::State;
use commands::standing::Ended;
use domain::event::Actor;
use domain::id::{PlayerId, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::auth::proof::{self, Code, Shown};
use crate::auth::sessions::Shown as ShownSession;
use crate::auth::sign_in::rfc3339;
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, Segment};

/// A session, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    id: String,
    /// Whether this very request belongs to it.
    is_current: bool,
    began_at: String,
    last_used_at: String,
    /// When it ends by itself, if it is not used.
    expires_at: String,
    /// What the browser said it is.
    user_agent: Option<String>,
}

/// Another password.
#[derive(Debug, ToSchema)]
pub struct PasswordChange {
    current_password: String,
    /// At least 10 characters; 4 are enough in a demo.
    new_password: String,
}

/// Sessions were ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsEnded {
    success: bool,
    position: u64,
}

/// Where this player is signed in, the latest first.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "identity", security(("token" = [])), responses(
    (status = 200, description = "the sessions", body = [SessionView]),
    (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    player: Player,
) -> Result<Json<Vec<SessionView>>, ApiError> {
    let sessions = app.sessions.of(player.id(), app.commands.clock.now()).await?;
    let current = player.0.key.id;
    Ok(Json(sessions.into_iter().map(|session| view(session, current)).collect()))
}

fn view(session: ShownSession, current: SessionId) -> SessionView {
    SessionView {
        id: session.id.to_string(),
        is_current: session.id == current,
        began_at: rfc3339(session.began_at),
        last_used_at: rfc3339(session.last_used_at),
        expires_at: rfc3339(session.expires_at),
        user_agent: session.user_agent,
    }
}

/// Ends one of the own sessions, at once and everywhere.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", tag = "identity", security(("token" = [])),
    params(("id" = String, Path, description = "the session's id")),
    responses(
        (status = 200, description = "ended", body = SessionsEnded),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "no such session", body = Problem)))]
pub async fn end(
    State(app): State<App>,
    player: Player,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Json<SessionsEnded>, ApiError> {
    let no_such_session = || ApiError::new(Reason::NotFound, "you have no session with this id");
    let id: SessionId = id.parse().map_err(|_| no_such_session())?;
    let known = app.sessions.of(player.id(), app.commands.clock.now()).await?;
    if !known.iter().any(|session| session.id == id) {
        return Err(no_such_session());
    }
    Ok(done(end_one(&app, &asked, player.id(), id).await?))
}

/// Ends this session.
#[utoipa::path(post, path = "/api/auth/logout", tag = "identity", security(("token" = [])), responses(
    (status = 200, description = "logged out", body = SessionsEnded),
    (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn log_out(
    State(app): State<App>,
    player: Player,
    asked: Asked,
) -> Result<Json<SessionsEnded>, ApiError> {
    Ok(done(end_one(&app, &asked, player.id(), player.0.key.id).await?))
}

/// Ends all of the own sessions, this one too.
#[utoipa::path(post, path = "/api/auth/logout-all", tag = "identity", security(("token" = [])), responses(
    (status = 200, description = "logged out everywhere", body = SessionsEnded),
    (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn log_out_everywhere(
    State(app): State<App>,
    player: Player,
    asked: Asked,
) -> Result<Json<SessionsEnded>, ApiError> {
    Ok(done(end_all(&app, &asked, player.id(), None).await?))
}

/// Changes the password, and ends all other sessions.
#[utoipa::path(put, path = "/api/auth/password", tag = "identity", security(("token" = [])),
    request_body = PasswordChange,
    responses(
        (status = 200, description = "changed", body = SessionsEnded),
        (status = 401, description = "nobody is signed in, or the current password is wrong", body = Problem),
        (status = 422, description = "a password that cannot be used", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many wrong passwords; says until when", body = Problem)))]
pub async fn change_password(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    mut fields: Fields,
) -> Result<Json<SessionsEnded>, ApiError> {
    let current = fields.required("current_password", values::secret(1, 256));
    let new = values::secret(app.config.auth.shortest_password, 256);
    let new = fields.required("new_password", new);
    let wish = fields
        .finish(|| Some(PasswordChange { current_password: current?, new_password: new? }))?;
    let shown = Shown { password: wish.current_password, code: Code::NotAsked };
    let user = proof::of_signed_in(&app, player.id(), shown).await?.user;
    let hash = app.passwords.hash(wish.new_password).await?;
    // Others are logged out first: a crash in between leaves the old password, and them outside.
    let ended = end_all(&app, &asked, player.id(), Some(player.0.key.id)).await?;
    let (hashes, now) = ((&*user.password_hash, &*hash), app.commands.clock.now());
    if !app.resets.change(player.id(), hashes, now).await? {
        let detail = "the password was changed by another request meanwhile: sign in with that one";
        return Err(ApiError::new(Reason::Conflict, detail));
    }
    Ok(done(ended))
}

fn done(position: u64) -> Json<SessionsEnded> {
    Json(SessionsEnded { success: true, position })
}

/// Its tokens go first: a crash before the log knows leaves an access token that lives a quarter of an
/// hour, never one that can be renewed.
pub(super) async fn end_one(
    app: &App,
    asked: &Asked,
    player: PlayerId,
    session: SessionId,
) -> Result<u64, ApiError> {
    app.sessions.forget(player, session).await?;
    ended(app, asked, player, Ended::One(session)).await
}

/// The log goes first: it remembers for good up to when all sessions have ended.
pub(super) async fn end_all(
    app: &App,
    asked: &Asked,
    player: PlayerId,
    but: Option<SessionId>,
) -> Result<u64, ApiError> {
    let position = ended(app, asked, player, Ended::AllBut(but)).await?;
    app.sessions.forget_all(player, but).await?;
    Ok(position)
}

async fn ended(app: &App, asked: &Asked, player: PlayerId, which: Ended) -> Result<u64, ApiError> {
    let caller = asked.caller(Actor::Player(player));
    let position = app.commands.end_sessions(&caller, player, which).await?.place.position;
    app.positions.acknowledge(player, position);
    Ok(position)
}
