//! The daily streak: where it stands, what it will pay, what it has paid, claiming it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use chrono::{Datelike, Days, Months, NaiveDate};
use commands::bus::Answer;
use commands::daily::{Claimed, DailyStanding, StreakPaid};
use domain::account::{LAST_RISING_DAY, StreakDay, StreakReward, level};
use domain::limit::Period;
use projections::read_models::streaks::{self, StreakLine};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::replayable;
use super::docs::Problem;
use super::paging::query;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition};

/// What a day of a streak pays.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct RewardView {
    gold: u64,
    xp: u64,
}

impl RewardView {
    /// Of the day with this number.
    #[must_use]
    pub fn of_day(count: u32) -> Self {
        let StreakReward { gold, xp } = StreakReward::of_day(count);
        Self { gold: gold.amount(), xp }
    }
}

/// Where a player's streak stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreakStatus {
    /// The day of the streak that today's claim is, if `claimed_today`, or else would be. There is
    /// no day 0: before the first claim, and after a missed day, this is 1.
    streak_count: u32,
    claimed_today: bool,
    /// What today's claim pays, or has paid.
    today: RewardView,
    /// What tomorrow's claim pays, if today's is made.
    next: RewardView,
    /// When the streak was last claimed; never, if `null`.
    last_claimed_at: Option<String>,
    /// When today is over: days are those of UTC.
    day_ends_at: Option<String>,
    /// All experience of the player.
    xp: u64,
    level: u64,
    position: u64,
}

/// The days to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreakPreview {
    /// As in the status.
    streak_count: u32,
    claimed_today: bool,
    today: RewardView,
    next: RewardView,
    /// Today and the days after it, if none is missed, for as long as rewards rise from day 1.
    days: Vec<PreviewDay>,
    position: u64,
}

/// A day to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewDay {
    /// In UTC, such as `2026-11-25`.
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    streak_count: u32,
    gold: u64,
    xp: u64,
    claimed: bool,
}

/// Which month.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MonthQuery {
    /// 1970 to 9999; this year, if not given.
    year: Option<i32>,
    /// 1 to 12; this month, if not given.
    month: Option<u32>,
}

/// What a month's claims have paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreakHistory {
    year: i32,
    month: u32,
    /// The days that were claimed, in order.
    days: Vec<HistoryDay>,
    /// All gold of the month.
    gold: u64,
    /// All experience of the month.
    xp: u64,
    position: u64,
}

/// A day that was claimed.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryDay {
    /// In UTC, such as `2026-11-25`.
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    streak_count: u64,
    gold: u64,
    xp: u64,
    claimed_at: String,
}

impl From<StreakLine> for HistoryDay {
    fn from(line: StreakLine) -> Self {
        let StreakLine { day, streak_count, gold, xp, claimed_at, .. } = line;
        Self { day, streak_count, gold, xp, claimed_at: rfc3339(claimed_at) }
    }
}

/// The answer to a claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreakClaimed {
    success: bool,
    /// The day of the streak that was claimed, from 1.
    streak_count: u32,
    awarded_gold: u64,
    awarded_xp: u64,
    /// The gold after the claim, at `position`: it is less than `awarded_gold` more than before if
    /// a debt was repaid.
    new_gold_balance: u64,
    claimed_at: String,
    /// Whether the day had been claimed before: then this is what that claim paid.
    idempotent: bool,
    /// Where in the log the claim stands.
    position: u64,
}

async fn standing(
    app: &App,
    player: Player,
    min: MinPosition,
) -> Result<(StreakDay, Answer<DailyStanding>), ApiError> {
    reads::seen(app, min).await?;
    let standing = app.commands.daily(player.id()).await?;
    let DailyStanding { daily, at, .. } = standing.body;
    Ok((daily.streak_at(at, app.commands.streak_grace_days), standing))
}

/// Where the streak stands, from the node's own state.
#[utoipa::path(get, path = "/api/streak/status", tag = "daily", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is seen")),
    responses(
        (status = 200, description = "the streak", body = StreakStatus),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn status(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<StreakStatus>, ApiError> {
    let (StreakDay { count, claimed_at }, standing) = standing(&app, player, min).await?;
    let DailyStanding { daily, at, .. } = standing.body;
    Ok(Json(StreakStatus {
        streak_count: count,
        claimed_today: claimed_at.is_some(),
        today: RewardView::of_day(count),
        next: RewardView::of_day(count.saturating_add(1)),
        last_claimed_at: daily.last_streak_claim().map(rfc3339),
        day_ends_at: Period::Day.ends_at(at).map(rfc3339),
        xp: daily.xp(),
        level: level(daily.xp()),
        position: standing.position,
    }))
}

/// What the streak pays today and on the days to come, by the one formula.
#[utoipa::path(get, path = "/api/streak/preview", tag = "daily", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is seen")),
    responses(
        (status = 200, description = "the days to come", body = StreakPreview),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn preview(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<StreakPreview>, ApiError> {
    let (StreakDay { count, claimed_at }, standing) = standing(&app, player, min).await?;
    let today = standing.body.at.date_naive();
    let day = |ahead: u32| {
        let streak_count = count.saturating_add(ahead);
        let RewardView { gold, xp } = RewardView::of_day(streak_count);
        let claimed = ahead == 0 && claimed_at.is_some();
        let day = today.checked_add_days(Days::new(ahead.into()))?;
        Some(PreviewDay { day, streak_count, gold, xp, claimed })
    };
    Ok(Json(StreakPreview {
        streak_count: count,
        claimed_today: claimed_at.is_some(),
        today: RewardView::of_day(count),
        next: RewardView::of_day(count.saturating_add(1)),
        days: (0..LAST_RISING_DAY).filter_map(day).collect(),
        position: standing.position,
    }))
}

/// What the streak has paid in a month.
#[utoipa::path(get, path = "/api/streak/history", tag = "daily", security(("token" = [])),
    params(MonthQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the month", body = StreakHistory),
        (status = 400, description = "there is no such month", body = Problem),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not shown yet", body = Problem)))]
pub async fn history(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    asked: Result<Query<MonthQuery>, QueryRejection>,
) -> Result<Json<StreakHistory>, ApiError> {
    let (first, end) = month(&query(asked)?, app.commands.clock.now().date_naive())?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let shown = streaks::between(&app.pool, player.id(), first, end).await?;
    let sum = |of: fn(&StreakLine) -> u64| shown.rows.iter().map(of).fold(0, u64::saturating_add);
    Ok(Json(StreakHistory {
        year: first.year(),
        month: first.month(),
        gold: sum(|line| line.gold),
        xp: sum(|line| line.xp),
        position: shown.position,
        days: shown.rows.into_iter().map(HistoryDay::from).collect(),
    }))
}

/// The first day of a month and of the one after it.
fn month(asked: &MonthQuery, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), ApiError> {
    let year = asked.year.unwrap_or(today.year());
    let month = asked.month.unwrap_or(today.month());
    let first = NaiveDate::from_ymd_opt(year, month, 1).filter(|_| (1970..=9999).contains(&year));
    let bounds = first.and_then(|first| Some((first, first.checked_add_months(Months::new(1))?)));
    let detail = "there is no such month: year is 1970 to 9999 and month 1 to 12";
    bounds.ok_or_else(|| ApiError::new(Reason::BadRequest, detail))
}

/// Claims today's part of the streak, once a UTC day. Whoever claims again gets the answer of the
/// first time, with `idempotent`.
#[utoipa::path(post, path = "/api/streak/claim", tag = "daily", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "claimed, now or before", body = StreakClaimed),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 409, description = "BALANCE_TOO_LARGE", body = Problem)))]
pub async fn claim(
    State(app): State<App>,
    player: Player,
    asked: Asked,
) -> Result<Response, ApiError> {
    let claimed = app.commands.claim_streak(&asked.caller(player.actor()), player.id()).await?;
    app.positions.acknowledge(player.id(), claimed.position);
    let Claimed { reward: StreakPaid { count, gold, xp }, at, wallet, is_repeat } = claimed.body;
    let answer = StreakClaimed {
        success: true,
        streak_count: count,
        awarded_gold: gold,
        awarded_xp: xp,
        new_gold_balance: wallet.gold(),
        claimed_at: rfc3339(at),
        idempotent: is_repeat,
        position: claimed.position,
    };
    Ok(replayable(Json(answer).into_response(), claimed.replayed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_the_present_one_unless_another_is_named_and_has_an_end() {
        let today: NaiveDate = "2026-12-31".parse().unwrap();
        let of = |year, month| {
            let bounds = month_of(year, month, today)?;
            Some((bounds.0.to_string(), bounds.1.to_string()))
        };
        let month = |first: &str, end: &str| Some((first.to_owned(), end.to_owned()));
        assert_eq!(of(None, None), month("2026-12-01", "2027-01-01"));
        assert_eq!(of(Some(2028), Some(2)), month("2028-02-01", "2028-03-01"));
        for (year, month) in [(2026, 0), (2026, 13), (1969, 1), (10_000, 1), (-1, 1)] {
            assert_eq!(of(Some(year), Some(month)), None, "{year} {month}");
        }
    }

    fn month_of(
        year: Option<i32>,
        month: Option<u32>,
        today: NaiveDate,
    ) -> Option<(NaiveDate, NaiveDate)> {
        super::month(&MonthQuery { year, month }, today).ok()
    }
}
