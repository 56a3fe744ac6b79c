//! Signing in, and the answer to it.

use chrono::{DateTime, SecondsFormat, Utc};
use commands::daily::DailyStanding;
use domain::account::level;
use domain::event::Actor;
use domain::id::PlayerId;
use domain::identity::{Ban, Identity};
use domain::offer::Rank;
use domain::role::{BuiltIn, Permission};
use serde::Serialize;

use super::password;
use super::proof::{self, Code, Proved, Shown};
use super::sessions::{Issued, SessionKey};
use super::tokens::LIFETIME_SECONDS;
use super::users::User;
use crate::app::App;
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::Asked;

/// What somebody sends to sign in.
#[derive(Debug, Clone, utoipa::ToSchema)]
pub struct SignIn {
    /// The site id, or the nickname in any case.
    pub site_id: String,
    /// The password.
    pub password: String,
    /// A code of the second factor, or a recovery code; for whoever has enrolled one.
    pub totp: Option<String>,
}

impl SignIn {
    /// From a body.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let site_id = fields.required("site_id", values::line(1, 50));
        let password = fields.required("password", values::secret(1, 256));
        let totp = fields.nullable("totp", values::secret(1, 64));
        fields.finish(|| Some(Self { site_id: site_id?, password: password?, totp }))
    }
}

/// The answer to signing in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SignedIn {
    /// For the header Authorization.
    access_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// How long the access token lives, in seconds.
    expires_in: i64,
    /// For one more access token.
    refresh_token: String,
    /// Whether an admin has signed in.
    is_admin: bool,
    /// Who.
    user: UserView,
}

/// Somebody, as clients see them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UserView {
    id: i64,
    site_id: String,
    nickname: String,
    #[schema(value_type = String)]
    rank: Rank,
    is_active: bool,
    is_admin: bool,
    /// `player`, a built-in role of the staff, or one of the club's own.
    role: String,
    /// What the role allows; none for players.
    permissions: Vec<&'static str>,
    gold: u64,
    vip_points: u64,
    level: u64,
    xp: u64,
    created_at: String,
}

/// Finds somebody by name and password (and a code, where they have a second factor), and finishes what
/// a crash left of the sign-up.
///
/// # Errors
/// If name or password are wrong; which one is not told. Or the code, or if too many were.
pub async fn authenticate(app: &App, asked: &Asked, wish: SignIn) -> Result<Proved, ApiError> {
    let user = known(app, &wish.site_id).await?;
    let password = wish.password;
    let code = Code::IfEnrolled(wish.totp.as_deref());
    let shown = Shown { password: password.clone(), code };
    let wrong = "there is no such user with this password: check both";
    let Proved { user, second_factor } =
        proof::insist(app, &wish.site_id, user, shown, wrong).await?;
    if let Some(ban) = ban_of(app, user.id).await? {
        return Err(super::banned(ban));
    }
    if password::is_stale(&user.password_hash) {
        let fresh = app.passwords.hash(password).await?;
        app.users.replace_hash(user.id, &user.password_hash, &fresh).await?;
    }
    if user.is_active {
        return Ok(Proved { user, second_factor });
    }
    super::sign_up::open(app, asked, user.id, user.origin).await?;
    Ok(Proved { user: User { is_active: true, ..user }, second_factor })
}

/// The user behind a token that was checked.
///
/// # Errors
/// If there is none any more, or the database cannot be reached.
pub async fn user_of(app: &App, player: PlayerId) -> Result<User, ApiError> {
    let gone = || ApiError::new(Reason::Unauthenticated, "this account is gone: sign up again");
    app.users.by_id(player).await?.ok_or_else(gone)
}

/// Somebody by name. Who was erased has none, even if it is still about to be deleted.
async fn known(app: &App, name: &str) -> Result<Option<User>, ApiError> {
    let Some(user) = app.users.by_name(name).await? else { return Ok(None) };
    let erasure = app.commands.erasure(user.id).await?;
    Ok(Some(user).filter(|_| erasure.is_none()))
}

/// The ban that keeps somebody out now, as the node's own state has it.
async fn ban_of(app: &App, player: PlayerId) -> Result<Option<Ban>, ApiError> {
    let now = app.commands.clock.now();
    Ok(app.commands.standing(player, |identity| identity.ban_at(now)).await?)
}

/// Begins a session for somebody whose identity is proved.
///
/// # Errors
/// If database or log cannot be reached.
pub async fn sign_in(
    app: &App,
    asked: &Asked,
    Proved { user, second_factor }: Proved,
    user_agent: Option<&str>,
) -> Result<SignedIn, ApiError> {
    let (now, with_code) = (app.commands.clock.now(), second_factor.is_some());
    let issued = app.sessions.begin(user.id, with_code, user_agent, now).await?;
    with_tokens(app, asked, user, issued).await
}

/// Insists that a session may go on: it was not ended, and nobody has banned its owner.
///
/// # Errors
/// If it may not.
pub async fn insist_on_going_on(app: &App, session: &SessionKey) -> Result<(), ApiError> {
    let SessionKey { player, id, began_at } = *session;
    if let Some(ban) = ban_of(app, player).await? {
        return Err(super::banned(ban));
    }
    let has_ended = |identity: &Identity| identity.has_ended(id, began_at);
    match app.commands.standing(player, has_ended).await? {
        true => Err(super::sessions::invalid()),
        false => Ok(()),
    }
}

/// The answer with these tokens. Whoever gets one is there today, which missions may ask for.
///
/// # Errors
/// If the log cannot be reached.
pub async fn with_tokens(
    app: &App,
    asked: &Asked,
    user: User,
    Issued { session, second_factor, refresh_token }: Issued,
) -> Result<SignedIn, ApiError> {
    let caller = asked.caller(Actor::Player(user.id));
    let there = app.commands.record_login(&caller, user.id).await?;
    app.positions.acknowledge(user.id, there.place.position);
    let now = app.commands.clock.now().timestamp();
    let token = app.tokens.mint(&session, second_factor, now).map_err(ApiError::internal)?;
    Ok(SignedIn {
        access_token: token,
        token_type: "bearer",
        expires_in: LIFETIME_SECONDS,
        refresh_token,
        is_admin: is_admin(app, user.id),
        user: view(app, user).await?,
    })
}

/// Somebody, with what their account holds.
///
/// # Errors
/// If the log cannot be read.
pub async fn view(app: &App, user: User) -> Result<UserView, ApiError> {
    let (role, permissions) = app.standings.role(user.id);
    let DailyStanding { daily, wallet, .. } = app.commands.daily(user.id).await?.body;
    Ok(UserView {
        id: user.id.0,
        site_id: user.site_id,
        nickname: user.nickname,
        rank: app.commands.rank(user.id).await?,
        is_active: user.is_active,
        is_admin: is_admin(app, user.id),
        role: role.map_or_else(|| BuiltIn::Player.name().to_owned(), |role| role.to_string()),
        permissions: permissions.iter().map(Permission::name).collect(),
        gold: wallet.gold(),
        vip_points: wallet.vip_points,
        level: level(daily.xp()),
        xp: daily.xp(),
        created_at: rfc3339(user.created_at),
    })
}

/// Whether somebody has the role of an admin.
#[must_use]
pub fn is_admin(app: &App, player: PlayerId) -> bool {
    app.standings.role(player).0.is_some_and(|role| role.as_str() == BuiltIn::Admin.name())
}

/// A moment as answers show it: whole milliseconds, UTC.
#[must_use]
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
