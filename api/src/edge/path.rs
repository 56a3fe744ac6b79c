//! Every address answers with and without a final slash, never by redirect.

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::Service;

/// Takes the final slash off the path before the routes are looked at.
#[derive(Debug, Clone)]
pub struct AnySlash<S>(pub S);

impl<S: Service<Request>> Service<Request> for AnySlash<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        if let Some(uri) = without_final_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.0.call(request)
    }
}

/// The same address without its final slash, if it has one.
fn without_final_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if path.len() < 2 || !path.ends_with('/') {
        return None;
    }
    let path = path.trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    let path_and_query: PathAndQuery = match uri.query() {
        Some(query) => format!("{path}?{query}").parse().ok()?,
        None => path.parse().ok()?,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(uri: &str) -> Option<String> {
        without_final_slash(&uri.parse().unwrap()).map(|uri| uri.to_string())
    }

    #[test]
    fn a_final_slash_is_taken_off_and_the_query_stays() {
        assert_eq!(normal("/health/").unwrap(), "/health");
        assert_eq!(normal("/api/events/?page=2").unwrap(), "/api/events?page=2");
        assert_eq!(normal("/a//").unwrap(), "/a");
        assert_eq!(normal("//").unwrap(), "/");
        assert_eq!(normal("/"), None);
        assert_eq!(normal("/health?x=/"), None);
    }
}
