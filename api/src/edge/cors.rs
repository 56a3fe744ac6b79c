//! Which pages may call the service from a browser: those whose origins are named.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST,
    ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key, X-Min-Position, \
     X-Request-Id, traceparent, If-Match",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-Request-Id, Idempotency-Replayed, Retry-After, RateLimit, RateLimit-Policy, ETag",
);
const TEN_MINUTES: HeaderValue = HeaderValue::from_static("600");

/// Whether a browser asks what it may send.
#[must_use]
pub fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Tells the browser that this page may read the answer, if it may.
pub fn allow(allowed: &[String], origin: &HeaderValue, method: &Method, headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if !is_named(allowed, origin) {
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if *method == Method::OPTIONS {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, TEN_MINUTES);
    }
}

/// Whether a page may open a websocket: browsers do not ask first, so the service must look. Pages
/// of the service itself may; so may programs, which send no origin.
#[must_use]
pub fn may_connect(allowed: &[String], headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    is_named(allowed, origin) || is_same_host(origin, headers)
}

fn is_named(allowed: &[String], origin: &HeaderValue) -> bool {
    allowed.iter().any(|named| named.as_bytes() == origin.as_bytes())
}

fn is_same_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let origin = origin.to_str().unwrap_or_default();
    let origin = origin.split_once("://").map(|(_, host)| host.as_bytes());
    host.is_some() && host == origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        vec!["http://localhost:3000".to_owned()]
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &str)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(parse).collect()
    }

    #[test]
    fn only_named_origins_may_read_answers() {
        let answer = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            allow(&allowed(), &HeaderValue::from_static(origin), &Method::GET, &mut headers);
            headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        assert_eq!(answer("http://localhost:3000").unwrap(), "http://localhost:3000");
        assert_eq!(answer("http://evil.example"), None);
        assert_eq!(answer("null"), None);
    }

    #[test]
    fn a_websocket_is_for_named_origins_own_pages_and_programs() {
        let may = |pairs: &[(&'static str, &str)]| may_connect(&allowed(), &headers(pairs));
        assert!(may(&[]));
        assert!(may(&[("origin", "http://localhost:3000"), ("host", "api:8000")]));
        assert!(may(&[("origin", "http://api:8000"), ("host", "api:8000")]));
        assert!(!may(&[("origin", "http://evil.example"), ("host", "api:8000")]));
        assert!(!may(&[("origin", "null"), ("host", "api:8000")]));
    }
}
