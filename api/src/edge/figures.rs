//! Counts and durations of requests, by route.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};

/// Figures by route and method. Their handles are kept: looking one up by its labels at every
/// request would cost more than many a handler.
#[derive(Debug, Default)]
pub struct Figures(RwLock<HashMap<String, ByMethod>>);

type ByMethod = Vec<(&'static str, Arc<OfRoute>)>;

struct OfRoute {
    /// By class of status: 1xx to 5xx.
    requests: [Counter; 5],
    duration: Histogram,
}

impl std::fmt::Debug for OfRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfRoute")
    }
}

impl Figures {
    /// Counts one answered request.
    pub fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let of_route = self.of(route, name_of(method));
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        if let Some(counter) = of_route.requests.get(class - 1) {
            counter.increment(1);
        }
        of_route.duration.record(took);
    }

    fn of(&self, route: &str, method: &'static str) -> Arc<OfRoute> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(route).and_then(|of| of.iter().find(|(known, _)| *known == method));
        if let Some((_, of_route)) = found {
            return of_route.clone();
        }
        drop(known);
        let of_route = Arc::new(OfRoute::new(route, method));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(route.to_owned()).or_default().push((method, of_route.clone()));
        of_route
    }
}

/// A method's label. Methods that nobody knows share one, or callers could make labels at will.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}

impl OfRoute {
    fn new(route: &str, method: &'static str) -> Self {
        let route = route.to_owned();
        let of_class = |class: &'static str| {
            counter!("http_requests_total", "route" => route.clone(), "method" => method,
                "status" => class)
        };
        Self {
            requests: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(of_class),
            duration: histogram!("http_request_duration_seconds", "route" => route.clone(),
                "method" => method),
        }
    }
}
