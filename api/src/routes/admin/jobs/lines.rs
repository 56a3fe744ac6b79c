//! The lines of a job, and what became of each: pages, and a file for those who keep them elsewhere.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::id::JobId;
use futures::stream;
use projections::read_models::ReadError;
use projections::read_models::job_lines::{self, JobLineRow, LineStatus, Wanted};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::docs::Problem;
use super::super::super::paging::{Page, next_cursor, page_length, query};
use crate::app::App;
use crate::auth::Staff;
use crate::error::ApiError;
use crate::reads;
use crate::request::{MinPosition, Segment};

/// Lines that are read at once for a file.
const AT_ONCE: u32 = 1_000;

/// Which lines.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LinesQuery {
    /// Only those of which this became: `pending`, `paid`, `refused` or `undone`.
    #[param(value_type = Option<String>)]
    status: Option<LineStatus>,
    /// Only those of which not all could be taken back.
    rest: Option<bool>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// Lines on the page: 50, at most 200. Files have all lines.
    limit: Option<u32>,
}

impl LinesQuery {
    fn wanted(&self) -> Wanted {
        Wanted { status: self.status, with_rest: self.rest.unwrap_or_default() }
    }
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobLineView {
    /// Its number, from 1.
    line: u64,
    user_id: i64,
    gold: u64,
    /// `pending`, `paid`, `refused` or `undone`.
    status: &'static str,
    /// Why it was refused: `UNKNOWN_USER`, `BALANCE_TOO_LARGE` or `ACCOUNT_REFUSED`.
    code: Option<&'static str>,
    /// The receipt of the grant, if it was paid.
    receipt_code: Option<String>,
    /// How much was taken back.
    taken_back: Option<u64>,
    /// How much of it was not there any more then.
    rest: Option<u64>,
}

impl From<JobLineRow> for JobLineView {
    fn from(row: JobLineRow) -> Self {
        Self {
            line: row.line,
            user_id: row.user_id.0,
            gold: row.gold,
            status: row.status.name(),
            code: row.refusal.map(domain::job::LineRefusal::name),
            receipt_code: row.receipt_code.map(|receipt| receipt.to_string()),
            taken_back: row.taken_back,
            rest: row.rest,
        }
    }
}

/// The lines of a job, in their order.
#[utoipa::path(get, path = "/api/admin/jobs/{id}/lines", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = String, Path, description = "the job's id"), LinesQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<JobLineView>),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem)))]
pub async fn lines(
    State(app): State<App>,
    staff: Staff,
    Segment(id): Segment,
    min: MinPosition,
    asked: Result<Query<LinesQuery>, QueryRejection>,
) -> Result<Json<Page<JobLineView>>, ApiError> {
    let asked = query(asked)?;
    let id = super::parse(&id)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    super::shown(&app, id).await?;
    let (after, length) = (asked.cursor.unwrap_or(0), page_length(asked.limit));
    let page = job_lines::page(&app.pool, id, asked.wanted(), after, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.line);
    let items = page.rows.into_iter().map(JobLineView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// All lines of a job as comma-separated values.
#[utoipa::path(get, path = "/api/admin/jobs/{id}/lines.csv", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = String, Path, description = "the job's id"), LinesQuery),
    responses(
        (status = 200, description = "a file", content_type = "text/csv"),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such job", body = Problem)))]
pub async fn csv(
    State(app): State<App>,
    staff: Staff,
    Segment(id): Segment,
    min: MinPosition,
    asked: Result<Query<LinesQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let asked = query(asked)?;
    let id = super::parse(&id)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    super::shown(&app, id).await?;
    Ok(file(app, id, asked))
}

/// A file of all lines, read as it is sent.
fn file(app: App, id: JobId, asked: LinesQuery) -> Response {
    let head = "line,user_id,gold,status,code,receipt_code,taken_back,rest\r\n".to_owned();
    let begin = Some((head, asked.cursor.unwrap_or(0)));
    let body = stream::try_unfold(begin, move |at| {
        let (app, wanted) = (app.clone(), asked.wanted());
        async move {
            let Some((mut text, after)) = at else { return Ok(None) };
            let page = job_lines::page(&app.pool, id, wanted, after, AT_ONCE).await?;
            let next = next_cursor(&page.rows, AT_ONCE, |line| line.line);
            let next = next.and_then(|next| next.parse().ok());
            page.rows.into_iter().for_each(|row| text += &csv_line(&row.into()));
            Ok::<_, ReadError>(Some((text, next.map(|next| (String::new(), next)))))
        }
    });
    let content_type = HeaderValue::from_static("text/csv; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(body)).into_response()
}

/// Numbers and codes: nothing in it has to be quoted.
fn csv_line(view: &JobLineView) -> String {
    let JobLineView { line, user_id, gold, status, code, receipt_code, taken_back, rest } = view;
    let number = |number: &Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
    format!(
        "{line},{user_id},{gold},{status},{},{},{},{}\r\n",
        code.unwrap_or_default(),
        receipt_code.as_deref().unwrap_or_default(),
        number(taken_back),
        number(rest),
    )
}
