//! What answers have in common.

use axum::http::HeaderValue;
use axum::response::Response;
use domain::limit::{Period, UseLimit};
use domain::offer::Rank;
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::IDEMPOTENCY_REPLAYED;

/// A rank, as clients write it.
pub fn rank_name(rank: Rank) -> &'static str {
    match rank {
        Rank::Standard => "STANDARD",
        Rank::Vip => "VIP",
    }
}

/// Says of an answer that it was given before, if it was.
pub fn replayable(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// So many in each period.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct LimitView {
    /// How many.
    count: u32,
    /// `ever`, `month`, `week` or `day`, in UTC.
    #[schema(value_type = String)]
    per: Period,
}

impl From<UseLimit> for LimitView {
    fn from(UseLimit { count, per }: UseLimit) -> Self {
        Self { count, per }
    }
}
