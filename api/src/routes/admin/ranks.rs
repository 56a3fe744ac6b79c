//! The ranks of players.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use domain::offer::Rank;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::Admin;
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, Segment};

/// A wish to give a rank.
#[derive(Debug, ToSchema)]
pub struct RankWish {
    /// `STANDARD` or `VIP`.
    #[schema(value_type = String)]
    rank: Rank,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    reason: Option<String>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl RankWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let rank = fields.required("rank", values::rank);
        let reason = fields.nullable("reason", values::line(2, 120));
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| Some(Self { rank: rank?, reason, idempotency_key }))
    }
}

/// The answer to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankDone {
    success: bool,
    user_id: i64,
    #[schema(value_type = String)]
    rank: Rank,
    position: u64,
}

/// Gives somebody a rank. Purchases under way keep theirs.
#[utoipa::path(put, path = "/api/admin/users/{id}/rank", tag = "administration",
    security(("token" = [])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = RankWish,
    responses(
        (status = 200, description = "given, or the present one already", body = RankDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn change_rank(
    State(app): State<App>,
    admin: Admin,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = RankWish::parse(fields)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let no_such_user = || ApiError::new(Reason::NotFound, "there is no user with this number");
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    app.users.by_id(player).await?.ok_or_else(no_such_user)?;
    let caller = asked.caller(admin.actor());
    let done = app.commands.change_rank(&caller, player, wish.rank, wish.reason).await?;
    let position = done.place.position;
    app.positions.acknowledge(admin.0.player, position);
    let answer = RankDone { success: true, user_id: player.0, rank: wish.rank, position };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}
