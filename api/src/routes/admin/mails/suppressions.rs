//! Who gets no mail, whatever it is about: because their letter box sends it back, or they asked.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use commands::standing::StandingChange;
use domain::id::PlayerId;
use projections::read_models::standings::{self, MailSuppressedRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::super::super::paging::{Page, next_cursor, page_length, query};
use super::super::super::shop::transactions::PageQuery;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// Somebody who gets no mail.
#[derive(Debug, Serialize, ToSchema)]
pub struct Suppression {
    user_id: i64,
    since: String,
}

/// A wish to send somebody no mail.
#[derive(Debug, ToSchema)]
pub struct SuppressionWish {
    user_id: i64,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    reason: String,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// It is so.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionDone {
    success: bool,
    user_id: i64,
    is_suppressed: bool,
    position: u64,
}

/// Everybody who gets no mail, by number.
#[utoipa::path(get, path = "/api/admin/mails/suppressions", tag = "administration",
    security(("token" = ["see_players"])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<Suppression>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Suppression>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page = standings::mail_suppressed(&app.pool, asked.cursor, length).await?;
    let number = |row: &MailSuppressedRow| u64::try_from(row.user_id.0).unwrap_or_default();
    let next_cursor = next_cursor(&page.rows, length, number);
    let view =
        |row: &MailSuppressedRow| Suppression { user_id: row.user_id.0, since: rfc3339(row.since) };
    let items = page.rows.iter().map(view).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// Sends somebody no mail from now on; what is queued ends as `suppressed`.
#[utoipa::path(post, path = "/api/admin/mails/suppressions", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = SuppressionWish,
    responses(
        (status = 200, description = "suppressed, or was already", body = SuppressionDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    staff: May<need::SendMail>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let user_id = fields.required("user_id", values::user_id);
    let reason = fields.required("reason", values::line(2, 120));
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| {
        Some(SuppressionWish { user_id: user_id?.0, reason: reason?, idempotency_key: key })
    })?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let change = (StandingChange::SuppressMail, Some(wish.reason));
    decide(&app, *staff, PlayerId(wish.user_id), &asked, change).await
}

/// Sends somebody mail again. What was suppressed meanwhile is not sent by that.
#[utoipa::path(delete, path = "/api/admin/mails/suppressions/{id}", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "gets mail, or did so already", body = SuppressionDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem)))]
pub async fn remove(
    State(app): State<App>,
    staff: May<need::SendMail>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    let not_found = |_| ApiError::new(Reason::NotFound, "there is no user with this number");
    let player = id.parse().map_err(not_found)?;
    decide(&app, *staff, player, &asked, (StandingChange::AllowMail, None)).await
}

async fn decide(
    app: &App,
    staff: Staff,
    player: PlayerId,
    asked: &Asked,
    change: (StandingChange, Option<String>),
) -> Result<Response, ApiError> {
    let is_suppressed = change.0 == StandingChange::SuppressMail;
    let caller = asked.caller(staff.actor());
    let done = app.commands.change_standing(&caller, staff.id(), player, change).await?;
    let position = done.place.position;
    app.positions.acknowledge(staff.id(), position);
    let answer = SuppressionDone { success: true, user_id: player.0, is_suppressed, position };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}
