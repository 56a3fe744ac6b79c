//! Who asks: extractors that a handler names to be protected.

pub mod grant_pace;
pub mod languages;
pub mod lockout;
pub mod making;
pub mod need;
pub mod password;
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
        Ok(Self(signed_in(parts, app)?.0))
    }
}

/// For addresses that are open to everybody: whoever is not signed in is nobody.
impl OptionalFromRequestParts<App> for Player {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, ApiError> {
        Ok(signed_in(parts, app).ok().map(|(session, _)| Self(session)))
    }
}

/// One of the staff.
#[derive(Debug, Clone, Copy)]
pub struct Staff {
    session: Session,
    permissions: Permissions,
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
    /// If they may not; names what is missing.
    pub fn insist_on(&self, permission: Permission) -> Result<(), ApiError> {
        if self.permissions.has(permission) {
            return Ok(());
        }
        let detail = format!("your role lacks the permission {permission}: ask an admin");
        Err(ApiError::new(Reason::Forbidden, detail).with("permission", permission.name()))
    }
}

impl FromRequestParts<App> for Staff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (session, permissions) = signed_in(parts, app)?;
        if permissions.is_empty() {
            let detail = "this is for the staff of the club";
            return Err(ApiError::new(Reason::Forbidden, detail));
        }
        Ok(Self { session, permissions })
    }
}

fn signed_in(parts: &Parts, app: &App) -> Result<(Session, Permissions), ApiError> {
    let session = session_of(&parts.headers, app).ok_or_else(|| {
        let detail = "send a header Authorization: Bearer with a valid access token: sign in first";
        ApiError::new(Reason::Unauthenticated, detail)
    })?;
    insist_on_confirmation(app)?;
    insist_on_standing(&session.key, app).map(|permissions| (session, permissions))
}

/// What somebody with this session may do; unless they are banned, or the session was ended.
fn insist_on_standing(session: &SessionKey, app: &App) -> Result<Permissions, ApiError> {
    match app.standings.of(session, app.commands.clock.now()) {
        Standing::Good(permissions) => Ok(permissions),
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
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    app.tokens.verify(header.and_then(bearer)?, app.commands.clock.now().timestamp())
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
