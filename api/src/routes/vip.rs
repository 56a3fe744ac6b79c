//! The daily vip points.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::daily::Claimed;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::replayable;
use super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::ApiError;
use crate::reads;
use crate::request::{Asked, MinPosition};

/// A player's vip points.
#[derive(Debug, Serialize, ToSchema)]
pub struct VipStatus {
    /// Whether today's points were claimed: days are those of UTC.
    claimed_today: bool,
    vip_points: u64,
    /// When points were last claimed; never, if `null`.
    last_claim_at: Option<String>,
    position: u64,
}

/// The answer to a claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct VipClaimed {
    success: bool,
    awarded_points: u64,
    /// The points after the claim, at `position`.
    new_vip_points: u64,
    claimed_at: String,
    /// Whether the day had been claimed before: then this is what that claim gave.
    idempotent: bool,
    /// Where in the log the claim stands.
    position: u64,
}

/// How many points there are, and whether today's were claimed, from the node's own state.
#[utoipa::path(get, path = "/api/vip/status", tag = "daily", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is seen")),
    responses(
        (status = 200, description = "the points", body = VipStatus),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn status(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<VipStatus>, ApiError> {
    reads::seen(&app, min).await?;
    let standing = app.commands.daily(player.id()).await?;
    let daily = standing.body.daily;
    Ok(Json(VipStatus {
        claimed_today: daily.has_vip_of(standing.body.at),
        vip_points: standing.body.wallet.vip_points,
        last_claim_at: daily.last_vip_claim().map(rfc3339),
        position: standing.position,
    }))
}

/// Claims today's vip points, once a UTC day. Whoever claims again gets the answer of the first
/// time, with `idempotent`.
#[utoipa::path(post, path = "/api/vip/claim", tag = "daily", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "claimed, now or before", body = VipClaimed),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 409, description = "BALANCE_TOO_LARGE", body = Problem)))]
pub async fn claim(
    State(app): State<App>,
    player: Player,
    asked: Asked,
) -> Result<Response, ApiError> {
    let claimed = app.commands.claim_vip(&asked.caller(player.actor()), player.id()).await?;
    app.positions.acknowledge(player.id(), claimed.position);
    let Claimed { reward, at, wallet, is_repeat } = claimed.body;
    let answer = VipClaimed {
        success: true,
        awarded_points: reward,
        new_vip_points: wallet.vip_points,
        claimed_at: rfc3339(at),
        idempotent: is_repeat,
        position: claimed.position,
    };
    Ok(replayable(Json(answer).into_response(), claimed.replayed))
}
