//! Signing up and in, and out again.

pub mod reset;
pub mod sessions;
pub mod totp;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::ToSchema;

use super::docs::Problem;
use crate::app::App;
use crate::auth::proof::Proved;
use crate::auth::sessions::{self as stored, Rotated};
use crate::auth::sign_in::{self, SignIn, SignedIn, UserView, user_of};
use crate::auth::sign_up::{self, SignUp};
use crate::auth::signing::PUBLISHED_MAX_AGE;
use crate::auth::{Player, insist_on_confirmation};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::Asked;

/// For a new access token.
#[derive(Debug, ToSchema)]
pub struct Refresh {
    /// The last refresh token. It works once; for a few seconds more it gives the same answer again, in
    /// case the first was lost on its way.
    refresh_token: String,
}

const NO_STORE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Tokens are for whoever asked, and for no cache on the way.
fn with_tokens(status: StatusCode, answer: SignedIn) -> Response {
    (status, [NO_STORE], Json(answer)).into_response()
}

fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok())
}

/// Becomes a player: 1,000 gold to begin with.
#[utoipa::path(post, path = "/api/auth/signup", tag = "identity", request_body = SignUp, responses(
    (status = 201, description = "signed up and in", body = SignedIn),
    (status = 403, description = "the invite code opens nothing, or no more: INVALID_INVITE_CODE or INVITE_EXHAUSTED", body = Problem),
    (status = 409, description = "a name is taken: SITE_ID_TAKEN, NICKNAME_TAKEN or PHONE_NUMBER_TAKEN", body = Problem),
    (status = 422, description = "fields that cannot be used", body = Problem)))]
pub async fn sign_up(
    State(app): State<App>,
    asked: Asked,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = SignUp::parse(fields, &app.config.auth)?;
    let player = sign_up::sign_up(&app, &asked, wish).await?;
    let proved = Proved { user: user_of(&app, player).await?, second_factor: None };
    let answer = sign_in::sign_in(&app, &asked, proved, user_agent(&headers)).await?;
    Ok(with_tokens(StatusCode::CREATED, answer))
}

/// Signs in. Moves no gold.
#[utoipa::path(post, path = "/api/auth/login", tag = "identity", request_body = SignIn, responses(
    (status = 200, description = "signed in", body = SignedIn),
    (status = 401, description = "wrong name or password: INVALID_CREDENTIALS; or both are right, and a code of the second factor is missing or not: TOTP_REQUIRED, TOTP_WRONG", body = Problem),
    (status = 403, description = "BANNED: kept out by the staff, says until when; or a sign-up that was cut off cannot be finished: INVALID_INVITE_CODE or INVITE_EXHAUSTED", body = Problem),
    (status = 422, description = "fields that cannot be used", body = Problem),
    (status = 429, description = "RATE_LIMIT: too fast, or too many wrong passwords; says until when", body = Problem)))]
pub async fn login(
    State(app): State<App>,
    asked: Asked,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    let proved = sign_in::authenticate(&app, &asked, SignIn::parse(fields)?).await?;
    let answer = sign_in::sign_in(&app, &asked, proved, user_agent(&headers)).await?;
    Ok(with_tokens(StatusCode::OK, answer))
}

/// Signs a member of staff in.
#[utoipa::path(post, path = "/api/auth/admin/login", tag = "identity", request_body = SignIn, responses(
    (status = 200, description = "signed in", body = SignedIn),
    (status = 401, description = "INVALID_CREDENTIALS, TOTP_REQUIRED or TOTP_WRONG", body = Problem),
    (status = 403, description = "a player, not staff; or banned", body = Problem)))]
pub async fn admin_login(
    State(app): State<App>,
    asked: Asked,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    let proved = sign_in::authenticate(&app, &asked, SignIn::parse(fields)?).await?;
    insist_on_confirmation(&app)?;
    if app.standings.role(proved.user.id).1.is_empty() {
        let detail = "this is the staff's entrance: use /api/auth/login";
        return Err(ApiError::new(Reason::Forbidden, detail));
    }
    let answer = sign_in::sign_in(&app, &asked, proved, user_agent(&headers)).await?;
    Ok(with_tokens(StatusCode::OK, answer))
}

/// Changes a refresh token into new tokens. One that comes again after a few seconds ends its session.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "identity", request_body = Refresh, responses(
    (status = 200, description = "new tokens", body = SignedIn),
    (status = 401, description = "unknown, used or expired, or the session was ended", body = Problem),
    (status = 403, description = "BANNED: kept out by the staff", body = Problem)))]
pub async fn refresh(
    State(app): State<App>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let token = fields.required("refresh_token", values::secret(1, 256));
    let wish = fields.finish(|| Some(Refresh { refresh_token: token? }))?;
    let issued = match app.sessions.rotate(&wish.refresh_token, app.commands.clock.now()).await? {
        Rotated::Next(issued) => issued,
        Rotated::Reused(session) => {
            tracing::warn!(player = %session.player, "a refresh token was used twice");
            sessions::end_one(&app, &asked, session.player, session.id).await?;
            return Err(stored::invalid());
        }
    };
    sign_in::insist_on_going_on(&app, &issued.session).await?;
    let user = user_of(&app, issued.session.player).await?;
    Ok(with_tokens(StatusCode::OK, sign_in::with_tokens(&app, &asked, user, issued).await?))
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/auth/me", tag = "identity", security(("token" = [])), responses(
    (status = 200, description = "who", body = UserView),
    (status = 401, description = "nobody", body = Problem)))]
pub async fn me(State(app): State<App>, player: Player) -> Result<Json<UserView>, ApiError> {
    let user = user_of(&app, player.id()).await?;
    Ok(Json(sign_in::view(&app, user).await?))
}

/// The public keys behind access tokens, and the next one, which signs when whoever keeps this has asked
/// again.
pub async fn jwks(State(app): State<App>) -> Response {
    published(&app.tokens.jwks(app.commands.clock.now().timestamp()))
}

/// The public keys behind receipts: also those that sign nothing any more, but none that leaked.
pub async fn jwks_of_receipts(State(app): State<App>) -> Response {
    published(&app.tokens.ring().jwks_of_receipts())
}

fn published(keys: &Value) -> Response {
    let may_keep = format!("public, max-age={}", PUBLISHED_MAX_AGE.num_seconds());
    ([(header::CACHE_CONTROL, may_keep)], Json(keys)).into_response()
}
