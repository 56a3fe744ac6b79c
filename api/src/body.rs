//! Bodies: read within limits, then parsed field by field into types that hold only what is valid.
//! All that is wrong with a body is told at once.

mod fields;
pub mod object;
pub mod play;
pub mod values;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures::StreamExt;
use serde_json::Value;

pub use fields::Fields;

use crate::error::{ApiError, Reason};

/// The longest body.
pub const BODY_LIMIT: usize = 128 * 1024;
/// What is read and thrown away of a longer one, so that its sender gets to see the refusal.
const DRAIN_LIMIT: usize = 32 * 1024 * 1024;
/// How long a body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        Self::read(&head.headers, &whole(body).await?)
    }
}

impl Fields {
    /// Of a body that is there as a whole.
    ///
    /// # Errors
    /// If it is not declared as JSON, or is none, or no object.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        if !is_json(headers) {
            let detail = "send the body with content type application/json";
            return Err(ApiError::new(Reason::UnsupportedMediaType, detail));
        }
        Self::of(parse(body)?)
    }
}

/// A body as it came.
///
/// # Errors
/// If it is too long, takes too long, or breaks off.
pub async fn whole(body: Body) -> Result<Bytes, ApiError> {
    whole_within(body, BODY_LIMIT).await
}

/// The same for addresses to which longer bodies are sent.
///
/// # Errors
/// As [`whole`].
pub async fn whole_within(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    tokio::time::timeout(BODY_PATIENCE, read(body, limit))
        .await
        .map_err(|_| ApiError::new(Reason::BodyTimeout, "the body took more than 10 s"))?
}

async fn read(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut whole = Vec::new();
    let mut length = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::new(Reason::BadRequest, "the body broke off: send it again").because(error)
        })?;
        length = length.saturating_add(chunk.len());
        if length > DRAIN_LIMIT {
            break;
        }
        if length <= limit {
            whole.extend_from_slice(&chunk);
        }
    }
    if length > limit {
        let detail = format!("a body has at most {limit} bytes here");
        return Err(ApiError::new(Reason::BodyTooLarge, detail));
    }
    Ok(whole.into())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body cannot be read as JSON at line {line}, column {column}");
        ApiError::new(Reason::MalformedJson, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
    }

    #[test]
    fn json_is_declared_by_its_content_type() {
        for good in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
            assert!(is_json(&headers(good)), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            assert!(!is_json(&headers(bad)), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_read_off_and_refused() {
        let read = |length| read(Body::from(vec![b' '; length]), BODY_LIMIT);
        assert_eq!(read(BODY_LIMIT).await.unwrap().len(), BODY_LIMIT);
        let error = read(BODY_LIMIT + 1).await.unwrap_err();
        assert_eq!(error.reason(), Reason::BodyTooLarge);
    }

    #[test]
    fn what_is_not_json_says_where() {
        assert_eq!(parse(b"{\"a\":}").unwrap_err().reason(), Reason::MalformedJson);
        assert_eq!(parse(&[b'['; 1_000]).unwrap_err().reason(), Reason::MalformedJson);
    }
}
