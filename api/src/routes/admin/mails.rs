//! Mail, as the staff sees it: what was sent and what was not, and why.

pub mod suppressions;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::audit::AuditEvent;
use domain::id::PlayerId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query, word};
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::mail::{Entry, Kind, Status, Wanted};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// Which mails.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MailsQuery {
    /// To whom.
    user_id: Option<i64>,
    /// `queued`, `sent`, `failed`, `no_address`, `suppressed`, `not_configured`, `obsolete` or `unknown`.
    #[serde(default, deserialize_with = "word")]
    status: Option<String>,
    /// `welcome`, `receipt`, `refund`, `ban`, `confirm_email`, `password_reset`, `password_changed`,
    /// `campaign` or `campaign_test`.
    #[serde(default, deserialize_with = "word")]
    kind: Option<String>,
    /// What the page before answered as `next_cursor`.
    cursor: Option<u64>,
    /// Mails on a page: 50 unless told, 200 at most.
    limit: Option<u32>,
}

/// A mail. Nothing that is in it: that is rendered when it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailView {
    id: i64,
    user_id: i64,
    kind: &'static str,
    status: &'static str,
    /// The event that it is about.
    position: Option<u64>,
    campaign_id: Option<i64>,
    /// The mail that it repeats.
    resent_of: Option<i64>,
    attempts: i32,
    created_at: String,
    /// When it is tried next, while it is queued.
    due_at: Option<String>,
    finished_at: Option<String>,
    /// The last words of the mail server, without addresses.
    server_said: Option<String>,
}

/// A mail, as whoever gets it sees it; links that work once are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailDetail {
    #[serde(flatten)]
    mail: MailView,
    /// What it says today; `null` if nobody is there any more to whom it is said.
    preview: Option<Preview>,
}

/// What a mail says.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// Where it goes to; empty if that is not known.
    to: String,
    language: &'static str,
    subject: String,
    text: String,
    html: String,
}

/// A mail is sent once more.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resent {
    success: bool,
    position: u64,
}

/// A wish without more to say.
#[derive(Debug, ToSchema)]
pub struct ResendWish {
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// Mails, newest first.
#[utoipa::path(get, path = "/api/admin/mails", tag = "administration", security(("token" = ["see_players"])),
    params(MailsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<MailView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
    asked: Result<Query<MailsQuery>, QueryRejection>,
) -> Result<Json<Page<MailView>>, ApiError> {
    let asked = query(asked)?;
    reads::mail_caught_up(&app, staff.id(), min).await?;
    let wanted = Wanted {
        player: asked.user_id.map(PlayerId),
        status: asked.status.as_deref().map(|name| known(Status::find(name))).transpose()?,
        kind: asked.kind.as_deref().map(|name| known(Kind::find(name))).transpose()?,
    };
    let length = page_length(asked.limit);
    let position = app.mail_follower.position();
    let rows = app.mail.outbox.page(wanted, asked.cursor, length).await?;
    let number = |mail: &Entry| u64::try_from(mail.id).unwrap_or_default();
    let next_cursor = next_cursor(&rows, length, number);
    let items = rows.into_iter().map(MailView::from).collect();
    Ok(Json(Page { items, next_cursor, position }))
}

fn known<T>(found: Option<T>) -> Result<T, ApiError> {
    found.ok_or_else(|| {
        ApiError::new(Reason::BadRequest, "no such status or kind of mail: see /docs")
    })
}

/// One mail, and what it says. That it was looked at is written down.
#[utoipa::path(get, path = "/api/admin/mails/{id}", tag = "administration",
    security(("token" = ["see_personal_data"])),
    params(("id" = i64, Path, description = "the mail's number")),
    responses(
        (status = 200, description = "the mail", body = MailDetail),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such mail", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    staff: May<need::SeePersonalData>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Json<MailDetail>, ApiError> {
    let mail = found(&app, &id).await?;
    let seen = AuditEvent::PersonalDataSeen { at: app.commands.clock.now(), player: mail.player };
    app.commands.note(&asked.caller(staff.actor()), staff.id(), seen).await?;
    let letter = app.composer.preview(&mail).await.map_err(ApiError::internal)?;
    let preview = letter.map(|it| Preview {
        to: it.to,
        language: it.language,
        subject: it.subject,
        text: it.text,
        html: it.html,
    });
    Ok(Json(MailDetail { mail: mail.into(), preview }))
}

/// Has a mail sent once more, as a mail of its own. None of a campaign: those go out at most once.
#[utoipa::path(post, path = "/api/admin/mails/{id}/resend", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("id" = i64, Path, description = "the mail's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = ResendWish,
    responses(
        (status = 200, description = "it is in the outbox once more", body = Resent),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such mail", body = Problem),
        (status = 409, description = "it belongs to a campaign", body = Problem)))]
pub async fn resend(
    State(app): State<App>,
    staff: May<need::SendMail>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(ResendWish { idempotency_key: key }))?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(staff.actor());
    let mail = found(&app, &id).await?;
    if mail.campaign.is_some() {
        let detail = "mail of a campaign is sent at most once: send a campaign to this user";
        return Err(ApiError::new(Reason::Conflict, detail));
    }
    let done = app.commands.resend_mail(&caller, staff.id(), (mail.id, mail.player)).await?;
    app.positions.acknowledge(staff.id(), done.place.position);
    let answer = Resent { success: true, position: done.place.position };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

async fn found(app: &App, id: &str) -> Result<Entry, ApiError> {
    let not_found = || ApiError::new(Reason::NotFound, "there is no mail with this number");
    let id = id.parse().map_err(|_| not_found())?;
    app.mail.outbox.by_id(id).await?.ok_or_else(not_found)
}

impl From<Entry> for MailView {
    fn from(mail: Entry) -> Self {
        let is_queued = mail.status == Status::Queued;
        Self {
            id: mail.id,
            user_id: mail.player.0,
            kind: mail.kind.name(),
            status: mail.status.name(),
            position: mail.position,
            campaign_id: mail.campaign,
            resent_of: mail.resent_of,
            attempts: mail.attempts,
            created_at: rfc3339(mail.created_at),
            due_at: is_queued.then(|| rfc3339(mail.due_at)),
            finished_at: mail.finished_at.map(rfc3339),
            server_said: mail.server_said,
        }
    }
}
