//! What a player may take along, and going for good.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

use super::super::admin::users::erasure::{Erased, answer};
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::auth::proof::{self, Code, Shown};
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::exports;
use crate::reads;
use crate::request::{Asked, MinPosition};

/// A wish to be erased.
#[derive(Debug, ToSchema)]
pub struct LeavingWish {
    /// A stolen token is not enough.
    password: String,
    /// A code of the second factor, or a recovery code; for whoever has enrolled one.
    totp: Option<String>,
}

/// Everything that is held about this player, as one JSON document: what the club knows, every event of
/// theirs, what the staff has written about them. It says at which position it was read, and what is kept
/// back.
#[utoipa::path(get, path = "/api/users/export", tag = "users", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a file: format, user_id, position, withheld[{what, why}], held{table: rows}", content_type = "application/json"),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "OVERLOADED: others are being read out", body = Problem)))]
pub async fn export(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Response, ApiError> {
    reads::caught_up(&app, Some(player.id()), min).await?;
    exports::document(&app, player.id())
}

/// Erases this player: ends all sessions at once, closes the account with all that is in it, and deletes
/// what is known about the person. It cannot be undone.
#[utoipa::path(post, path = "/api/users/erase", tag = "users", security(("token" = [])),
    request_body = LeavingWish,
    responses(
        (status = 200, description = "erased", body = Erased),
        (status = 401, description = "nobody is signed in, or the password is wrong", body = Problem),
        (status = 409, description = "IN_DEBT, MONEY_UNDER_WAY or OF_THE_STAFF", body = Problem),
        (status = 422, description = "fields that cannot be used", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many wrong passwords; says until when", body = Problem)))]
pub async fn erase(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let password = fields.required("password", values::secret(1, 256));
    let totp = fields.nullable("totp", values::secret(1, 64));
    let wish = fields.finish(|| Some(LeavingWish { password: password?, totp }))?;
    let code = Code::IfEnrolled(wish.totp.as_deref());
    proof::of_signed_in(&app, player.id(), Shown { password: wish.password, code }).await?;
    let caller = asked.caller(player.actor());
    let done = app.commands.erase(&caller, None, player.id(), None).await?;
    let answer = answer(&app, player.id(), done.place.position).await?;
    Ok(Json(answer).into_response())
}
