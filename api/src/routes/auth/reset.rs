//! For whoever has forgotten the password.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use super::sessions::end_all;
use crate::app::App;
use crate::auth::reset::nobody;
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::request::Asked;

/// Every answer takes this long, whether there is somebody of this name or not.
const SAME_TIME: Duration = Duration::from_millis(250);

/// Who has forgotten the password.
#[derive(Debug, ToSchema)]
pub struct Forgotten {
    /// The site id, the nickname in any case, or the confirmed e-mail address.
    site_id: String,
}

/// Always the same answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkAsked {
    success: bool,
    message: &'static str,
}

/// Another password.
#[derive(Debug, ToSchema)]
pub struct PasswordReset {
    /// What stands behind the `#` of the link.
    token: String,
    /// At least 10 characters; 4 are enough in a demo.
    password: String,
}

/// The password is another one, and all sessions have ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct PasswordIsReset {
    success: bool,
    position: u64,
}

/// Mails a link with which another password can be set, if there is such an account with a confirmed
/// address. Whether there is one is not told.
#[utoipa::path(post, path = "/api/auth/password/forgot", tag = "identity", request_body = Forgotten,
    responses(
        (status = 202, description = "if there is such an account, a link is on its way", body = LinkAsked),
        (status = 422, description = "fields that cannot be used", body = Problem),
        (status = 429, description = "RATE_LIMIT: too fast", body = Problem)))]
pub async fn forgot(
    State(app): State<App>,
    mut fields: Fields,
) -> Result<(StatusCode, Json<LinkAsked>), ApiError> {
    let name = fields.required("site_id", values::line(1, 254));
    let Forgotten { site_id } = fields.finish(|| Some(Forgotten { site_id: name? }))?;
    // In a task of its own, so that what is done, and whether it fails, shows in no answer.
    let (resets, now) = (app.resets.clone(), app.commands.clock.now());
    tokio::spawn(async move {
        if let Err(error) = resets.ask(&site_id, now).await {
            let error = error.into_cause();
            tracing::warn!(%error, "a link for a forgotten password could not be made");
        }
    });
    tokio::time::sleep(SAME_TIME).await;
    let message = "메일 주소가 등록된 계정이라면 비밀번호를 다시 정하는 링크를 보냈습니다";
    Ok((StatusCode::ACCEPTED, Json(LinkAsked { success: true, message })))
}

/// Sets another password with a mailed link, and ends all sessions. A ban stays a ban.
#[utoipa::path(post, path = "/api/auth/password/reset", tag = "identity", request_body = PasswordReset,
    responses(
        (status = 200, description = "sign in with the new password", body = PasswordIsReset),
        (status = 410, description = "LINK_EXPIRED: used, replaced or too old", body = Problem),
        (status = 422, description = "a password that cannot be used", body = Problem)))]
pub async fn reset(
    State(app): State<App>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Json<PasswordIsReset>, ApiError> {
    let token = fields.required("token", values::secret(1, 256));
    let password = values::secret(app.config.auth.shortest_password, 256);
    let password = fields.required("password", password);
    let wish = fields.finish(|| Some(PasswordReset { token: token?, password: password? }))?;
    let player = app.resets.look_up(&wish.token, app.commands.clock.now()).await?;
    let hash = app.passwords.hash(wish.password).await?;
    // Everybody is logged out first: a crash in between leaves the old password, and strangers outside.
    let mut position = end_all(&app, &asked, player, None).await?;
    let now = app.commands.clock.now();
    app.resets.finish(&wish.token, &hash, now).await?;
    // Whoever came in meanwhile with the old password goes, too.
    if !app.sessions.of(player, now).await?.is_empty() {
        position = end_all(&app, &asked, player, None).await?;
    }
    let user = app.users.by_id(player).await?.ok_or_else(nobody)?;
    // Whoever has the letter box is no guesser.
    let who = app.lockout.who(&user.site_id, Some(user.id));
    app.lockout.forgive(who).await?;
    Ok(Json(PasswordIsReset { success: true, position }))
}
