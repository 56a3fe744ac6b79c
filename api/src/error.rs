//! What clients are told when something was not done.
//!
//! Every refusal has a stable code and an outward message; what went wrong inside is its cause,
//! which is logged once (by [`crate::edge`]) and never told. Answers are problem+json (RFC 9457).

mod dry_run;
mod reason;
mod refusals;

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::dry_run::DryRun;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use reason::Reason;

use crate::auth::sign_in::rfc3339;

/// One field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// What kind of error: `missing`, `extra_forbidden`, `int_type` and the like.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body` and the field's name.
    pub loc: Vec<String>,
    /// What is expected.
    pub msg: Cow<'static, str>,
}

/// A request that was not done.
#[derive(Debug)]
pub struct ApiError(Box<Problem>);

/// What is known about it.
#[derive(Debug)]
pub struct Problem {
    /// Why.
    pub reason: Reason,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    members: Vec<(&'static str, Value)>,
    /// The setting that lifts what refused, told outside production.
    setting: Option<&'static str>,
    /// When what refused ends.
    ends_at: Option<DateTime<Utc>>,
    retry_after: Option<Duration>,
    /// What went wrong inside, for the log only.
    pub cause: Option<anyhow::Error>,
    /// Nothing went wrong: it was a dry run, and this is its answer.
    dry_run: Option<Value>,
}

impl ApiError {
    /// With a message for whoever asked: what is wrong and what to do next.
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = reason.is_passing().then(|| Duration::from_secs(1));
        Self(Box::new(Problem {
            reason,
            detail: detail.into(),
            fields: vec![],
            members: vec![],
            setting: None,
            ends_at: None,
            retry_after,
            cause: None,
            dry_run: None,
        }))
    }

    /// A defect: all that is told is the request's id.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let detail = "the club could not do this: report it with the request id";
        Self::new(Reason::InternalError, detail).because(cause)
    }

    /// Fields that cannot be used; the missing ones first.
    #[must_use]
    pub fn fields(mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| error.kind != "missing");
        let count = errors.len();
        let plural = if count == 1 { "field" } else { "fields" };
        let detail = format!("{count} {plural} cannot be used: see errors");
        let mut error = Self::new(Reason::ValidationFailed, detail);
        error.0.fields = errors;
        error
    }

    /// The answer to a dry run. It ends a handler as a refusal does, before anything else of it is done.
    #[must_use]
    pub fn dry_run(dry_run: &DryRun) -> Self {
        let mut error = Self::new(Reason::Conflict, "it was a dry run");
        error.0.dry_run = Some(dry_run::told(dry_run));
        error
    }

    /// With one more member in the answer to a dry run.
    #[must_use]
    pub fn with_tried(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if let Some(Value::Object(members)) = &mut self.0.dry_run {
            members.insert(name.to_owned(), value.into());
        }
        self
    }

    /// With one more member in the answer.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Refused by a limit: which one, when it ends, and which setting lifts it.
    #[must_use]
    pub fn by_limit(
        mut self,
        limit: &'static str,
        ends_at: Option<DateTime<Utc>>,
        setting: Option<&'static str>,
    ) -> Self {
        self.0.setting = setting;
        self.0.ends_at = ends_at;
        let error = self.with("limit", limit);
        match ends_at {
            Some(end) => error.with("ends_at", rfc3339(end)),
            None => error,
        }
    }

    /// With its inner cause, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// With the time after which asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// As the answer to a purchase: `success: false`, and the code again as `reason_code`.
    #[must_use]
    pub fn of_purchase(self) -> Self {
        let code = self.0.reason.told().1;
        self.with("success", false).with("reason_code", code)
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What went wrong inside, for those who have nobody to answer.
    #[must_use]
    pub fn into_cause(self) -> anyhow::Error {
        let Problem { cause, detail, .. } = *self.0;
        cause.unwrap_or_else(|| anyhow::anyhow!("{detail}"))
    }
}

impl Problem {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.told().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body of the answer.
    #[must_use]
    pub fn body<'a>(&'a self, request_id: &'a str, instance: &'a str) -> Body<'a> {
        Body { problem: self, request_id, instance, setting: self.setting }
    }

    /// Whole seconds until asking again makes sense, rounded up.
    #[must_use]
    pub fn retry_after_seconds(&self, now: DateTime<Utc>) -> Option<u64> {
        let until_end = self.ends_at.and_then(|end| (end - now).to_std().ok());
        let wait = self.retry_after.or(until_end)?;
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

/// A problem as it is told, its members in the order in which people read them.
#[derive(Debug)]
pub struct Body<'a> {
    problem: &'a Problem,
    request_id: &'a str,
    instance: &'a str,
    setting: Option<&'static str>,
}

impl Body<'_> {
    /// As players in production see it: they cannot change settings.
    #[must_use]
    pub fn for_production(self) -> Self {
        Self { setting: None, ..self }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (status, code, title) = self.problem.reason.told();
        let mut body = serializer.serialize_map(None)?;
        let kind = format!("urn:casino-club:problem:{}", code.to_ascii_lowercase());
        body.serialize_entry("type", &kind)?;
        body.serialize_entry("title", title)?;
        body.serialize_entry("status", &status)?;
        body.serialize_entry("detail", &self.problem.detail)?;
        body.serialize_entry("code", code)?;
        body.serialize_entry("request_id", self.request_id)?;
        body.serialize_entry("instance", self.instance)?;
        for (name, value) in &self.problem.members {
            body.serialize_entry(name, value)?;
        }
        if let Some(setting) = self.setting {
            body.serialize_entry("setting", setting)?;
        }
        let fields = &self.problem.fields;
        if !fields.is_empty() {
            body.serialize_entry("errors", fields)?;
            // The same list, where old clients look.
            body.serialize_entry("error", &Details { details: fields })?;
        }
        body.end()
    }
}

#[derive(Serialize)]
struct Details<'a> {
    details: &'a [FieldError],
}

impl IntoResponse for ApiError {
    /// Leaves the body to [`crate::edge`], which knows the request's id.
    fn into_response(mut self) -> Response {
        if let Some(dry_run) = self.0.dry_run.take() {
            return Json(dry_run).into_response();
        }
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(*self.0));
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(error: &ApiError) -> Value {
        serde_json::to_value(error.0.body("r1", "/api/shop/buy")).unwrap()
    }

    fn field(kind: &'static str, name: &str) -> FieldError {
        FieldError { kind, loc: vec!["body".into(), name.into()], msg: "no".into() }
    }

    #[test]
    fn missing_fields_come_first_and_old_clients_find_the_list_too() {
        let error = ApiError::fields(vec![
            field("extra_forbidden", "package_id"),
            field("missing", "product_id"),
        ]);
        let body = told(&error);
        assert_eq!(body["status"], 422);
        assert_eq!(body["errors"][0]["type"], "missing");
        assert_eq!(body["errors"][0]["loc"], json!(["body", "product_id"]));
        assert_eq!(body["error"]["details"], body["errors"]);
        assert_eq!(body["request_id"], "r1");
    }

    #[test]
    fn a_refused_purchase_says_so_twice() {
        let error = ApiError::new(Reason::PaymentDeclined, "the card was declined").of_purchase();
        let body = told(&error);
        assert_eq!(body["success"], false);
        assert_eq!((&body["code"], &body["reason_code"]), (&body["reason_code"], &body["code"]));
    }

    #[test]
    fn the_cause_is_never_told() {
        let error = ApiError::internal(anyhow::anyhow!("password=hunter2"));
        assert!(!told(&error).to_string().contains("hunter2"));
    }

    #[test]
    fn waits_are_told_in_whole_seconds_rounded_up() {
        let error = ApiError::new(Reason::Overloaded, "busy");
        let seconds = |wait| {
            let error = ApiError::new(Reason::Overloaded, "busy").retry_after(wait);
            error.0.retry_after_seconds(DateTime::UNIX_EPOCH)
        };
        assert_eq!(error.0.retry_after_seconds(DateTime::UNIX_EPOCH), Some(1));
        assert_eq!(seconds(Duration::from_millis(1)), Some(1));
        assert_eq!(seconds(Duration::from_millis(2_001)), Some(3));
    }
}
