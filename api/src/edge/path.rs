//! Every address answers with and without a final slash, never by redirect.

use std::task::{Context, Poll};

use axum::extract::{OriginalUri, Request};
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::Service;

/// Takes the final slash off the path before the routes are looked at. As it was sent it stays there
/// as [`OriginalUri`].
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
            let sent = std::mem::replace(request.uri_mut(), uri);
            request.extensions_mut().insert(OriginalUri(sent));
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

    #[tokio::test]
    async fn the_address_as_it_was_sent_stays_there() {
        let both = tower::service_fn(async |request: Request| {
            let sent = request.extensions().get::<OriginalUri>().map(|uri| uri.0.to_string());
            Ok::<_, std::convert::Infallible>((sent, request.uri().to_string()))
        });
        let told = async |uri: &str| {
            let request = Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
            AnySlash(both).call(request).await.unwrap()
        };
        let sent = Some("/api/actions/?x=1".to_owned());
        assert_eq!(told("/api/actions/?x=1").await, (sent, "/api/actions?x=1".to_owned()));
        assert_eq!(told("/api/actions").await, (None, "/api/actions".to_owned()));
    }
}
