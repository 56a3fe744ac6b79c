//! Invites as the staff sees and makes them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::bus::Answer;
use commands::invites::{CreatedInvite, InviteNow};
use domain::id::InviteCode;
use domain::invite::InviteTerms;
use projections::read_models::invites::{self, InviteRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use super::super::shop::transactions::PageQuery;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// A wish to make an invite. Whoever knows its code can sign up.
#[derive(Debug, ToSchema)]
pub struct InviteWish {
    /// Its id: 4 to 40 letters, digits, `-` and `_`. If left out, ten characters that nobody can guess.
    #[schema(value_type = Option<String>)]
    code: Option<InviteCode>,
    /// How many may come in with it; any number, if left out.
    max_uses: Option<u32>,
    /// The first moment at which nobody does; never, if left out.
    expires_at: Option<DateTime<Utc>>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl InviteWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let code = fields.nullable("code", values::invite_code);
        let max_uses = fields.nullable("max_uses", values::count(u32::MAX));
        let expires_at = fields.nullable("expires_at", values::moment);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| Some(Self { code, max_uses, expires_at, idempotency_key }))
    }
}

/// An invite.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteView {
    code: String,
    /// How many have come in with it.
    uses: u64,
    max_uses: Option<u64>,
    expires_at: Option<String>,
    /// Whether it lets one more in: it is not deactivated, not expired and not used up.
    is_active: bool,
    created_at: String,
    /// When the staff has closed it.
    deactivated_at: Option<String>,
}

impl InviteView {
    fn new(invite: InviteRow, now: DateTime<Utc>) -> Self {
        let is_over = invite.expires_at.is_some_and(|end| now >= end)
            || invite.max_uses.is_some_and(|most| invite.uses >= most);
        Self {
            code: invite.code,
            uses: invite.uses,
            max_uses: invite.max_uses,
            expires_at: invite.expires_at.map(rfc3339),
            is_active: invite.deactivated_at.is_none() && !is_over,
            created_at: rfc3339(invite.created_at),
            deactivated_at: invite.deactivated_at.map(rfc3339),
        }
    }

    fn now(invite: InviteNow, now: DateTime<Utc>) -> Self {
        let InviteNow { code, created_at, terms, uses, deactivated_at } = invite;
        let row = InviteRow {
            code: code.to_string(),
            created_at,
            max_uses: terms.max_uses.map(u64::from),
            expires_at: terms.expires_at,
            uses,
            deactivated_at,
            created_position: 0,
        };
        Self::new(row, now)
    }
}

/// An invite that was made or closed.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteDone {
    success: bool,
    #[serde(flatten)]
    invite: InviteView,
    position: u64,
}

/// Invites, newest first.
#[utoipa::path(get, path = "/api/admin/invites", tag = "administration",
    security(("token" = ["staff"])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<InviteView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<InviteView>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page = invites::page(&app.pool, asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |invite| invite.created_position);
    let now = app.commands.clock.now();
    let items = page.rows.into_iter().map(|invite| InviteView::new(invite, now)).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// Makes an invite. Its terms stay as they are: what differs gets another code.
#[utoipa::path(post, path = "/api/admin/invites", tag = "administration",
    security(("token" = ["edit_invites"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = InviteWish,
    responses(
        (status = 201, description = "made", body = InviteDone),
        (status = 200, description = "there already, with these terms", body = InviteDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 409, description = "the code has other terms", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    admin: May<need::EditInvites>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = InviteWish::parse(fields)?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(admin.actor());
    let terms = InviteTerms { max_uses: wish.max_uses, expires_at: wish.expires_at };
    let created = app.commands.create_invite(&caller, wish.code, terms).await?;
    let (status, invite) = match created.body {
        // As it was when it was made, so that a repeat is told the same.
        CreatedInvite::New(new) => (StatusCode::CREATED, InviteView::now(new, new.created_at)),
        CreatedInvite::Known(known) => {
            (StatusCode::OK, InviteView::now(known, app.commands.clock.now()))
        }
    };
    Ok(done(&app, admin, status, invite, (created.position, created.replayed)))
}

/// Closes an invite: nobody comes in with it any more. Who is on the way in with it is refused.
#[utoipa::path(post, path = "/api/admin/invites/{code}/deactivate", tag = "administration",
    security(("token" = ["edit_invites"])),
    params(("code" = String, Path, description = "which"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "closed, now or before", body = InviteDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such invite", body = Problem)))]
pub async fn deactivate(
    State(app): State<App>,
    admin: May<need::EditInvites>,
    Segment(code): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    let unknown = |_| ApiError::new(Reason::NotFound, "there is no such invite code");
    let code: InviteCode = code.to_ascii_uppercase().parse().map_err(unknown)?;
    let caller = asked.caller(admin.actor());
    let Answer { body, position, replayed } = app.commands.deactivate_invite(&caller, code).await?;
    let invite = InviteView::now(body, app.commands.clock.now());
    Ok(done(&app, admin, StatusCode::OK, invite, (position, replayed)))
}

fn done(
    app: &App,
    admin: May<need::EditInvites>,
    status: StatusCode,
    invite: InviteView,
    (position, replayed): (u64, bool),
) -> Response {
    app.positions.acknowledge(admin.id(), position);
    let done = InviteDone { success: true, invite, position };
    replayable((status, Json(done)).into_response(), replayed)
}
