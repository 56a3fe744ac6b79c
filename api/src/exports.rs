//! Documents of everything that is held about a person: made as they are sent, a few at a time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use futures::stream;
use projections::personal::{self, ExportError, Subject};
use tokio::sync::mpsc;

use crate::app::App;
use crate::auth::lockout::{Who, who_of};
use crate::error::{ApiError, Reason};

/// So many are made at once: each holds a connection to the database, and a snapshot.
pub const AT_ONCE: usize = 2;
/// Whoever reads more slowly is cut off.
const PATIENCE: Duration = Duration::from_secs(300);
/// Parts that wait to be sent.
const WAITING: usize = 4;

/// The document about somebody. If it cannot be brought to its end, the connection breaks, and what was
/// sent is no JSON.
///
/// # Errors
/// If others are being made.
pub fn document(app: &App, player: PlayerId) -> Result<Response, ApiError> {
    let busy = |_| {
        let detail = "others are being read out: ask again shortly";
        ApiError::new(Reason::Overloaded, detail)
    };
    let permit = app.exports.clone().try_acquire_owned().map_err(busy)?;
    let Who(sign_in) = who_of(&app.commands.fingerprints, player);
    let (subject, now) = (Subject { player, sign_in }, app.commands.clock.now());
    let (out, parts) = mpsc::channel(WAITING);
    let pool = app.pool.clone();
    let made = tokio::spawn(async move {
        let _permit = permit;
        let made = tokio::time::timeout(PATIENCE, personal::export(&pool, subject, now, out)).await;
        made.unwrap_or(Err(ExportError::Gone))
    });
    let body = stream::try_unfold((parts, Some(made)), |(mut parts, made)| async move {
        if let Some(part) = parts.recv().await {
            return Ok(Some((part, (parts, made))));
        }
        // No more parts: either it is complete, or something was in the way.
        match made {
            Some(made) => match made.await {
                Ok(Ok(())) => Ok(None),
                Ok(Err(error)) => Err(anyhow::Error::from(error)),
                Err(error) => Err(anyhow::Error::from(error)),
            },
            None => Ok(None),
        }
    });
    let name = format!("attachment; filename=\"casino-club-{player}.json\"");
    let disposition = HeaderValue::from_str(&name).map_err(ApiError::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}
