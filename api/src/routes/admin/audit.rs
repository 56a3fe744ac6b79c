//! What the staff did and was refused: pages, and files for those who keep them elsewhere.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::stream;
use projections::read_models::audit::{self, AuditRow, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query, word};
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::error::ApiError;
use crate::reads;
use crate::request::MinPosition;

/// Lines that are read at once for a file.
const AT_ONCE: u32 = 1_000;

/// Which lines.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// An event's stored name: `gold_granted`, `banned`, `attempt_refused`, …
    #[serde(default, deserialize_with = "word")]
    action: Option<String>,
    /// A stream: a player's or product's number, a code; or an address that was refused.
    #[serde(default, deserialize_with = "word")]
    target: Option<String>,
    /// Who: the number of somebody of the staff, or `kind:id`.
    #[serde(default, deserialize_with = "word")]
    actor: Option<String>,
    /// From this moment on.
    since: Option<DateTime<Utc>>,
    /// Before this moment.
    until: Option<DateTime<Utc>>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// Lines on the page, at most 200. Files have all lines.
    limit: Option<u32>,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    position: u64,
    at: String,
    /// Who, as `kind:id`.
    actor: String,
    /// The event's stored name.
    action: String,
    /// The family of streams.
    family: String,
    target: String,
    request_id: Option<String>,
    /// The reason that was given, unless it was erased.
    reason: Option<String>,
    /// The event itself.
    details: Value,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        Self {
            position: row.position,
            at: rfc3339(row.at),
            actor: row.actor,
            action: row.action,
            family: row.family,
            target: row.target,
            request_id: row.request,
            reason: row.reason,
            details: row.details,
        }
    }
}

impl AuditQuery {
    fn wanted(&self) -> Wanted {
        let kind = |actor: &String| match actor.contains(':') {
            true => actor.clone(),
            false => format!("admin:{actor}"),
        };
        Wanted {
            action: self.action.clone(),
            target: self.target.clone(),
            actor: self.actor.as_ref().map(kind),
            since: self.since,
            until: self.until,
        }
    }
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/api/admin/audit/logs", tag = "administration",
    security(("token" = ["read_audit"])),
    params(AuditQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<AuditView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn logs(
    State(app): State<App>,
    staff: May<need::ReadAudit>,
    min: MinPosition,
    asked: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<Page<AuditView>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page = audit::page(&app.pool, &asked.wanted(), asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |line| line.position);
    let items = page.rows.into_iter().map(AuditView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// All lines as comma-separated values, newest first.
#[utoipa::path(get, path = "/api/admin/audit/logs.csv", tag = "administration",
    security(("token" = ["read_audit"])), params(AuditQuery),
    responses(
        (status = 200, description = "a file", content_type = "text/csv"),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn csv(
    State(app): State<App>,
    staff: May<need::ReadAudit>,
    min: MinPosition,
    asked: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let head = "position,at,actor,action,family,target,request_id,reason,details\r\n";
    Ok(file(app, asked, head, csv_line, "text/csv; charset=utf-8"))
}

/// All lines as JSON, one object a line, newest first.
#[utoipa::path(get, path = "/api/admin/audit/logs.ndjson", tag = "administration",
    security(("token" = ["read_audit"])), params(AuditQuery),
    responses(
        (status = 200, description = "a file", content_type = "application/x-ndjson"),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn ndjson(
    State(app): State<App>,
    staff: May<need::ReadAudit>,
    min: MinPosition,
    asked: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    // A line was JSON before, so it has that form.
    let line = |view: &AuditView| serde_json::to_string(view).unwrap_or_default() + "\n";
    Ok(file(app, asked, "", line, "application/x-ndjson"))
}

/// A file of all lines, read as it is sent.
fn file(
    app: App,
    asked: AuditQuery,
    head: &'static str,
    line: fn(&AuditView) -> String,
    content_type: &'static str,
) -> Response {
    let begin = Some((head.to_owned(), asked.cursor));
    let body = stream::try_unfold(begin, move |at| {
        let (app, wanted) = (app.clone(), asked.wanted());
        async move {
            let Some((mut text, before)) = at else { return Ok(None) };
            let page = audit::page(&app.pool, &wanted, before, AT_ONCE).await?;
            let next = next_cursor(&page.rows, AT_ONCE, |line| line.position);
            let next = next.and_then(|next| next.parse().ok());
            page.rows.into_iter().for_each(|row| text += &line(&row.into()));
            let next = next.map(|next| (String::new(), Some(next)));
            Ok::<_, projections::read_models::ReadError>(Some((text, next)))
        }
    });
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    ([content_type], Body::from_stream(body)).into_response()
}

fn csv_line(view: &AuditView) -> String {
    let AuditView { position, at, actor, action, family, target, request_id, reason, details } =
        view;
    let (position, details) = (position.to_string(), details.to_string());
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let fields = [
        &position,
        at,
        actor,
        action,
        family,
        target,
        &optional(request_id),
        &optional(reason),
        &details,
    ];
    fields.map(|field| csv_field(field)).join(",") + "\r\n"
}

/// In quotes, and never a formula: spreadsheets would calculate what somebody else wrote.
fn csv_field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_calculate_nothing() {
        assert_eq!(csv_field("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(csv_field("=1+1"), "\"'=1+1\"");
    }
}
