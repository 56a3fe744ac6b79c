//! What a player is told when there is no round, and the one file of the game with status codes.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::players::Unknown;
use super::reports::NotReported;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why there is no round.
#[derive(Debug)]
pub enum Refusal {
    /// There is nothing at this address.
    NotFound,
    /// Nobody is signed in.
    Unauthenticated,
    /// The body says no side of the coin.
    NoSide,
    /// Too fast: how long to wait.
    TooFast(Duration),
    /// The club does not count this player's rounds.
    NotCounted,
    /// The club did not say that the round counts, so it does not.
    Void,
}

impl Refusal {
    fn told(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", "there is POST /play here"),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "UNAUTHENTICATED",
                "send a header Authorization: Bearer with an access token of the club",
            ),
            Self::NoSide => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "VALIDATION_FAILED",
                "send {\"pick\": \"heads\"} or {\"pick\": \"tails\"} as JSON",
            ),
            Self::TooFast(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMIT",
                "three rounds a second are enough: wait a moment",
            ),
            Self::NotCounted => (
                StatusCode::CONFLICT,
                "ROUND_NOT_COUNTED",
                "the club does not count this player's rounds",
            ),
            Self::Void => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ROUND_VOID",
                "the club did not confirm this round, so it is void: play again in a moment",
            ),
        }
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooFast(wait) => Some(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(1)),
            Self::Void => Some(2),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, detail) = self.told();
        let body = json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
            "code": code, "detail": detail,
        });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Unknown> for Refusal {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::NoToken => Self::Unauthenticated,
            Unknown::NoKeys(_) => {
                tracing::warn!(%unknown, "a round is void");
                Self::Void
            }
        }
    }
}

impl From<NotReported> for Refusal {
    fn from(failure: NotReported) -> Self {
        match failure {
            NotReported::NoAnswer { .. } => tracing::warn!(%failure, "a round is void"),
            NotReported::Refused { .. } => tracing::error!(
                %failure,
                "a round is void: is CLUB_GAME_SECRET what 'club services secret' prints?"
            ),
            NotReported::Rejected(_) => {
                tracing::warn!(%failure, "a round does not count");
                return Self::NotCounted;
            }
        }
        Self::Void
    }
}
