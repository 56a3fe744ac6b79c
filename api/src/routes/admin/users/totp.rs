//! The staff takes a second factor away from whoever lost the phone and the recovery codes.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::bus::Committed;
use commands::standing::StandingChange;
use domain::id::{EnrolmentId, PlayerId};
use domain::identity::IdentityEvent;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::no_such_user;
use super::standing::{ReasonWish, StandingDone};
use crate::app::App;
use crate::auth::{May, need};
use crate::body::Fields;
use crate::error::ApiError;
use crate::request::{Asked, Segment};

/// Lets somebody sign in by password alone again, and ends all of their sessions.
#[utoipa::path(delete, path = "/api/admin/users/{id}/totp", tag = "administration",
    security(("token" = ["edit_roles"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = ReasonWish,
    responses(
        (status = 200, description = "there is no second factor, or not any more", body = StandingDone),
        (status = 403, description = "not allowed; the own one; or somebody who may do more than you", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn reset(
    State(app): State<App>,
    staff: May<need::EditRoles>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let ReasonWish { reason, idempotency_key } = ReasonWish::parse(fields)?;
    let asked = asked.with_key(idempotency_key.as_deref())?;
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let caller = asked.caller(staff.actor());
    let change = (StandingChange::ResetTotp, Some(reason));
    let done = app.commands.change_standing(&caller, staff.id(), player, change).await?;
    // The log goes first: what a crash leaves counts for nothing.
    if let Some(enrolment) = removed(&done) {
        app.second_factors.forget(player, enrolment).await?;
    }
    app.positions.acknowledge(staff.id(), done.place.position);
    let answer = StandingDone::of(player, done.place.position);
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

/// What was removed: what has been enrolled since stays, also when this is asked again.
fn removed(done: &Committed) -> Option<EnrolmentId> {
    done.events.iter().find_map(|recorded| match recorded.event.decode().ok()? {
        IdentityEvent::TotpRemoved { enrolment, .. } => Some(enrolment),
        _ => None,
    })
}
