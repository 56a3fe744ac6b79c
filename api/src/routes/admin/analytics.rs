//! Figures of everything that has happened, for the staff: read from ClickHouse, each with how fresh it is.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{Days, NaiveDate};
use projections::sinks::clickhouse::reports::{
    self, Circulation, Cohort, Day, GoldFlow, PaymentFailures, PlayerFunnel, PurchaseFunnel,
    Revenue, Whale,
};
use projections::sinks::clickhouse::{ClickHouse, DayRange, NAME};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::query;
use crate::app::App;
use crate::auth::{May, need};
use crate::error::{ApiError, Reason};

/// Days that are looked at unless others are asked for.
const USUAL_DAYS: u64 = 30;
/// The most days of one question.
const MOST_DAYS: i64 = 3_660;
/// Who has spent most: so many are told.
const WHALES: u32 = 20;

/// Which days, in UTC; both are included.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DaysQuery {
    /// The first day; thirty days up to the last one unless given.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<NaiveDate>,
    /// The last day; today unless given.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<NaiveDate>,
}

/// Which figures, and how fresh they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fresh {
    /// The first day that was looked at.
    #[schema(value_type = String, format = Date)]
    from: NaiveDate,
    /// The last day that was looked at.
    #[schema(value_type = String, format = Date)]
    to: NaiveDate,
    /// Every event up to here is counted.
    position: u64,
    /// How long the first event that is not counted yet has been waiting.
    lag_ms: u64,
}

/// The figures of the house.
#[derive(Debug, Serialize, ToSchema)]
pub struct Kpis {
    /// What completed purchases brought, all currencies together: the club sells in one.
    revenue_cents: u64,
    /// Completed purchases.
    purchases: u64,
    /// What was given back, by the house or by banks.
    refunded_cents: u64,
    /// Players who did anything.
    active_players: u64,
    /// Gold that came into wallets: sold, promised or given.
    gold_minted: u64,
    /// Gold that was spent, less what was returned for items taken back.
    gold_sunk: i64,
    /// Gold that players have at the end of the last day.
    gold_in_circulation: i64,
    /// Of that, bought.
    gold_paid: i64,
    /// Of that, given.
    gold_free: i64,
    /// Gold that players owe after refunds of what was spent.
    gold_debt: i64,
    /// Money by currency.
    #[schema(value_type = Vec<Object>)]
    revenue: Vec<Revenue>,
    /// Who has paid most, all time, less what was given back.
    #[schema(value_type = Vec<Object>)]
    whales: Vec<Whale>,
    #[serde(flatten)]
    fresh: Fresh,
}

/// Day by day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Series {
    /// Every day, also one on which nothing happened.
    #[schema(value_type = Vec<Object>)]
    days: Vec<Day>,
    #[serde(flatten)]
    fresh: Fresh,
}

/// From signing up to buying again, and from asking for a purchase to its end.
#[derive(Debug, Serialize, ToSchema)]
pub struct Funnel {
    /// Of those who signed up on these days: how far they have come until now.
    #[schema(value_type = Object)]
    players: PlayerFunnel,
    /// Of the purchases that were requested on these days: what became of them.
    #[schema(value_type = Object)]
    purchases: PurchaseFunnel,
    /// Why purchases came to nothing on these days.
    #[schema(value_type = Vec<Object>)]
    failures: Vec<PaymentFailures>,
    #[serde(flatten)]
    fresh: Fresh,
}

/// Who comes back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cohorts {
    /// Those who signed up on each day: how many they are, and how many of them did anything on that day, the
    /// next one, and so on.
    #[schema(value_type = Vec<Object>)]
    cohorts: Vec<Cohort>,
    #[serde(flatten)]
    fresh: Fresh,
}

/// Whether gold comes in as fast as it goes out.
#[derive(Debug, Serialize, ToSchema)]
pub struct Economy {
    /// Sources and sinks by type.
    #[schema(value_type = Vec<Object>)]
    flows: Vec<GoldFlow>,
    /// What players have and owe at the end of the last day.
    #[schema(value_type = Object)]
    circulation: Circulation,
    /// The week that ends with the last day.
    week: Week,
    #[serde(flatten)]
    fresh: Fresh,
}

/// The gold of a week.
#[derive(Debug, Serialize, ToSchema)]
pub struct Week {
    /// Its first day.
    #[schema(value_type = String, format = Date)]
    from: NaiveDate,
    /// Gold in circulation before it.
    gold_before: i64,
    /// Gold that came into wallets.
    gold_in: u64,
    /// Gold that went out of them.
    gold_out: u64,
    /// What came in, in hundredths of a percent of what there was; `null` where there was none.
    injection_hundredths_of_a_percent: Option<i64>,
    /// Above so many percent the alarm is raised.
    alarm_above_percent: u32,
    /// Whether more came in than the game should bear.
    alarm: bool,
}

/// The days, once they make sense.
fn days(app: &App, asked: Result<Query<DaysQuery>, QueryRejection>) -> Result<DayRange, ApiError> {
    let DaysQuery { from, to } = query(asked)?;
    let to = to.unwrap_or_else(|| app.commands.clock.now().date_naive());
    let usual = to.checked_sub_days(Days::new(USUAL_DAYS - 1)).unwrap_or(to);
    let from = from.unwrap_or(usual);
    let count = (to - from).num_days();
    if !(0..MOST_DAYS).contains(&count) {
        let detail = format!("from must not be after to, and at most {MOST_DAYS} days before it");
        return Err(ApiError::new(Reason::BadRequest, detail));
    }
    Ok((from, to))
}

/// How fresh figures are that are asked for after this: they count all up to that position. What is in `events`
/// may not be in the other tables yet; the follower stands behind what is in all of them.
async fn fresh(app: &App, clickhouse: &ClickHouse, days: DayRange) -> Result<Fresh, ApiError> {
    let status = app.followers.status().await;
    let last = reports::position(clickhouse).await?;
    let follower = status.iter().find(|follower| follower.name == NAME);
    let (position, lag_ms) = follower.map_or((0, 0), |it| (it.position.min(last), it.lag_ms));
    Ok(Fresh { from: days.0, to: days.1, position, lag_ms })
}

/// The figures of the house over these days.
#[utoipa::path(get, path = "/api/admin/analytics/kpis", tag = "administration",
    security(("token" = ["see_players"])), params(DaysQuery), responses(
        (status = 200, description = "figures", body = Kpis),
        (status = 503, description = "no ClickHouse, or it is away", body = Problem)))]
pub async fn kpis(
    State(app): State<App>,
    _staff: May<need::SeePlayers>,
    asked: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<Kpis>, ApiError> {
    let (clickhouse, days) = (app.olap.insist()?, days(&app, asked)?);
    let fresh = fresh(&app, clickhouse, days).await?;
    let revenue = reports::revenue(clickhouse, days).await?;
    let flows = reports::gold_flows(clickhouse, days).await?;
    let circulation = reports::circulation(clickhouse, days.1).await?;
    let sum = |of: fn(&Revenue) -> u64| revenue.iter().map(of).sum();
    Ok(Json(Kpis {
        revenue_cents: sum(|it| it.sold_cents),
        purchases: sum(|it| it.purchases),
        refunded_cents: sum(|it| it.refunded_cents + it.charged_back_cents),
        active_players: reports::active_players(clickhouse, days).await?,
        gold_minted: minted(&flows),
        gold_sunk: sunk(&flows),
        gold_in_circulation: circulation.gold(),
        gold_paid: circulation.paid,
        gold_free: circulation.free,
        gold_debt: circulation.debt,
        whales: reports::whales(clickhouse, WHALES).await?,
        revenue,
        fresh,
    }))
}

/// Gold that came into wallets, but for what came back.
fn minted(flows: &[GoldFlow]) -> u64 {
    let sources = ["promotion", "issuance", "sales"];
    let flows = flows.iter().filter(|flow| sources.contains(&flow.counter_account.as_str()));
    flows.map(|flow| flow.paid_in.saturating_add(flow.free_in)).sum()
}

/// Gold that left the game.
fn sunk(flows: &[GoldFlow]) -> i64 {
    let signed =
        |paid: u64, free: u64| i64::try_from(paid.saturating_add(free)).unwrap_or(i64::MAX);
    let sinks = flows.iter().filter(|flow| flow.counter_account == "sink");
    sinks
        .map(|it| signed(it.paid_out, it.free_out).saturating_sub(signed(it.paid_in, it.free_in)))
        .sum()
}

/// Sign-ups, activity, money and gold, day by day.
#[utoipa::path(get, path = "/api/admin/analytics/series", tag = "administration",
    security(("token" = ["see_players"])), params(DaysQuery), responses(
        (status = 200, description = "a row for each day", body = Series),
        (status = 503, description = "no ClickHouse, or it is away", body = Problem)))]
pub async fn series(
    State(app): State<App>,
    _staff: May<need::SeePlayers>,
    asked: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<Series>, ApiError> {
    let (clickhouse, days) = (app.olap.insist()?, days(&app, asked)?);
    let fresh = fresh(&app, clickhouse, days).await?;
    Ok(Json(Series { days: reports::series(clickhouse, days).await?, fresh }))
}

/// How far players and purchases have come.
#[utoipa::path(get, path = "/api/admin/analytics/funnel", tag = "administration",
    security(("token" = ["see_players"])), params(DaysQuery), responses(
        (status = 200, description = "counts by step", body = Funnel),
        (status = 503, description = "no ClickHouse, or it is away", body = Problem)))]
pub async fn funnel(
    State(app): State<App>,
    _staff: May<need::SeePlayers>,
    asked: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<Funnel>, ApiError> {
    let (clickhouse, days) = (app.olap.insist()?, days(&app, asked)?);
    Ok(Json(Funnel {
        fresh: fresh(&app, clickhouse, days).await?,
        players: reports::player_funnel(clickhouse, days).await?,
        purchases: reports::purchase_funnel(clickhouse, days).await?,
        failures: reports::payment_failures(clickhouse, days).await?,
    }))
}

/// Retention by day of signing up.
#[utoipa::path(get, path = "/api/admin/analytics/cohorts", tag = "administration",
    security(("token" = ["see_players"])), params(DaysQuery), responses(
        (status = 200, description = "a row for each day with sign-ups", body = Cohorts),
        (status = 503, description = "no ClickHouse, or it is away", body = Problem)))]
pub async fn cohorts(
    State(app): State<App>,
    _staff: May<need::SeePlayers>,
    asked: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<Cohorts>, ApiError> {
    let (clickhouse, days) = (app.olap.insist()?, days(&app, asked)?);
    let fresh = fresh(&app, clickhouse, days).await?;
    Ok(Json(Cohorts { cohorts: reports::cohorts(clickhouse, days).await?, fresh }))
}

/// Sources and sinks of gold, what is in circulation, and whether too much comes in.
#[utoipa::path(get, path = "/api/admin/analytics/economy", tag = "administration",
    security(("token" = ["see_players"])), params(DaysQuery), responses(
        (status = 200, description = "the economy's health", body = Economy),
        (status = 503, description = "no ClickHouse, or it is away", body = Problem)))]
pub async fn economy(
    State(app): State<App>,
    _staff: May<need::SeePlayers>,
    asked: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<Economy>, ApiError> {
    let (clickhouse, days) = (app.olap.insist()?, days(&app, asked)?);
    let fresh = fresh(&app, clickhouse, days).await?;
    let alarm_above_percent = app.config.olap.injection_alarm_percent;
    let injection = reports::injection(clickhouse, days.1).await?;
    let week = Week {
        from: injection.from,
        gold_before: injection.gold_before,
        gold_in: injection.gold_in,
        gold_out: injection.gold_out,
        injection_hundredths_of_a_percent: injection.share,
        alarm_above_percent,
        alarm: injection.is_above(alarm_above_percent),
    };
    Ok(Json(Economy {
        flows: reports::gold_flows(clickhouse, days).await?,
        circulation: reports::circulation(clickhouse, days.1).await?,
        week,
        fresh,
    }))
}
