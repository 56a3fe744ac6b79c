//! Lists come in pages; a page's cursor is the position of its last line.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::error::{ApiError, Reason};

/// Lines on a page, unless asked otherwise, and at most.
const PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Asks for the next page; `null` on the last one.
    pub next_cursor: Option<String>,
    /// The position that the page shows.
    pub position: u64,
}

/// How many lines a page has: as asked, within bounds.
pub fn page_length(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE)
}

/// The cursor after a page of this length, if the page is full.
pub fn next_cursor<T>(rows: &[T], length: u32, position: impl Fn(&T) -> u64) -> Option<String> {
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= length);
    rows.last().filter(|_| is_full).map(|last| position(last).to_string())
}

/// A text in a query that is compared with names: it has no control characters, above all no NUL,
/// which PostgreSQL would choke on.
pub fn word<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let is_plain = text.as_deref().is_none_or(|text| !text.contains(char::is_control));
    is_plain.then_some(text).ok_or_else(|| D::Error::custom("control characters in a text"))
}

/// A query that cannot be read.
pub fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    let wrong = |rejection: QueryRejection| {
        ApiError::new(Reason::BadRequest, rejection.body_text().to_lowercase())
    };
    query.map(|Query(query)| query).map_err(wrong)
}
