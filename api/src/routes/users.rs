//! What a player has, and how it came about.

pub mod leaving;
pub mod profile;
pub mod statement;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use domain::money::Wallet;
use serde::Serialize;
use utoipa::ToSchema;

use super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::error::ApiError;
use crate::reads;
use crate::request::MinPosition;

/// A player's whole balance at a position of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Balance {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    /// Spendable gold.
    gold: u64,
    vip_points: u64,
    /// Gold owed.
    debt: u64,
    /// The position at which this is true.
    position: u64,
    /// How much of the gold was bought.
    gold_paid: u64,
    /// How much of the gold was given.
    gold_free: u64,
}

/// What a player has, from the node's own state.
#[utoipa::path(get, path = "/api/users/balance", tag = "users", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is seen")),
    responses(
        (status = 200, description = "the balance", body = Balance),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not here yet", body = Problem)))]
pub async fn balance(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Response, ApiError> {
    reads::seen(&app, min).await?;
    let (wallet, place) = app.commands.wallet(player.id()).await?;
    let Wallet { paid, free, debt, vip_points } = wallet.unwrap_or_default();
    let balance = Balance {
        user_id: player.id(),
        gold: paid.saturating_add(free),
        vip_points,
        debt,
        position: place.position,
        gold_paid: paid,
        gold_free: free,
    };
    let body = serde_json::to_vec(&balance).map_err(ApiError::internal)?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}
