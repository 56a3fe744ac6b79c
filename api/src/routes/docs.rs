//! The description of the service, for programs and for people.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::Config;

use super::Document;
use crate::error::{ApiError, FieldError, Reason};
use crate::live;
use crate::request::Segment;

/// A request that was not done, as RFC 9457 writes it. Describes what [`crate::error`] renders.
#[derive(Serialize, ToSchema)]
pub struct Problem {
    r#type: String,
    title: String,
    status: u16,
    /// What is wrong and what to do next.
    detail: String,
    /// Stable, for programs.
    code: String,
    /// Say it when you ask for help.
    request_id: String,
    instance: String,
    /// With VALIDATION_FAILED: every field that cannot be used.
    errors: Option<Vec<FieldError>>,
}

/// A purchase that was not made. Describes what [`crate::error`] renders.
#[derive(Serialize, ToSchema)]
pub struct PurchaseProblem {
    #[serde(flatten)]
    problem: Problem,
    /// Always false.
    success: bool,
    /// The same as `code`.
    reason_code: String,
    user_id: i64,
    quantity: u8,
    product_id: Option<i64>,
    receipt_code: Option<String>,
    charge_id: Option<String>,
    position: Option<u64>,
}

/// Adds how to sign requests.
pub(super) struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description, as JSON.
///
/// # Errors
/// Never in practice.
pub fn document() -> Result<String, serde_json::Error> {
    Document::openapi().to_pretty_json()
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().unwrap_or_default());
static LIVE_FEED: LazyLock<String> = LazyLock::new(|| live::document().unwrap_or_default());
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("/openapi.json").persist_authorization(true);
    Arc::new(config.try_it_out_enabled(true).doc_expansion("list"))
});

/// The description, for programs.
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The description, for people.
pub async fn page() -> Result<Response, ApiError> {
    let file = asset("index.html")?;
    // Its files are named relative to it, and it answers without a final slash, too.
    let page = String::from_utf8_lossy(&file.0).replace("<head>", "<head><base href=\"/docs/\">");
    Ok(Html(page).into_response())
}

/// What the page is made of; and, beside it, the schema of the live feed's messages.
pub async fn file(Segment(name): Segment) -> Result<Response, ApiError> {
    if name == "asyncapi.json" {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return Ok((kind, LIVE_FEED.as_str()).into_response());
    }
    let (bytes, kind) = asset(&name)?;
    Ok(([(header::CONTENT_TYPE, kind)], bytes.into_owned()).into_response())
}

fn asset(name: &str) -> Result<(Cow<'static, [u8]>, String), ApiError> {
    let not_found = || ApiError::new(Reason::NotFound, "the documentation has no such file");
    let found = utoipa_swagger_ui::serve(name, CONFIG.clone());
    let found = found.map_err(|error| ApiError::internal(anyhow::anyhow!("{error}")))?;
    let file = found.ok_or_else(not_found)?;
    Ok((file.bytes, file.content_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_the_one_in_the_repository() {
        let committed = include_str!("../../openapi.json");
        let now = document().unwrap();
        assert!(
            committed.trim() == now.trim(),
            "api/openapi.json is out of date: run 'club openapi > api/openapi.json'"
        );
    }

    #[test]
    fn the_page_comes_with_its_files() {
        for name in ["index.html", "swagger-ui.css", "swagger-initializer.js"] {
            assert!(!asset(name).unwrap().0.is_empty(), "{name}");
        }
        assert!(asset("nothing.js").is_err());
    }
}
