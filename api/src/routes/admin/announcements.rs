//! What the staff tells everybody who is here. It is heard on the live feed, channel `system`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::bus::{Answer, Committed};
use domain::announcement::{About, Announcement, Notice};
use domain::id::AnnouncementId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, Segment};

/// The longest text, in characters.
const LONGEST: usize = 500;

/// A wish to tell everybody something.
#[derive(Debug, ToSchema)]
pub struct AnnouncementWish {
    /// `maintenance`, `closing` or `news`.
    #[schema(value_type = String)]
    about: About,
    /// In Korean, up to 500 characters.
    text: String,
    /// In English.
    text_en: String,
    /// The first moment at which it stands no more; until it is taken back, if left out.
    ends_at: Option<DateTime<Utc>>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl AnnouncementWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let about = fields.required("about", values::one_of(&About::ALL.map(|it| (it.name(), it))));
        let text = fields.required("text", values::lines(1, LONGEST));
        let text_en = fields.required("text_en", values::lines(1, LONGEST));
        let ends_at = fields.nullable("ends_at", values::moment);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            let (about, text, text_en) = (about?, text?, text_en?);
            Some(Self { about, text, text_en, ends_at, idempotency_key })
        })
    }
}

/// An announcement that stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnnouncementView {
    id: i64,
    /// `maintenance`, `closing` or `news`.
    about: &'static str,
    text: String,
    text_en: String,
    published_at: String,
    ends_at: Option<String>,
}

impl AnnouncementView {
    fn new((id, announcement): (AnnouncementId, Announcement)) -> Self {
        let Announcement { published_at, notice } = announcement;
        Self {
            id: id.0,
            about: notice.about.name(),
            text: notice.text,
            text_en: notice.text_en,
            published_at: rfc3339(published_at),
            ends_at: notice.ends_at.map(rfc3339),
        }
    }
}

/// All announcements that stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct Standing {
    items: Vec<AnnouncementView>,
    position: u64,
}

/// An announcement that was published.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnnouncementDone {
    success: bool,
    #[serde(flatten)]
    announcement: AnnouncementView,
    position: u64,
}

/// An announcement that was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Withdrawn {
    success: bool,
    position: u64,
}

/// The announcements that stand, oldest first. What is over is in the audit log.
#[utoipa::path(get, path = "/api/admin/announcements", tag = "administration",
    security(("token" = ["staff"])),
    responses(
        (status = 200, description = "all of them", body = Standing),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(State(app): State<App>, _staff: Staff) -> Result<Json<Standing>, ApiError> {
    let (standing, position) = app.commands.announcements_now().await?;
    let items = standing.into_iter().map(AnnouncementView::new).collect();
    Ok(Json(Standing { items, position }))
}

/// Tells everybody who is here, and whoever comes until it ends or is taken back.
#[utoipa::path(post, path = "/api/admin/announcements", tag = "administration",
    security(("token" = ["announce"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = AnnouncementWish,
    responses(
        (status = 201, description = "published", body = AnnouncementDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 409, description = "too many stand already", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn publish(
    State(app): State<App>,
    staff: May<need::Announce>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = AnnouncementWish::parse(fields)?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(staff.actor());
    let AnnouncementWish { about, text, text_en, ends_at, .. } = wish;
    let notice = Notice { about, text, text_en, ends_at };
    let published = app.commands.publish_announcement(&caller, notice).await?;
    let Answer { body, position, replayed } = published;
    app.positions.acknowledge(staff.id(), position);
    let announcement = AnnouncementView::new(body);
    let done = AnnouncementDone { success: true, announcement, position };
    Ok(replayable((StatusCode::CREATED, Json(done)).into_response(), replayed))
}

/// Takes an announcement back. Asking again does nothing.
#[utoipa::path(post, path = "/api/admin/announcements/{id}/withdraw", tag = "administration",
    security(("token" = ["announce"])),
    params(("id" = i64, Path, description = "the announcement's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "taken back, or it was over already", body = Withdrawn),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such announcement", body = Problem)))]
pub async fn withdraw(
    State(app): State<App>,
    staff: May<need::Announce>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Response, ApiError> {
    let unknown = |_| ApiError::new(Reason::NotFound, "there is no such announcement");
    let id: AnnouncementId = id.parse().map_err(unknown)?;
    let caller = asked.caller(staff.actor());
    let Committed { place, replayed, .. } = app.commands.withdraw_announcement(&caller, id).await?;
    app.positions.acknowledge(staff.id(), place.position);
    let done = Withdrawn { success: true, position: place.position };
    Ok(replayable(Json(done).into_response(), replayed))
}
