//! Who asks: extractors that a handler names to be protected.

mod derived;
pub mod grant_pace;
pub mod languages;
pub mod lockout;
pub mod making;
pub mod need;
pub mod password;
pub mod profile;
pub mod proof;
pub mod reset;
pub mod second_factors;
pub mod services;
pub mod sessions;
pub mod sign_in;
pub mod sign_up;
pub mod signing;
pub mod standings;
pub mod tokens;
pub mod users;

use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::event::Actor;
use domain::id::PlayerId;
use domain::identity::Ban;
use domain::role::{Permission, Permissions};

pub use need::May;
pub use sessions::SessionKey;
pub use tokens::Session;

use self::sign_in::rfc3339;
use self::standings::Standing;
use crate::app::App;
use crate::error::{ApiError, Reason};

/// A node that has not confirmed the log's head for so long answers nobody who is protected: bans
/// and revocations might have passed it by.
pub const LONGEST_UNCONFIRMED: Duration = Duration::from_secs(2);

/// Somebody who is signed in, on the own account.
#[derive(Debug, Clone, Copy)]
pub struct Player(pub Session);

impl Player {
    /// Whose account.
    #[must_use]
    pub fn id(&self) -> PlayerId {
        self.0.key.player
    }

    /// As the log calls them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Player(self.0.key.player)
    }
}

impl FromRequestParts<App> for Player {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self(signed_in(parts, app).await?.0))
    }
}

/// For addresses that are open to everybody: whoever is not signed in is nobody.
impl OptionalFromRequestParts<App> for Player {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, ApiError> {
        Ok(signed_in(parts, app).await.ok().map(|(session, _)| Self(session)))
    }
}

/// One of the staff.
#[derive(Debug, Clone, Copy)]
pub struct Staff {
    session: Session,
    permissions: Permissions,
    money: Money,
}

/// Whether somebody may do what moves money, if their role allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Money {
    /// They may.
    Moves,
    /// They have no second factor.
    WantsSecondFactor,
    /// They have one, and signed in before they had, or without it.
    WantsCode,
}

impl Money {
    /// Nobody is asked for a second factor outside production.
    fn of(session: &Session, has_totp: bool, app: &App) -> Self {
        match (has_totp, session.second_factor) {
            _ if !app.config.environment.is_production() => Self::Moves,
            (true, true) => Self::Moves,
            (true, false) => Self::WantsCode,
            (false, _) => Self::WantsSecondFactor,
        }
    }

    fn insist(self) -> Result<(), ApiError> {
        let detail = match self {
            Self::Moves => return Ok(()),
            Self::WantsSecondFactor => {
                "money moves by this: enrol a second factor at POST /api/auth/totp, then sign in \
                 with a code of it"
            }
            Self::WantsCode => {
                "money moves by this: sign in again, with a code of your second factor as totp"
            }
        };
        Err(ApiError::new(Reason::TotpEnrolmentRequired, detail))
    }
}

impl Staff {
    /// Whose account.
    #[must_use]
    pub fn id(&self) -> PlayerId {
        self.session.key.player
    }

    /// As the log calls them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Admin(self.id())
    }

    /// Insists that they may do this.
    ///
    /// # Errors
    /// If they may not; names what is missing. Or if money moves by it, and they have shown no second
    /// factor where one is asked for.
    pub fn insist_on(&self, permission: Permission) -> Result<(), ApiError> {
        if self.permissions.has(permission) {
            return if permission.moves_money() { self.money.insist() } else { Ok(()) };
        }
        let detail = format!("your role lacks the permission {permission}: ask an admin");
        Err(ApiError::new(Reason::Forbidden, detail).with("permission", permission.name()))
    }
}

impl FromRequestParts<App> for Staff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (session, standing) = signed_in(parts, app).await?;
        let SignedIn { permissions, has_totp } = standing;
        if permissions.is_empty() {
            let detail = "this is for the staff of the club";
            return Err(ApiError::new(Reason::Forbidden, detail));
        }
        Ok(Self { session, permissions, money: Money::of(&session, has_totp, app) })
    }
}

/// How somebody stands who is signed in.
struct SignedIn {
    permissions: Permissions,
    has_totp: bool,
}

async fn signed_in(parts: &Parts, app: &App) -> Result<(Session, SignedIn), ApiError> {
    let mut session = session_of(&parts.headers, app);
    if session.is_none() && is_key_found(&parts.headers, app).await {
        session = session_of(&parts.headers, app);
    }
    let session = session.ok_or_else(|| {
        let detail = "send a header Authorization: Bearer with a valid access token: sign in first";
        ApiError::new(Reason::Unauthenticated, detail)
    })?;
    insist_on_confirmation(app)?;
    insist_on_standing(&session.key, app).map(|standing| (session, standing))
}

/// Whether a token's key, of which this node does not know, may be known now: another node may have put it
/// in the place of one that leaked a moment ago.
async fn is_key_found(headers: &HeaderMap, app: &App) -> bool {
    let is_unknown = token_of(headers).is_some_and(|token| app.tokens.is_of_unknown_key(token));
    is_unknown && app.keeper.look_again(&app.tokens, app.commands.clock.as_ref()).await
}

/// How somebody with this session stands; unless they are banned, or the session was ended.
fn insist_on_standing(session: &SessionKey, app: &App) -> Result<SignedIn, ApiError> {
    match app.standings.of(session, app.commands.clock.now()) {
        Standing::Good { may, has_totp } => Ok(SignedIn { permissions: may, has_totp }),
        Standing::Banned(ban) => Err(banned(ban)),
        Standing::Ended => {
            let detail = "this session was ended: sign in again";
            Err(ApiError::new(Reason::Unauthenticated, detail))
        }
    }
}

/// How a ban is told to whom it keeps out.
#[must_use]
pub fn banned(ban: Ban) -> ApiError {
    let Some(until) = ban.until else {
        return ApiError::new(Reason::Banned, "this account is banned: ask the club's support");
    };
    let until = rfc3339(until);
    let detail = format!("this account is banned until {until}: ask the club's support");
    ApiError::new(Reason::Banned, detail).with("until", until)
}

/// Of a request's token, if it has one that is valid. Whether the session was ended is not asked.
pub fn session_of(headers: &HeaderMap, app: &App) -> Option<Session> {
    app.tokens.verify(token_of(headers)?, app.commands.clock.now().timestamp())
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok().and_then(bearer)
}

/// Insists that this node knows what was decided up to a moment ago.
///
/// # Errors
/// If it does not: no answer is better than an unchecked one.
pub fn insist_on_confirmation(app: &App) -> Result<(), ApiError> {
    let is_confirmed = app.commands.bus.unconfirmed_for() <= LONGEST_UNCONFIRMED;
    if !is_confirmed || !app.standings.is_up_to_date() {
        let detail = "this node has lost touch with the log: try again or ask another node";
        return Err(ApiError::new(Reason::LogUnconfirmed, detail));
    }
    Ok(())
}

/// The token of a header `Authorization`, if it is a bearer's.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_behind_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }
}
