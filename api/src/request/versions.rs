//! Versions of what is edited: told as `ETag`, named as `If-Match` by whoever changes what they saw.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::error::{ApiError, Reason};

/// The versions that the caller has seen and would change; any, if not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(pub Option<Vec<u32>>);

/// The same where the caller has to say it: for what nobody should edit unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MustMatch(pub Option<Vec<u32>>);

impl MustMatch {
    /// Whether a version is among them.
    #[must_use]
    pub fn has(&self, version: u64) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.iter().any(|seen| u64::from(*seen) == version))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MustMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(header::IF_MATCH) {
            let detail = "send a header If-Match with the ETag that this came with";
            return Err(ApiError::new(Reason::PreconditionRequired, detail));
        }
        wanted(&parts.headers).map(Self)
    }
}

/// The tag of a version.
#[must_use]
pub fn etag(version: u64) -> HeaderValue {
    let tag = HeaderValue::from_str(&format!("\"{version}\""));
    // Digits in quotes always are a header's value.
    tag.unwrap_or(HeaderValue::from_static("\"0\""))
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        wanted(&parts.headers).map(Self)
    }
}

fn wanted(headers: &HeaderMap) -> Result<Option<Vec<u32>>, ApiError> {
    let wrong = || {
        let detail = "If-Match is the ETag that the thing came with, such as \"3\"";
        ApiError::new(Reason::BadRequest, detail)
    };
    let mut versions = None;
    for value in headers.get_all(header::IF_MATCH) {
        for tag in value.to_str().map_err(|_| wrong())?.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(None);
            }
            let is_weak = tag.starts_with("W/");
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let version = inner.ok_or_else(wrong)?.parse::<u32>().ok().filter(|_| !is_weak);
            versions.get_or_insert_with(Vec::new).extend(version);
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<Vec<u32>>, Reason> {
        let headers = HeaderMap::from_iter([(header::IF_MATCH, text.parse().unwrap())]);
        wanted(&headers).map_err(|error| error.reason())
    }

    #[test]
    fn tags_of_ours_are_versions_and_all_others_match_nothing() {
        assert_eq!(wanted(&HeaderMap::new()).unwrap(), None);
        assert_eq!(of("*"), Ok(None));
        assert_eq!(of("\"3\""), Ok(Some(vec![3])));
        assert_eq!(of("\"3\", \"4\""), Ok(Some(vec![3, 4])));
        for stranger in ["W/\"3\"", "\"abc\"", "\"-1\""] {
            assert_eq!(of(stranger), Ok(Some(vec![])), "{stranger}");
        }
        assert_eq!(of("3"), Err(Reason::BadRequest));
    }
}
