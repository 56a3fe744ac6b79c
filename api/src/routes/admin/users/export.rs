//! Everything that is held about a player, for the staff that answers for it.

use axum::extract::State;
use axum::response::Response;
use domain::audit::AuditEvent;
use domain::id::PlayerId;

use super::super::super::docs::Problem;
use super::no_such_user;
use crate::app::App;
use crate::auth::{May, need};
use crate::error::ApiError;
use crate::exports;
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// Everything that is held about somebody, as one JSON document. The look is written down.
#[utoipa::path(get, path = "/api/admin/users/{id}/export", tag = "administration",
    security(("token" = ["see_personal_data"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a file: format, user_id, position, withheld[{what, why}], held{table: rows}", content_type = "application/json"),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 503, description = "OVERLOADED: others are being read out", body = Problem)))]
pub async fn export(
    State(app): State<App>,
    staff: May<need::SeePersonalData>,
    Segment(id): Segment,
    min: MinPosition,
    asked: Asked,
) -> Result<Response, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let is_known = app.users.person(player).await?.is_some();
    if !is_known && app.commands.erasure(player).await?.is_none() {
        return Err(no_such_user());
    }
    let seen = AuditEvent::PersonalDataSeen { at: app.commands.clock.now(), player };
    app.commands.note(&asked.caller(staff.actor()), staff.id(), seen).await?;
    exports::document(&app, player)
}
