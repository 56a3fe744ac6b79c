//! Whether the service runs, and how well.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use commands::payments::Condition;
use projections::follower::{FollowerState, FollowerStatus};
use projections::sinks::clickhouse::Completeness;
use projections::sinks::kafka;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::LONGEST_UNCONFIRMED;
use crate::auth::sign_in::rfc3339;
use crate::worker::OUTWARD;

/// That it runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Whether it can be used.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// What it needs.
    dependencies: Dependencies,
    /// The log's head on this node.
    position: u64,
    /// Mails that wait to be sent.
    mail_queued: i64,
    /// What is in ClickHouse, as it was counted last; none without a ClickHouse.
    olap: Option<InClickHouse>,
    /// What follows the log.
    followers: Vec<Follower>,
}

/// Whether everything is in ClickHouse.
#[derive(Debug, Serialize, ToSchema)]
pub struct InClickHouse {
    /// The last event that was brought in or set aside, with the first bytes of its hash.
    place: String,
    /// Different positions in it.
    distinct_positions: u64,
    /// Events that were set aside; see `club olap set-aside`.
    set_aside: u64,
    /// Whether each event up to the place is in or set aside.
    is_complete: bool,
    /// How long ago that was counted, in seconds: it is counted twice a minute.
    counted_s_ago: u64,
}

/// What the service needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dependencies {
    /// `up`, or since when not.
    postgres: String,
    /// `up`, `off` (nobody takes payments), or until when the payment provider rests after too many
    /// failures. The service is ready all the same.
    payments: String,
    /// `up`, `off` (no mail is sent), or why the mail server takes none. The service is ready all the same.
    mail: String,
    /// `up`, `off` (nothing is counted), or why ClickHouse cannot be asked. The service is ready all the same.
    clickhouse: String,
    /// `up`, `off` (no events are published), or what is wrong. The service is ready all the same.
    kafka: String,
}

/// A follower of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Follower {
    name: &'static str,
    position: u64,
    lag_events: u64,
    lag_ms: u64,
    /// `following`, `standing_by`, `starting`, `building`, `failing`, `place_gone` or `stopped`.
    #[schema(value_type = String)]
    state: FollowerState,
    /// Which generation of its tables readers see; 0 for followers without tables.
    generation: i32,
    /// What failed last, while it is failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<(Completeness, Instant)> for InClickHouse {
    fn from((found, counted): (Completeness, Instant)) -> Self {
        Self {
            is_complete: found.is_complete(),
            place: found.cursor,
            distinct_positions: found.distinct,
            set_aside: found.set_aside,
            counted_s_ago: counted.elapsed().as_secs(),
        }
    }
}

impl From<FollowerStatus> for Follower {
    fn from(status: FollowerStatus) -> Self {
        let FollowerStatus { name, generation, position, lag_events, lag_ms, state, error } =
            status;
        Self { name, position, lag_events, lag_ms, state, generation, error }
    }
}

/// Whether the process runs. Asks nobody.
#[utoipa::path(get, path = "/health", tag = "service",
    responses((status = 200, description = "it runs", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the service can be used: the log is in sight and every follower follows.
#[utoipa::path(get, path = "/ready", tag = "service", responses(
    (status = 200, description = "it can be used", body = Ready),
    (status = 503, description = "it cannot: the same, with what is missing", body = Ready)))]
pub async fn ready(State(app): State<App>) -> Response {
    let unconfirmed = app.commands.bus.unconfirmed_for();
    let log_in_sight = unconfirmed <= LONGEST_UNCONFIRMED;
    let followers: Vec<Follower> =
        app.followers.status().await.into_iter().map(Follower::from).collect();
    let all_follow = followers.iter().all(|it| it.state.is_well() || OUTWARD.contains(&it.name));
    let is_ready = log_in_sight && all_follow;
    let postgres = match log_in_sight {
        true => "up".to_owned(),
        false => format!("not heard of for {} ms", unconfirmed.as_millis()),
    };
    let ready = Ready {
        status: if is_ready { "ready" } else { "not_ready" },
        dependencies: Dependencies {
            postgres,
            payments: payments(&app),
            mail: mail(&app),
            clickhouse: clickhouse(&app),
            kafka: outward(kafka::NAME, &followers),
        },
        position: app.commands.bus.head().position,
        mail_queued: app.mail.queued(),
        olap: app.olap.seen().counted.map(InClickHouse::from),
        followers,
    };
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
}

fn payments(app: &App) -> String {
    match app.commands.provider.condition() {
        _ if !app.config.payments.is_on() => "off".to_owned(),
        Condition::Up => "up".to_owned(),
        Condition::Resting { until } => format!("resting until {}", rfc3339(until)),
    }
}

fn mail(app: &App) -> String {
    match app.mail.away() {
        _ if !app.mail.is_on() => "off".to_owned(),
        None => "up".to_owned(),
        Some(why) => format!("away: {why}"),
    }
}

fn clickhouse(app: &App) -> String {
    match app.olap.seen().away {
        _ if app.olap.clickhouse().is_none() => "off".to_owned(),
        None => "up".to_owned(),
        Some(why) => format!("away: {why}"),
    }
}

/// How a follower is that the club can do without.
fn outward(name: &str, followers: &[Follower]) -> String {
    match followers.iter().find(|follower| follower.name == name) {
        None => "off".to_owned(),
        Some(Follower { error: Some(error), .. }) => format!("away: {error}"),
        Some(follower) if follower.state.is_well() => "up".to_owned(),
        Some(follower) => follower.state.to_string(),
    }
}

/// All figures, as Prometheus reads them.
pub async fn metrics(State(app): State<App>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.render()).into_response()
}
