//! What happens to every request, whatever it asks for: a path without a final slash, a request
//! id, rules about browsers' origins, limits on
//! haste, no panic that ends a connection, problems as problem+json,
//! one line in the access log, and figures.

pub mod cors;
mod figures;
mod path;
mod refused;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

pub use figures::Figures;
pub use path::AnySlash;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::request::{RequestId, X_REQUEST_ID};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Requests that take longer are worth a warning.
const SLOW: Duration = Duration::from_secs(1);

/// Wraps every handler.
pub async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), app.commands.clock.now());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // What is logged: people put anything into an address, their names, too.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let attempt = refused::Attempt::of(&request, route.as_ref(), &app);
    request.extensions_mut().insert(id.clone());

    let mut response = if cors::is_preflight(&request) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let (allowed, told) = app.limits.count(&app, &request);
        let mut response = match allowed {
            Ok(()) => guarded(request, next).await,
            Err(refusal) => refusal.into_response(),
        };
        told.write(response.headers_mut());
        response
    };

    if let (Some(attempt), Some(code)) = (attempt, refused::code(&response)) {
        attempt.note(code, &id, &app).await;
    }
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    render_problem(&mut response, &id, (&path, route), &app);
    if let Some(origin) = origin {
        cors::allow(&app.config.http.allowed_origins, &origin, &method, response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let took = started.elapsed();
    app.figures.count(route, &method, response.status(), took);
    log_access(&method, route, response.status(), took, &id.0);
    response
}

/// A panic is a defect in one handler and no reason to leave the caller without an answer.
async fn guarded(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "a panic without a text".to_owned());
            ApiError::internal(anyhow::anyhow!("a handler panicked: {text}")).into_response()
        }
    }
}

/// Gives a problem its body, and logs its cause: here and nowhere else.
fn render_problem(response: &mut Response, id: &RequestId, (path, route): (&str, &str), app: &App) {
    let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() else { return };
    if let Some(cause) = &problem.cause {
        let (code, cause) = (problem.reason.told().1, format!("{cause:#}"));
        tracing::error!(request_id = %id.0, route, code, cause, "a request failed");
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    if problem.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after_seconds(app.commands.clock.now()) {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    // A problem always has a JSON form.
    let body = problem.body(&id.0, path);
    let body = if app.config.environment.is_production() { body.for_production() } else { body };
    let body = serde_json::to_string(&body).unwrap_or_default();
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    *response.body_mut() = Body::from(body);
}

/// What went well is told at the level debug: commands stand in the log anyway, with their request's
/// id, and figures count everything. The route stands for the address: nothing about people is logged. `RUST_LOG=info,access=debug` shows all requests.
fn log_access(method: &Method, route: &str, status: StatusCode, took: Duration, request_id: &str) {
    let (status_code, took_us) = (status.as_u16(), took.as_micros());
    if status.is_server_error() || took > SLOW {
        tracing::warn!(target: "access", %method, route, status_code, took_us, request_id);
    } else if status.is_client_error() {
        tracing::info!(target: "access", %method, route, status_code, took_us, request_id);
    } else {
        tracing::debug!(target: "access", %method, route, status_code, took_us, request_id);
    }
}
