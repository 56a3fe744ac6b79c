//! What players may change about themselves.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::event::Actor;
use domain::id::PlayerId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::auth::profile::{Change, Profile};
use crate::auth::proof::{self, Code, Shown};
use crate::auth::users::Language;
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, IfMatch, etag};

/// A profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView {
    user_id: i64,
    site_id: String,
    nickname: String,
    /// `ko` or `en`.
    language: &'static str,
    /// The address, once it is confirmed.
    email: Option<String>,
    /// An address whose owner has not used the link that was mailed to it.
    pending_email: Option<String>,
    /// Whether news and offers may be mailed.
    marketing_mail: bool,
}

/// What is to be changed. What is left out stays.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "it describes a body, of which what is left out and what is null differ"
)]
pub struct ProfileWish {
    /// The name that others see, 2 to 50 characters.
    nickname: Option<String>,
    /// `ko` or `en`.
    language: Option<String>,
    /// Another address, to which a link is mailed; `null` takes the address away.
    email: Option<String>,
    /// Whether news and offers may be mailed; nobody gets any without asking for it.
    marketing_mail: Option<bool>,
    /// For another address: whoever has only stolen a token must not take the account with it.
    current_password: Option<String>,
}

/// A profile that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileDone {
    success: bool,
    #[serde(flatten)]
    profile: ProfileView,
    position: u64,
}

/// A link that was mailed.
#[derive(Debug, ToSchema)]
pub struct Confirmation {
    /// What stands behind the `#`.
    token: String,
}

/// An address was confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirmed {
    success: bool,
    position: u64,
}

/// The own profile.
#[utoipa::path(get, path = "/api/users/profile", tag = "users", security(("token" = [])), responses(
    (status = 200, description = "the profile, its version as ETag", body = ProfileView),
    (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn profile(State(app): State<App>, player: Player) -> Result<Response, ApiError> {
    let profile = now(&app, player.id()).await?;
    let headers = personal(profile.version);
    Ok((headers, Json(ProfileView::from(profile))).into_response())
}

/// Changes the own profile.
#[utoipa::path(put, path = "/api/users/profile", tag = "users", security(("token" = [])),
    params(("If-Match" = Option<String>, Header, description = "the ETag of the version that is changed")),
    request_body = ProfileWish,
    responses(
        (status = 200, description = "changed, or as it was", body = ProfileDone),
        (status = 401, description = "nobody is signed in, or the password is wrong", body = Problem),
        (status = 409, description = "NICKNAME_TAKEN", body = Problem),
        (status = 412, description = "it is at another version than If-Match says", body = Problem),
        (status = 422, description = "fields that cannot be used", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many wrong passwords or addresses", body = Problem)))]
pub async fn change(
    State(app): State<App>,
    player: Player,
    IfMatch(versions): IfMatch,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let (change, password) = parse(fields)?;
    if changes_address(&app, player.id(), &change).await? {
        insist_on_password(&app, player.id(), password).await?;
    }
    let now = app.commands.clock.now();
    let seen = (&change, versions.as_deref());
    let is_new = app.profiles.change(player.id(), seen, now).await?;
    let position = match is_new {
        true => announce(&app, &asked, player.id()).await?,
        false => app.positions.of(player.id()),
    };
    let profile = self::now(&app, player.id()).await?;
    let headers = personal(profile.version);
    let done = ProfileDone { success: true, profile: profile.into(), position };
    Ok((headers, Json(done)).into_response())
}

/// Confirms an address with the link that was mailed to it. Works without being signed in: the link may be
/// opened anywhere.
#[utoipa::path(post, path = "/api/users/profile/email/confirm", tag = "users",
    request_body = Confirmation,
    responses(
        (status = 200, description = "confirmed", body = Confirmed),
        (status = 409, description = "EMAIL_TAKEN: it belongs to another account", body = Problem),
        (status = 410, description = "LINK_EXPIRED: used, replaced or too old", body = Problem)))]
pub async fn confirm(
    State(app): State<App>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Json<Confirmed>, ApiError> {
    let token = fields.required("token", values::secret(1, 256));
    let Confirmation { token } = fields.finish(|| Some(Confirmation { token: token? }))?;
    let player = app.profiles.confirm(&token, app.commands.clock.now()).await?;
    let position = announce(&app, &asked, player).await?;
    Ok(Json(Confirmed { success: true, position }))
}

fn parse(mut fields: Fields) -> Result<(Change, Option<String>), ApiError> {
    let languages = [("ko", Language::Korean), ("en", Language::English)];
    let nickname = fields.optional("nickname", values::line(2, 50));
    let language = fields.optional("language", values::one_of(&languages));
    let has_email = fields.has("email");
    let email = fields.nullable("email", values::email);
    let marketing_mail = fields.optional("marketing_mail", values::boolean);
    let password = fields.nullable("current_password", values::secret(1, 256));
    fields.finish(|| {
        let email = has_email.then_some(email);
        Some((Change { nickname, language, email, marketing_mail }, password))
    })
}

/// The one that is set, or on its way, is no other address.
async fn changes_address(app: &App, id: PlayerId, change: &Change) -> Result<bool, ApiError> {
    let Some(wanted) = &change.email else { return Ok(false) };
    Ok(now(app, id).await?.email != *wanted)
}

async fn insist_on_password(
    app: &App,
    id: PlayerId,
    password: Option<String>,
) -> Result<(), ApiError> {
    let Some(password) = password else {
        let detail = "another address wants your password: send it as current_password";
        return Err(ApiError::new(Reason::InvalidCredentials, detail));
    };
    proof::of_signed_in(app, id, Shown { password, code: Code::NotAsked }).await?;
    Ok(())
}

/// Tells the other screens. The profile is changed already: if the log cannot be reached, nobody is told.
pub async fn announce(app: &App, asked: &Asked, player: PlayerId) -> Result<u64, ApiError> {
    app.languages.forget(player);
    let caller = asked.caller(Actor::Player(player));
    let position = app.commands.announce_profile(&caller, player).await?.place.position;
    app.positions.acknowledge(player, position);
    Ok(position)
}

async fn now(app: &App, id: PlayerId) -> Result<Profile, ApiError> {
    let gone = || ApiError::new(Reason::Unauthenticated, "this account is gone: sign up again");
    app.profiles.of(id, app.commands.clock.now()).await?.ok_or_else(gone)
}

/// For its owner, and for no cache on the way.
fn personal(version: u32) -> [(header::HeaderName, HeaderValue); 2] {
    let no_store = HeaderValue::from_static("no-store");
    [(header::ETAG, etag(version.into())), (header::CACHE_CONTROL, no_store)]
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            user_id: profile.id.0,
            site_id: profile.site_id,
            nickname: profile.nickname,
            language: profile.language.code(),
            email: profile.email,
            pending_email: profile.pending_email,
            marketing_mail: profile.marketing_mail,
        }
    }
}
