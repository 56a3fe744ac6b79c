//! What an event would have paid, answered from the log. Nothing is written.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use domain::id::ProductId;
use projections::play_in_log::{self, Paid, Preview, PreviewLine};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::docs::Problem;
use super::super::super::events::{event_id, not_found};
use super::super::super::paging::query;
use crate::app::App;
use crate::auth::Staff;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::request::Segment;

/// Days that are looked back, unless asked otherwise, and at most.
const DAYS: u32 = 7;
const MOST_DAYS: u32 = 366;

/// How far to look back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuery {
    /// 1 to 366 days; 7, if left out.
    days: Option<u32>,
}

/// What an event would have paid to those who played in the last days, had they all joined it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewView {
    event_id: i64,
    days: u32,
    /// How many would have taken part, each counted once.
    players: u64,
    /// How often it would have been completed.
    completions: u64,
    #[serde(flatten)]
    paid: PaidView,
    /// Each occurrence that reaches into these days, in order.
    occurrences: Vec<OccurrenceView>,
}

/// An occurrence that might have been.
#[derive(Debug, Serialize, ToSchema)]
pub struct OccurrenceView {
    starts_at: String,
    ends_at: String,
    players: u64,
    completions: u64,
    /// Places on its leaderboard that would have been rewarded.
    places: u64,
    #[serde(flatten)]
    paid: PaidView,
}

/// What rewards come to, together.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaidView {
    gold: u64,
    vip_points: u64,
    xp: u64,
    /// How many items, by product.
    #[schema(value_type = BTreeMap<String, u64>)]
    items: BTreeMap<ProductId, u64>,
}

impl From<Paid> for PaidView {
    fn from(Paid { gold, vip_points, xp, items }: Paid) -> Self {
        Self { gold, vip_points, xp, items }
    }
}

impl From<PreviewLine> for OccurrenceView {
    fn from(line: PreviewLine) -> Self {
        let PreviewLine { occurrence, players, completions, places, paid } = line;
        Self {
            starts_at: rfc3339(occurrence.starts_at),
            ends_at: rfc3339(occurrence.ends_at),
            players,
            completions,
            places,
            paid: paid.into(),
        }
    }
}

/// What an event would have paid to those who played in the last days. Ranks and segments are not
/// looked at. Nothing is written.
#[utoipa::path(get, path = "/api/admin/events/{id}/preview", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = i64, Path, description = "the event's number"), PreviewQuery),
    responses(
        (status = 200, description = "what it would have paid", body = PreviewView),
        (status = 400, description = "not so many days", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such event", body = Problem)))]
pub async fn preview(
    State(app): State<App>,
    _staff: Staff,
    Segment(id): Segment,
    asked: Result<Query<PreviewQuery>, QueryRejection>,
) -> Result<Json<PreviewView>, ApiError> {
    let event = event_id(&id)?;
    let days = query(asked)?.days.unwrap_or(DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        let detail = format!("days is a whole number from 1 to {MOST_DAYS}");
        return Err(ApiError::new(Reason::BadRequest, detail));
    }
    let terms = app.commands.event_now(event).await?.ok_or_else(not_found)?.terms;
    let (now, everybody) = (app.commands.clock.now(), play_in_log::everybody);
    let preview = play_in_log::preview(&app.pool, &terms, days, now, everybody).await;
    let Preview { players, completions, paid, occurrences } =
        preview.map_err(ApiError::internal)?;
    Ok(Json(PreviewView {
        event_id: event.0,
        days,
        players,
        completions,
        paid: paid.into(),
        occurrences: occurrences.into_iter().map(OccurrenceView::from).collect(),
    }))
}
