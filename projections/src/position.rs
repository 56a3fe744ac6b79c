//! Positions and sequences are unsigned here and `bigint` in SQL: the one way between them.

/// A number that one of the two sides cannot hold. Never seen in a log that this program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a number that the log can hold (0 to 2^63 - 1)")]
pub struct OutOfRange(pub i128);

/// For a `bigint` parameter.
///
/// # Errors
/// Above `i64::MAX`.
pub fn to_sql(number: u64) -> Result<i64, OutOfRange> {
    i64::try_from(number).map_err(|_| OutOfRange(number.into()))
}

/// For a `bigint` parameter that everything asked for is below: without a bound, or with one above
/// `i64::MAX`, everything is.
#[must_use]
pub fn bound_to_sql(bound: Option<u64>) -> i64 {
    bound.and_then(|bound| i64::try_from(bound).ok()).unwrap_or(i64::MAX)
}

/// From a `bigint` column.
///
/// # Errors
/// Below zero.
pub fn from_sql(stored: i64) -> Result<u64, OutOfRange> {
    u64::try_from(stored).map_err(|_| OutOfRange(stored.into()))
}
