//! Programs outside, such as game servers. They hold no tokens: each signs its requests with a secret
//! that it shares with the club.
//!
//! | header | what |
//! |---|---|
//! | `X-Service-Id` | its name |
//! | `X-Timestamp` | when it was signed, in seconds since 1970 |
//! | `X-Signature` | HMAC-SHA256 over timestamp, method, path and body, in hex |
//!
//! What is signed are four lines, `timestamp\nMETHOD\npath\nbody`: the path as it is sent, without
//! its query; the body byte for byte. There is no nonce: what programs report carries ids, so a
//! request that somebody sends once more, within its window, does nothing twice.

mod claim;
mod credentials;
mod id;
mod register;
mod scopes;
mod signature;

use axum::extract::{FromRequest, OriginalUri, Request};
use axum::http::request::Parts;
use domain::event::Actor;

pub use credentials::Credentials;
pub use id::ServiceId;
pub use register::{NotDone, OVERLAP, Register, Registered};
pub use scopes::{Scope, Scopes};
pub use signature::{ServiceKey, Signed};

use super::{insist_on_confirmation, session_of};
use crate::app::App;
use crate::body::{self, Fields};
use crate::error::{ApiError, Reason};
use claim::Claim;

/// A program outside that the club knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub id: ServiceId,
    /// What it may do.
    pub scopes: Scopes,
}

impl Program {
    /// As the log calls it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Service(self.id.to_string())
    }

    /// Insists that it may report actions of this type.
    ///
    /// # Errors
    /// If it may not; names the scope.
    pub fn insist_on_action(&self, action: &str) -> Result<(), ApiError> {
        if self.scopes.allows_action(action) {
            return Ok(());
        }
        let scope = format!("actions:{action}");
        let detail = format!(
            "{} lacks the scope {scope}: whoever runs the club gives it by 'club services allow'",
            self.id
        );
        Err(ApiError::new(Reason::ScopeMissing, detail).with("scope", scope))
    }
}

/// A request that a program signed: which one, and what it says. The signature covers the body, so
/// both come together, and nothing else of a handler may take the body.
#[derive(Debug)]
pub struct Service {
    /// Who.
    pub program: Program,
    /// What.
    pub fields: Fields,
}

impl FromRequest<App> for Service {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        let claim = Claim::of(&head.headers).ok_or_else(|| not_a_service(&head, app))?;
        let body = body::whole(body).await?;
        let known = app.services.known().await?;
        let known = claim.id.parse().ok().and_then(|id| known.get(&id));
        let signed = Signed {
            timestamp: claim.timestamp,
            method: head.method.as_str(),
            path: sent_path(&head),
            body: &body,
        };
        let now = app.commands.clock.now();
        let program = claim.verify(&app.services.key, known, &signed, now)?;
        insist_on_confirmation(app)?;
        Ok(Self { program, fields: Fields::read(&head.headers, &body)? })
    }
}

/// The path as the program sent and signed it: [`AnySlash`](crate::edge::AnySlash) may have changed
/// the request's own.
fn sent_path(head: &Parts) -> &str {
    let sent = head.extensions.get::<OriginalUri>();
    sent.map_or(&head.uri, |OriginalUri(uri)| uri).path()
}

fn not_a_service(head: &Parts, app: &App) -> ApiError {
    if session_of(&head.headers, app).is_some() {
        let detail = "progress comes from game servers and the club itself; a player's client can \
                      never send it";
        return ApiError::new(Reason::TrustedSourcesOnly, detail);
    }
    let detail = "sign the request as a service: send X-Service-Id, X-Timestamp and X-Signature";
    ApiError::new(Reason::ServiceCredentialRequired, detail)
}
