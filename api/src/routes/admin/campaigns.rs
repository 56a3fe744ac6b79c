//! Mail campaigns, as the staff makes and sends them.

mod terms;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::campaigns::CampaignChange;
use domain::campaign::{CampaignCounts, CampaignRefusal};
use domain::id::CampaignId;
use projections::read_models::campaigns::{self, CampaignRow};
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
use crate::error::ApiError;
use crate::mail::{self, recipients};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};
use terms::{CampaignWish, SentTerms, TermsView};

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignView {
    id: i64,
    /// `draft`, `started` (being sent, or from `starts_at` on), `stopped` or `finished`.
    status: &'static str,
    #[serde(flatten)]
    terms: TermsView,
    drawn_at: String,
    starts_at: Option<String>,
    /// How many would have got it when it was started.
    expected: Option<u64>,
    finished_at: Option<String>,
    /// What became of it: so far, of one campaign; at the end, in a list.
    counts: Option<CountsView>,
}

/// What became of a campaign's mails.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsView {
    recipients: u64,
    /// Still to be sent.
    queued: u64,
    sent: u64,
    failed: u64,
    /// They want no such mail any more, or get none.
    suppressed: u64,
    no_address: u64,
    /// Whether the mail server has it is not known; it is not sent again.
    unknown: u64,
}

/// A campaign that was drawn up.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignDrawn {
    success: bool,
    id: i64,
    position: u64,
}

/// A campaign that was started, tried, stopped or resumed.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignDone {
    success: bool,
    id: i64,
    position: u64,
}

/// A wish to send it.
#[derive(Debug, ToSchema)]
pub struct StartWish {
    /// From when on; at once, if left out.
    starts_at: Option<DateTime<Utc>>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// A wish without more to say.
#[derive(Debug, ToSchema)]
pub struct CampaignStep {
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// Campaigns, newest first.
#[utoipa::path(get, path = "/api/admin/campaigns", tag = "administration", security(("token" = ["staff"])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<CampaignView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<CampaignView>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page = campaigns::page(&app.pool, asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.drawn_position);
    let items = page.rows.into_iter().map(CampaignView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// One campaign, and what became of it so far.
#[utoipa::path(get, path = "/api/admin/campaigns/{id}", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = i64, Path, description = "the campaign's number"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the campaign", body = CampaignView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such campaign", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    staff: Staff,
    Segment(id): Segment,
    min: MinPosition,
) -> Result<Json<CampaignView>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let id = number(&id)?;
    let row = campaigns::by_id(&app.pool, id).await?.rows.ok_or_else(not_found)?;
    let counts = row.starts_at.is_some().then_some(mail::counts(&app.pool, id).await?);
    Ok(Json(CampaignView { counts: counts.map(CountsView::from), ..row.into() }))
}

/// Draws a campaign up, under the next number. Nobody gets it before it is started.
#[utoipa::path(post, path = "/api/admin/campaigns", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = CampaignWish,
    responses(
        (status = 201, description = "drawn up", body = CampaignDrawn),
        (status = 403, description = "not allowed", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn draw_up(
    State(app): State<App>,
    staff: May<need::SendMail>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let SentTerms { terms, idempotency_key } = SentTerms::parse(fields)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(staff.actor());
    let drawn = app.commands.draw_up_campaign(&caller, terms).await?;
    app.positions.acknowledge(staff.id(), drawn.position);
    let (id, position) = (drawn.campaign.0, drawn.position);
    let answer = (StatusCode::CREATED, Json(CampaignDrawn { success: true, id, position }));
    Ok(replayable(answer.into_response(), drawn.replayed))
}

/// Sends a campaign, now or later. Who gets it is decided when it begins. A dry run tells how many would get
/// it now: `expected` of its event.
#[utoipa::path(post, path = "/api/admin/campaigns/{id}/start", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("id" = i64, Path, description = "the campaign's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = StartWish,
    responses(
        (status = 200, description = "started, or it was already", body = CampaignDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such campaign", body = Problem),
        (status = 409, description = "it was started before", body = Problem)))]
pub async fn start(
    State(app): State<App>,
    staff: May<need::SendMail>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let starts_at = fields.nullable("starts_at", values::moment);
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(StartWish { starts_at, idempotency_key: key }))?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let id = number(&id)?;
    let campaign = app.commands.campaign_now(id).await?.ok_or_else(not_found)?;
    let terms = campaign.terms().ok_or_else(not_found)?;
    let now = app.commands.clock.now();
    let expected = recipients(&app.pool, &terms.audience, now).await?.len();
    let expected = u64::try_from(expected).unwrap_or(u64::MAX);
    change(&app, *staff, id, &asked, CampaignChange::Start(wish.starts_at, expected)).await
}

/// Sends nothing more, until it is resumed.
#[utoipa::path(post, path = "/api/admin/campaigns/{id}/stop", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("id" = i64, Path, description = "the campaign's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = CampaignStep,
    responses(
        (status = 200, description = "stopped, or it was already", body = CampaignDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such campaign", body = Problem),
        (status = 409, description = "it was not started, or is finished", body = Problem)))]
pub async fn stop(
    State(app): State<App>,
    staff: May<need::SendMail>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    step(&app, *staff, &id, asked, fields, CampaignChange::Stop).await
}

/// Sends the rest.
#[utoipa::path(post, path = "/api/admin/campaigns/{id}/resume", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("id" = i64, Path, description = "the campaign's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = CampaignStep,
    responses(
        (status = 200, description = "goes on, or did so already", body = CampaignDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such campaign", body = Problem),
        (status = 409, description = "it was not started, or is finished", body = Problem)))]
pub async fn resume(
    State(app): State<App>,
    staff: May<need::SendMail>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    step(&app, *staff, &id, asked, fields, CampaignChange::Resume).await
}

/// Sends it to whoever asks, in the language of their profile.
#[utoipa::path(post, path = "/api/admin/campaigns/{id}/test", tag = "administration",
    security(("token" = ["send_mail"])),
    params(("id" = i64, Path, description = "the campaign's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = CampaignStep,
    responses(
        (status = 200, description = "on its way, if you have a confirmed address: see /api/admin/mails", body = CampaignDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such campaign", body = Problem)))]
pub async fn test(
    State(app): State<App>,
    staff: May<need::SendMail>,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let to = CampaignChange::Test(staff.id());
    step(&app, *staff, &id, asked, fields, to).await
}

async fn step(
    app: &App,
    staff: Staff,
    id: &str,
    asked: Asked,
    mut fields: Fields,
    what: CampaignChange,
) -> Result<Response, ApiError> {
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(CampaignStep { idempotency_key: key }))?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    change(app, staff, number(id)?, &asked, what).await
}

async fn change(
    app: &App,
    staff: Staff,
    id: CampaignId,
    asked: &Asked,
    what: CampaignChange,
) -> Result<Response, ApiError> {
    let caller = asked.caller(staff.actor());
    let done = app.commands.change_campaign(&caller, id, what).await?;
    let position = done.place.position;
    app.positions.acknowledge(staff.id(), position);
    let answer = CampaignDone { success: true, id: id.0, position };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

fn number(id: &str) -> Result<CampaignId, ApiError> {
    id.parse().map_err(|_| not_found())
}

fn not_found() -> ApiError {
    CampaignRefusal::NotFound.into()
}

impl From<CampaignRow> for CampaignView {
    fn from(row: CampaignRow) -> Self {
        Self {
            id: row.campaign_id.0,
            status: row.status.name(),
            terms: row.terms.into(),
            drawn_at: rfc3339(row.drawn_at),
            starts_at: row.starts_at.map(rfc3339),
            expected: row.expected,
            finished_at: row.finished_at.map(rfc3339),
            counts: row.counts.map(CountsView::from),
        }
    }
}

impl From<CampaignCounts> for CountsView {
    fn from(counts: CampaignCounts) -> Self {
        let CampaignCounts { recipients, sent, failed, suppressed, no_address, unknown } = counts;
        let over = sent + failed + suppressed + no_address + unknown;
        let queued = recipients.saturating_sub(over);
        Self { recipients, queued, sent, failed, suppressed, no_address, unknown }
    }
}
