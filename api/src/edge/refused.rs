//! What somebody asks of the administration and is refused is written down: who, what, and why not.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use commands::Caller;
use domain::audit::AuditEvent;
use domain::event::Actor;
use domain::id::PlayerId;

use crate::app::App;
use crate::auth;
use crate::error::{Problem, Reason};
use crate::request::RequestId;

/// The most of an address that is written down.
const LONGEST_PATH: usize = 200;

/// A request that changes something of the administration's, by somebody who is known.
pub struct Attempt {
    who: PlayerId,
    method: Method,
    path: String,
}

/// The code of a refusal. Whoever is told to come back later has not been refused.
pub fn code(response: &Response) -> Option<&'static str> {
    let problem = response.extensions().get::<Arc<Problem>>()?;
    let is_refusal = problem.status().is_client_error() && problem.reason != Reason::RateLimit;
    is_refusal.then(|| problem.reason.told().1)
}

impl Attempt {
    /// `None` for everything else. Reading is no attempt.
    pub fn of(request: &Request, route: Option<&MatchedPath>, app: &App) -> Option<Self> {
        let path = request.uri().path();
        if !path.starts_with("/api/admin/") || request.method().is_safe() {
            return None;
        }
        let who = auth::session_of(request.headers(), app)?.key.player;
        let path = told(path, route.map(MatchedPath::as_str));
        Some(Self { who, method: request.method().clone(), path })
    }

    /// Writes it down.
    pub async fn note(self, code: &str, id: &RequestId, app: &App) {
        let is_staff = !app.standings.role(self.who).1.is_empty();
        let actor = if is_staff { Actor::Admin(self.who) } else { Actor::Player(self.who) };
        let request = Some(id.0.as_ref().to_owned());
        let caller = Caller { actor, request, ..Caller::system("audit") };
        let refused = AuditEvent::AttemptRefused {
            at: app.commands.clock.now(),
            method: self.method.to_string(),
            path: self.path,
            code: code.to_owned(),
        };
        if let Err(error) = app.commands.note(&caller, self.who, refused).await {
            tracing::warn!(%error, "a refused attempt could not be written down");
        }
    }
}

/// An address as the log may have it: for ever. What stands where an id should, and is none, may be a name
/// that somebody typed there: the route's own word for it is told instead.
fn told(path: &str, route: Option<&str>) -> String {
    let Some(route) = route else { return "an unknown address".to_owned() };
    let is_id = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_code =
        |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let parts = route.split('/').zip(path.split('/')).map(|(name, part)| match name {
        "{code}" if is_code(part) => part,
        name if name.starts_with('{') && is_id(part) => part,
        name => name,
    });
    parts.collect::<Vec<_>>().join("/").chars().take(LONGEST_PATH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_and_names_are_not() {
        let ban = Some("/api/admin/users/{id}/ban");
        assert_eq!(told("/api/admin/users/23/ban", ban), "/api/admin/users/23/ban");
        assert_eq!(told("/api/admin/users/minjun/ban", ban), "/api/admin/users/{id}/ban");
        let role = Some("/api/admin/roles/{code}");
        assert_eq!(told("/api/admin/roles/shift_lead", role), "/api/admin/roles/shift_lead");
        assert_eq!(told("/api/admin/roles/%EB%AF%BC", role), "/api/admin/roles/{code}");
        assert_eq!(told("/api/admin/minjun", None), "an unknown address");
    }
}
