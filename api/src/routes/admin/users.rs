//! The people of the club, as the staff sees them.

pub mod details;
pub mod erasure;
pub mod export;
pub mod making;
pub mod notes;
pub mod standing;
pub mod totp;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::account::level;
use domain::audit::AuditEvent;
use domain::id::PlayerId;
use domain::identity::{Erasure, Identity};
use domain::offer::Rank;
use domain::role::BuiltIn;
use projections::read_models::standings::{self, Overview};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::{query, word};
use crate::app::App;
use crate::auth::sessions::Shown;
use crate::auth::sign_in::rfc3339;
use crate::auth::users::{Person, Search};
use crate::auth::{May, need};
use crate::error::{ApiError, Reason};
use crate::live::presence;
use crate::reads;
use crate::request::{Asked, MinPosition, Segment, etag};
use notes::NoteView;

/// People on a page, unless more are asked for, and at most.
const PAGE: u32 = 10;
const LONGEST_PAGE: u32 = 100;

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UsersQuery {
    /// A part of the site id or the nickname, in any case; or the number.
    #[serde(default, deserialize_with = "word")]
    search: Option<String>,
    /// From 1.
    page: Option<u32>,
    /// At most so many items; more than 10 make longer pages. At most 100.
    limit: Option<u32>,
}

/// A page of people.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsersPage {
    /// How many were found, the staff included.
    users: u64,
    total_pages: u64,
    page: u32,
    page_size: u32,
    items: Vec<UserLine>,
    /// The position that the page shows.
    position: u64,
}

/// Somebody in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserLine {
    id: i64,
    /// `null`, as all that is known about a person, if they were erased.
    site_id: Option<String>,
    nickname: Option<String>,
    #[schema(value_type = String)]
    rank: Rank,
    /// Signed up to the end, and not banned or erased.
    is_active: bool,
    is_admin: bool,
    role: String,
    gold: u64,
    vip_points: u64,
    level: u64,
    xp: u64,
    created_at: Option<String>,
    ban: Option<BanView>,
}

/// A ban.
#[derive(Debug, Serialize, ToSchema)]
pub struct BanView {
    since: String,
    /// `null`: for good.
    until: Option<String>,
}

/// Somebody, with their sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserDetail {
    #[serde(flatten)]
    user: UserLine,
    /// Whether a live feed of theirs is open.
    online: bool,
    /// Raised with each edit; the ETag of this answer. `null` if there is nothing to edit any more.
    version: Option<u64>,
    sessions: Vec<StaffSessionView>,
    /// What the staff has written about them, newest first.
    notes: Vec<NoteView>,
    /// That they were erased, and whether all is gone.
    erasure: Option<ErasureView>,
    position: u64,
}

/// That somebody was erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasureView {
    /// Since when nobody is behind the number.
    requested_at: String,
    /// When all that was known about them was gone; `null` until then.
    completed_at: Option<String>,
}

impl From<Erasure> for ErasureView {
    fn from(Erasure { at, completed_at }: Erasure) -> Self {
        Self { requested_at: rfc3339(at), completed_at: completed_at.map(rfc3339) }
    }
}

/// A session, as the staff sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffSessionView {
    id: String,
    began_at: String,
    last_used_at: String,
    user_agent: Option<String>,
}

/// What is known about somebody as a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalData {
    id: i64,
    phone_number: String,
}

/// Everybody, by number.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", security(("token" = ["see_players"])),
    params(UsersQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = UsersPage),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
    asked: Result<Query<UsersQuery>, QueryRejection>,
) -> Result<Json<UsersPage>, ApiError> {
    let UsersQuery { search, page, limit } = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let (page, limit) = (page.unwrap_or(1).max(1), limit.unwrap_or(PAGE).min(LONGEST_PAGE));
    let page_size = limit.max(PAGE);
    let search = Search { text: search.unwrap_or_default(), page, page_size, limit };
    let (users, people) = app.users.search(&search).await?;
    let (items, position) = lines(&app, people).await?;
    let total_pages = users.div_ceil(u64::from(page_size));
    Ok(Json(UsersPage { users, total_pages, page, page_size, items, position }))
}

/// Somebody; also whoever was erased, as a number.
#[utoipa::path(get, path = "/api/admin/users/{id}", tag = "administration", security(("token" = ["see_players"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "somebody; the header ETag is for editing them", body = UserDetail),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    Segment(id): Segment,
    min: MinPosition,
) -> Result<Response, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let person = app.users.person(player).await?;
    let erasure = standings::erasure(&app.pool, player).await?.rows;
    if person.is_none() && erasure.is_none() {
        return Err(no_such_user());
    }
    let version = person.as_ref().map(|person| person.version);
    let shown = standings::overview(&app.pool, &[player]).await?;
    let user = UserLine::new(player, person, shown.rows.first(), app.commands.clock.now());
    let sessions = going_on(&app, player).await?;
    let notes = notes::about(&app, player).await?;
    let position = shown.position;
    let erasure = erasure.map(ErasureView::from);
    let online = presence::is_online(&app.pool, player).await?;
    let body = UserDetail { user, online, version, sessions, notes, erasure, position };
    let mut answer = Json(body).into_response();
    if let Some(version) = version {
        answer.headers_mut().insert(header::ETAG, etag(version));
    }
    Ok(answer)
}

/// The sessions that have not ended.
async fn going_on(app: &App, player: PlayerId) -> Result<Vec<StaffSessionView>, ApiError> {
    let sessions = app.sessions.of(player, app.commands.clock.now()).await?;
    let look = |identity: &Identity| {
        let going_on = |session: &&Shown| !identity.has_ended(session.id, session.began_at);
        sessions.iter().filter(going_on).map(|session| session.id).collect::<Vec<_>>()
    };
    let going_on = app.commands.standing(player, look).await?;
    let sessions = sessions.into_iter().filter(|session| going_on.contains(&session.id));
    Ok(sessions.map(StaffSessionView::from).collect())
}

/// What is known about somebody as a person. The look is written down.
#[utoipa::path(get, path = "/api/admin/users/{id}/personal", tag = "administration",
    security(("token" = ["see_personal_data"])),
    params(("id" = i64, Path, description = "the user's number")),
    responses(
        (status = 200, description = "personal data", body = PersonalData),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem)))]
pub async fn personal(
    State(app): State<App>,
    staff: May<need::SeePersonalData>,
    Segment(id): Segment,
    asked: Asked,
) -> Result<Json<PersonalData>, ApiError> {
    let Person { id: player, phone_number, .. } = person(&app, &id).await?;
    let seen = AuditEvent::PersonalDataSeen { at: app.commands.clock.now(), player };
    app.commands.note(&asked.caller(staff.actor()), staff.id(), seen).await?;
    Ok(Json(PersonalData { id: player.0, phone_number }))
}

fn no_such_user() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no user with this number")
}

async fn person(app: &App, id: &str) -> Result<Person, ApiError> {
    let player = id.parse().map_err(|_| no_such_user())?;
    app.users.person(player).await?.ok_or_else(no_such_user)
}

async fn lines(app: &App, people: Vec<Person>) -> Result<(Vec<UserLine>, u64), ApiError> {
    let ids: Vec<PlayerId> = people.iter().map(|person| person.id).collect();
    let shown = standings::overview(&app.pool, &ids).await?;
    let now = app.commands.clock.now();
    let line = |person: Person| {
        let has = shown.rows.iter().find(|row| row.user_id == person.id);
        UserLine::new(person.id, Some(person), has, now)
    };
    Ok((people.into_iter().map(line).collect(), shown.position))
}

impl UserLine {
    /// Whoever has not signed up to the end has nothing yet.
    fn new(
        player: PlayerId,
        person: Option<Person>,
        has: Option<&Overview>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Self {
        let standing = has.map(|has| has.standing);
        let role = standing.and_then(|standing| standing.role);
        let role = role.map_or_else(|| BuiltIn::Player.name().to_owned(), |role| role.to_string());
        let ban = standing.and_then(|standing| standing.ban);
        let ban = ban.filter(|ban| ban.until.is_none_or(|until| now < until));
        let xp = has.map_or(0, |has| has.xp);
        let is_erased = standing.is_some_and(|standing| standing.erasure.is_some());
        let is_active = person.as_ref().is_some_and(|person| person.is_active);
        let created_at = person.as_ref().map(|person| rfc3339(person.created_at));
        let names = person.map(|person| (person.site_id, person.nickname));
        let (site_id, nickname) = names.filter(|_| !is_erased).unzip();
        Self {
            id: player.0,
            site_id,
            nickname,
            rank: standing.map(|standing| standing.rank).unwrap_or_default(),
            is_active: is_active && ban.is_none() && !is_erased,
            is_admin: role == BuiltIn::Admin.name(),
            role,
            gold: has.map_or(0, |has| has.gold),
            vip_points: has.map_or(0, |has| has.vip_points),
            level: level(xp),
            xp,
            created_at,
            ban: ban.map(|ban| BanView { since: rfc3339(ban.at), until: ban.until.map(rfc3339) }),
        }
    }
}

impl From<Shown> for StaffSessionView {
    fn from(session: Shown) -> Self {
        Self {
            id: session.id.to_string(),
            began_at: rfc3339(session.began_at),
            last_used_at: rfc3339(session.last_used_at),
            user_agent: session.user_agent,
        }
    }
}
