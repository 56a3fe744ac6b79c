//! Who asks: extractors that a handler names to be protected.

pub mod grant_pace;
pub mod languages;
pub mod lockout;
pub mod password;
pub mod refresh;
pub mod role;
pub mod services;
pub mod sign_in;
pub mod sign_up;
pub mod signing;
pub mod tokens;
pub mod users;

use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;
use domain::event::Actor;
use domain::id::PlayerId;

pub use role::Role;
pub use tokens::Session;

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
        self.0.player
    }

    /// As the log calls them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Player(self.0.player)
    }
}

impl FromRequestParts<App> for Player {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        signed_in(parts, app).map(Self)
    }
}

/// For addresses that are open to everybody: whoever is not signed in is nobody.
impl OptionalFromRequestParts<App> for Player {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, ApiError> {
        Ok(signed_in(parts, app).ok().map(Self))
    }
}

/// A member of staff who may give gold and edit the shop.
#[derive(Debug, Clone, Copy)]
pub struct Admin(pub Session);

impl Admin {
    /// As the log calls them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Admin(self.0.player)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let session = signed_in(parts, app)?;
        if !session.role.may_grant() {
            let detail = "your role may not do this: ask an operator or an admin";
            return Err(ApiError::new(Reason::Forbidden, detail));
        }
        Ok(Self(session))
    }
}

/// A member of staff, who may see what the staff sees.
#[derive(Debug, Clone, Copy)]
pub struct Staff(pub Session);

impl FromRequestParts<App> for Staff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let session = signed_in(parts, app)?;
        if !session.role.is_staff() {
            let detail = "this is for the staff of the club";
            return Err(ApiError::new(Reason::Forbidden, detail));
        }
        Ok(Self(session))
    }
}

fn signed_in(parts: &Parts, app: &App) -> Result<Session, ApiError> {
    let session = session(parts, app).ok_or_else(|| {
        let detail = "send a header Authorization: Bearer with a valid access token: sign in first";
        ApiError::new(Reason::Unauthenticated, detail)
    })?;
    insist_on_confirmation(app)?;
    Ok(session)
}

fn session(parts: &Parts, app: &App) -> Option<Session> {
    session_of(&parts.headers, app)
}

/// Of the request's token, if it has one that is valid.
#[must_use]
pub fn session_of(headers: &HeaderMap, app: &App) -> Option<Session> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    app.tokens.verify(header.and_then(bearer)?, app.commands.clock.now().timestamp())
}

fn insist_on_confirmation(app: &App) -> Result<(), ApiError> {
    if app.commands.bus.unconfirmed_for() > LONGEST_UNCONFIRMED {
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
