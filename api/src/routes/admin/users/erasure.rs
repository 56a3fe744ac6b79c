//! Erasing a player, by the staff.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::{ErasureView, no_such_user};
use crate::app::App;
use crate::auth::{May, need};
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::request::{Asked, Segment};

/// A wish to erase somebody.
#[derive(Debug, ToSchema)]
pub struct ErasureWish {
    /// Why: 2 to 120 characters. It is about the player, and is erased with all else.
    reason: String,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// Somebody was erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct Erased {
    success: bool,
    user_id: i64,
    erasure: Option<ErasureView>,
    position: u64,
}

/// Erases a player: ends all sessions at once, closes the account, and deletes what is known about the
/// person. What has happened stays in the log, as numbers. It cannot be undone.
#[utoipa::path(post, path = "/api/admin/users/{id}/erase", tag = "administration",
    security(("token" = ["erase_players"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = ErasureWish,
    responses(
        (status = 200, description = "erased, now or before; the user's detail says when all is gone", body = Erased),
        (status = 403, description = "not allowed, or oneself", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 409, description = "IN_DEBT, MONEY_UNDER_WAY or OF_THE_STAFF", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn erase(
    State(app): State<App>,
    staff: May<need::ErasePlayers>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let reason = fields.required("reason", values::line(2, 120));
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(ErasureWish { reason: reason?, idempotency_key: key }))?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    // Numbers that nobody ever had leave no trace.
    if app.users.person(player).await?.is_none() && app.commands.erasure(player).await?.is_none() {
        return Err(no_such_user());
    }
    let caller = asked.caller(staff.actor());
    let done = app.commands.erase(&caller, Some(staff.id()), player, Some(wish.reason)).await?;
    let position = done.place.position;
    app.positions.acknowledge(staff.id(), position);
    let answer = answer(&app, player, position).await?;
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

/// How it stands.
pub(crate) async fn answer(app: &App, player: PlayerId, position: u64) -> Result<Erased, ApiError> {
    let erasure = app.commands.erasure(player).await?.map(ErasureView::from);
    Ok(Erased { success: true, user_id: player.0, erasure, position })
}
