//! The payment provider's messages.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use commands::payments::{Delivery, Header, Untrusted};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use crate::app::App;
use crate::error::{ApiError, Reason};

/// Headers as a provider's adapter reads them.
#[derive(Debug)]
struct Headers(HeaderMap);

impl Header for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }
}

/// That a message was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Taken {
    /// Always true.
    ok: bool,
    /// Whether it had come before.
    duplicate: bool,
}

/// Takes a message of the payment provider: verifies it, stores it raw and answers; what it is about
/// is settled afterwards. It says that something happened, never how much.
#[utoipa::path(post, path = "/api/shop/webhook/payment", tag = "shop",
    params(
        ("X-Signature" = Option<String>, Header, description = "hex HMAC-SHA256 of timestamp.nonce.body (the sandbox's; Stripe signs with Stripe-Signature)"),
        ("X-Timestamp" = Option<String>, Header, description = "seconds since 1970, within 300 s of now"),
        ("X-Nonce" = Option<String>, Header, description = "part of what is signed"),
        ("X-Event-Id" = Option<String>, Header, description = "the same as event_id")),
    request_body(content = String, description = "event_id, receipt_code, status, reason_code?", content_type = "application/json"),
    responses(
        (status = 200, description = "taken, maybe once more", body = Taken),
        (status = 400, description = "WEBHOOK_STALE, or it cannot be read", body = Problem),
        (status = 401, description = "WEBHOOK_SIGNATURE", body = Problem)))]
pub async fn payment(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Taken>, ApiError> {
    let headers = Headers(headers);
    let delivery = Delivery { header: &headers, body: &body };
    let now = app.commands.clock.now();
    let notice = app.commands.provider.verify(&delivery, now).map_err(refused)?;
    let duplicate = !app.webhooks.take(&app.commands, notice, &body).await?;
    Ok(Json(Taken { ok: true, duplicate }))
}

fn refused(untrusted: Untrusted) -> ApiError {
    let detail = untrusted.to_string();
    match untrusted {
        Untrusted::Stale => ApiError::new(Reason::WebhookStale, detail),
        Untrusted::Signature => ApiError::new(Reason::WebhookSignature, detail),
        Untrusted::Malformed { .. } => ApiError::new(Reason::BadRequest, detail),
    }
}
