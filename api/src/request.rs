//! What comes with a request besides its body: who asks in which trace, under which key, and what
//! it has to see.

mod versions;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Uri};
use chrono::{DateTime, Utc};
use commands::{Caller, IdempotencyKey};
use domain::event::Actor;
use uuid::Builder;

pub use versions::{IfMatch, MustMatch, etag};

use crate::error::{ApiError, Reason};

/// The request's id, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The key of a command.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The same, as older clients call it.
pub const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");
/// Says that an answer was given before.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The position that a read has to have seen.
pub const X_MIN_POSITION: HeaderName = HeaderName::from_static("x-min-position");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const LONGEST_REQUEST_ID: usize = 128;

/// The id of a request: the caller's, if it can be one, or our own.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    /// Takes the caller's id or makes one.
    #[must_use]
    pub fn of(headers: &HeaderMap, now: DateTime<Utc>) -> Self {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
        let given = headers.get(X_REQUEST_ID).map(axum::http::HeaderValue::as_bytes);
        let given = given.filter(|id| (1..=LONGEST_REQUEST_ID).contains(&id.len()));
        let given = given.filter(|id| id.iter().all(allowed));
        match given.and_then(|id| std::str::from_utf8(id).ok()) {
            Some(id) => Self(id.into()),
            None => Self::new(now),
        }
    }

    /// A time-ordered one. Made from the thread's generator: asking the system for random bytes
    /// at every request would be the slowest step of a fast answer.
    fn new(now: DateTime<Utc>) -> Self {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let id = Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        Self((&*id.hyphenated().encode_lower(&mut text)).into())
    }
}

/// What is known about a request for a command.
#[derive(Debug, Clone)]
pub struct Asked {
    request: Arc<str>,
    trace: Option<String>,
    key: Option<IdempotencyKey>,
    is_dry_run: bool,
}

impl Asked {
    /// The caller, with the key of the headers.
    #[must_use]
    pub fn caller(&self, actor: Actor) -> Caller {
        Caller {
            actor,
            request: Some(self.request.as_ref().to_owned()),
            trace: self.trace.clone(),
            cause: None,
            key: self.key.clone(),
            is_dry_run: self.is_dry_run,
        }
    }

    /// Takes the key from the body as well.
    ///
    /// # Errors
    /// If it cannot be a key, or differs from the one in the headers.
    pub fn with_key(mut self, from_body: Option<&str>) -> Result<Self, ApiError> {
        let from_body = from_body.map(parse_key).transpose()?;
        self.key = agreed(self.key, from_body)?;
        Ok(self)
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    /// Insists on a key.
    ///
    /// # Errors
    /// If there is none.
    pub fn keyed(self) -> Result<Self, ApiError> {
        if self.key.is_none() && !self.is_dry_run {
            let detail = "send a header Idempotency-Key, so that a repeat does nothing twice";
            return Err(ApiError::new(Reason::IdempotencyKeyRequired, detail));
        }
        Ok(self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let request = parts.extensions.get::<RequestId>().cloned();
        let request =
            request.ok_or_else(|| ApiError::internal(anyhow::anyhow!("no request id")))?;
        let trace = parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let trace = trace.filter(|text| is_traceparent(text)).map(str::to_owned);
        let key = key_of(&parts.headers)?;
        Ok(Self { request: request.0, trace, key, is_dry_run: is_dry_run(&parts.uri)? })
    }
}

/// Whether a command of the administration asks to be tried only.
fn is_dry_run(uri: &Uri) -> Result<bool, ApiError> {
    // Decoded, and with whatever else: a wish to try something must never be taken for the wish to do it.
    let asked = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let unreadable = |_| ApiError::new(Reason::BadRequest, "the address's query cannot be read");
    let Query(asked) = asked.map_err(unreadable)?;
    let mut asked = asked.iter().filter(|(name, _)| name.eq_ignore_ascii_case("dry_run"));
    match asked.next().map(|(_, value)| value.as_str()) {
        None | Some("false") => Ok(false),
        Some("true") if uri.path().starts_with("/api/admin/") => Ok(true),
        Some(_) => {
            let detail = "dry_run=true is for commands of the administration";
            Err(ApiError::new(Reason::BadRequest, detail))
        }
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let all = headers.get_all(IDEMPOTENCY_KEY).iter().chain(headers.get_all(X_IDEMPOTENCY_KEY));
    let mut key = None;
    for value in all {
        let text = value.to_str().map_err(|_| invalid_key())?;
        key = agreed(key, Some(parse_key(text)?))?;
    }
    Ok(key)
}

/// Bare, or in quotes as the header's draft standard writes it.
fn parse_key(text: &str) -> Result<IdempotencyKey, ApiError> {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    IdempotencyKey::parse(bare.unwrap_or(text)).map_err(|_| invalid_key())
}

fn invalid_key() -> ApiError {
    let detail = "an idempotency key is 1 to 255 visible ASCII characters: take a UUID";
    ApiError::new(Reason::InvalidIdempotencyKey, detail)
}

fn agreed(
    one: Option<IdempotencyKey>,
    other: Option<IdempotencyKey>,
) -> Result<Option<IdempotencyKey>, ApiError> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            let detail = "headers and body give different idempotency keys: send one";
            Err(ApiError::new(Reason::ConflictingIdempotencyKeys, detail))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
fn is_traceparent(text: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && hex(part))
}

/// The variable part of an address, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        let not_text = |_| ApiError::new(Reason::BadRequest, "the address is not UTF-8");
        segment.map(|Path(text)| Self(text)).map_err(not_text)
    }
}

/// The position that the caller has to see, if the request names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinPosition(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for MinPosition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(X_MIN_POSITION) else { return Ok(Self(None)) };
        let position = value.to_str().ok().and_then(|text| text.parse().ok());
        let wrong = || ApiError::new(Reason::BadRequest, "X-Min-Position is a whole number");
        position.map(|position| Self(Some(position))).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn key(pairs: &[(HeaderName, &str)]) -> Result<Option<String>, Reason> {
        let key = key_of(&headers(pairs)).map_err(|error| error.reason())?;
        Ok(key.map(|key| key.to_string()))
    }

    #[test]
    fn a_key_is_taken_quoted_or_bare_and_from_both_headers() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&[(IDEMPOTENCY_KEY, "\"k-1\"")]), Ok(Some("k-1".to_owned())));
        assert_eq!(key(&[(X_IDEMPOTENCY_KEY, "k-1")]), Ok(Some("k-1".to_owned())));
        let both = [(IDEMPOTENCY_KEY, "\"k-1\""), (X_IDEMPOTENCY_KEY, "k-1")];
        assert_eq!(key(&both), Ok(Some("k-1".to_owned())));
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused_by_name() {
        let differ = [(IDEMPOTENCY_KEY, "k-1"), (X_IDEMPOTENCY_KEY, "k-2")];
        assert_eq!(key(&differ), Err(Reason::ConflictingIdempotencyKeys));
        for bad in ["", "\"\"", "a b", &"k".repeat(256)] {
            assert_eq!(key(&[(IDEMPOTENCY_KEY, bad)]), Err(Reason::InvalidIdempotencyKey), "{bad}");
        }
        assert!(key(&[(IDEMPOTENCY_KEY, &"k".repeat(255))]).is_ok());
    }

    #[test]
    fn a_callers_request_id_is_kept_if_it_can_be_one() {
        let id = |text: &str| {
            RequestId::of(&headers(&[(X_REQUEST_ID, text)]), DateTime::UNIX_EPOCH).0.to_string()
        };
        assert_eq!(id("abc-1.2:3_4"), "abc-1.2:3_4");
        assert_eq!(id("a b").len(), 36);
        assert_eq!(id(&"x".repeat(129)).len(), 36);
        assert_eq!(uuid::Uuid::parse_str(&id("")).unwrap().get_version_num(), 7);
    }

    #[test]
    fn traces_are_recognised() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good));
        for bad in ["", "00-0af7-b7ad-01", &good.to_uppercase(), &format!("{good}-00")] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
