//! A second factor of one's own: enrolled, confirmed by a code, removed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::standing::TotpChange;
use domain::identity::{Identity, IdentityRefusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use super::NO_STORE;
use crate::app::App;
use crate::auth::Player;
use crate::auth::proof::{self, Code, Shown};
use crate::auth::second_factors::ForPhone;
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::request::Asked;

/// Whether somebody has a second factor.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotpState {
    /// Whether signing in takes a code.
    enrolled: bool,
    /// Whether this very session began with one.
    signed_in_with_code: bool,
    /// Whether the own role moves money, which takes a second factor here.
    required: bool,
    recovery_codes_left: i64,
}

/// A wish to enrol a phone.
#[derive(Debug, ToSchema)]
pub struct TotpBegin {
    password: String,
}

/// What the phone has to know. Told once; it counts for nothing before a code of it was shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotpBegun {
    /// In base 32, for whoever types it.
    secret: String,
    /// The same, as phones read it from a QR code: SHA-1, six digits, 30 seconds.
    otpauth_uri: String,
}

/// The first code.
#[derive(Debug, ToSchema)]
pub struct TotpConfirm {
    /// Six digits.
    code: String,
}

/// Signing in takes a code from now on.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotpConfirmed {
    success: bool,
    /// Each lets in once, without the phone. Told once: write them down.
    recovery_codes: Vec<String>,
    position: u64,
}

/// A wish to be asked for no codes any more.
#[derive(Debug, ToSchema)]
pub struct TotpRemoval {
    password: String,
    /// Of the phone, or a recovery code.
    code: String,
}

/// Signing in takes no code any more.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotpRemoved {
    success: bool,
    position: u64,
}

/// Whether signing in takes a code.
#[utoipa::path(get, path = "/api/auth/totp", tag = "identity", security(("token" = [])), responses(
    (status = 200, description = "whether", body = TotpState),
    (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn state(State(app): State<App>, player: Player) -> Result<Json<TotpState>, ApiError> {
    let enrolled = app.commands.standing(player.id(), Identity::totp).await?;
    let recovery_codes_left = match enrolled {
        Some(enrolment) => app.second_factors.recovery_codes_left(enrolment).await?,
        None => 0,
    };
    let moves_money = app.standings.role(player.id()).1.move_money();
    Ok(Json(TotpState {
        enrolled: enrolled.is_some(),
        signed_in_with_code: player.0.second_factor,
        required: app.config.environment.is_production() && moves_money,
        recovery_codes_left,
    }))
}

/// Begins to enrol a phone; asking again gives another secret.
#[utoipa::path(post, path = "/api/auth/totp", tag = "identity", security(("token" = [])),
    request_body = TotpBegin,
    responses(
        (status = 200, description = "the secret; confirm it within an hour", body = TotpBegun),
        (status = 401, description = "nobody is signed in, or the password is wrong", body = Problem),
        (status = 409, description = "CONFLICT: a second factor is enrolled already", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many wrong passwords or codes", body = Problem)))]
pub async fn begin(
    State(app): State<App>,
    player: Player,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let password = fields.required("password", values::secret(1, 256));
    let wish = fields.finish(|| Some(TotpBegin { password: password? }))?;
    let shown = Shown { password: wish.password, code: Code::NotAsked };
    let user = proof::of_signed_in(&app, player.id(), shown).await?.user;
    if app.commands.standing(user.id, Identity::totp).await?.is_some() {
        return Err(IdentityRefusal::AlreadyEnrolled.into());
    }
    let now = app.commands.clock.now();
    let ForPhone { secret, otpauth_uri } =
        app.second_factors.begin(user.id, &user.site_id, now).await?;
    Ok(([NO_STORE], Json(TotpBegun { secret, otpauth_uri })).into_response())
}

/// Enrols the phone that shows this code, and ends all other sessions.
#[utoipa::path(post, path = "/api/auth/totp/confirm", tag = "identity", security(("token" = [])),
    request_body = TotpConfirm,
    responses(
        (status = 200, description = "enrolled; the recovery codes are told this once", body = TotpConfirmed),
        (status = 401, description = "nobody is signed in; or TOTP_WRONG: or nothing was begun within an hour", body = Problem),
        (status = 409, description = "CONFLICT: a second factor is enrolled already", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many wrong codes", body = Problem)))]
pub async fn confirm(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let code = fields.required("code", values::secret(1, 64));
    let wish = fields.finish(|| Some(TotpConfirm { code: code? }))?;
    let who = app.lockout.who("", Some(player.id()));
    let now = app.commands.clock.now();
    app.lockout.insist_on_unlocked(who, now).await?;
    let confirmed = app.second_factors.confirm(player.id(), &wish.code, now).await?;
    let Some(confirmed) = confirmed else {
        app.lockout.tried(who, false, now).await?;
        return Err(proof::wrong_code());
    };
    // A crash before this leaves a secret that counts for nothing: whoever begins again has another.
    let enrol = TotpChange::Enrol(confirmed.enrolment, player.0.key.id);
    let position = change(&app, &asked, player, enrol).await?;
    app.sessions.forget_all(player.id(), Some(player.0.key.id)).await?;
    let recovery_codes = confirmed.recovery_codes;
    let answer = TotpConfirmed { success: true, recovery_codes, position };
    Ok(([NO_STORE], Json(answer)).into_response())
}

/// Takes the second factor away, and ends all other sessions.
#[utoipa::path(delete, path = "/api/auth/totp", tag = "identity", security(("token" = [])),
    request_body = TotpRemoval,
    responses(
        (status = 200, description = "signing in takes no code any more, or never did", body = TotpRemoved),
        (status = 401, description = "nobody is signed in; or password or code are wrong: INVALID_CREDENTIALS, TOTP_WRONG", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many wrong passwords or codes", body = Problem)))]
pub async fn remove(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    mut fields: Fields,
) -> Result<Json<TotpRemoved>, ApiError> {
    let password = fields.required("password", values::secret(1, 256));
    let code = fields.required("code", values::secret(1, 64));
    let wish = fields.finish(|| Some(TotpRemoval { password: password?, code: code? }))?;
    let code = Code::IfEnrolled(Some(&wish.code));
    let shown = Shown { password: wish.password, code };
    let Some(enrolment) = proof::of_signed_in(&app, player.id(), shown).await?.second_factor else {
        let position = app.commands.bus.head().position;
        return Ok(Json(TotpRemoved { success: true, position }));
    };
    // The log goes first: a crash after it leaves a secret that counts for nothing.
    let remove = TotpChange::Remove(enrolment, player.0.key.id);
    let position = change(&app, &asked, player, remove).await?;
    app.second_factors.forget(player.id(), enrolment).await?;
    app.sessions.forget_all(player.id(), Some(player.0.key.id)).await?;
    Ok(Json(TotpRemoved { success: true, position }))
}

async fn change(
    app: &App,
    asked: &Asked,
    player: Player,
    change: TotpChange,
) -> Result<u64, ApiError> {
    let caller = asked.caller(player.actor());
    let done = app.commands.change_totp(&caller, player.id(), change).await?;
    app.positions.acknowledge(player.id(), done.place.position);
    Ok(done.place.position)
}
