//! For trying things by hand. None of it is there in production.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use domain::money::Gold;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::replayable;
use super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::request::Asked;

/// What test spending is called in statements.
const REFERENCE: &str = "test";

/// A wish to spend.
#[derive(Debug, ToSchema)]
pub struct SpendWish {
    /// How much.
    #[schema(value_type = u64)]
    gold: Gold,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// The answer to spending.
#[derive(Debug, Serialize, ToSchema)]
pub struct Spent {
    success: bool,
    gold_spent: u64,
    new_gold_balance: u64,
    position: u64,
}

/// Spends the player's gold on nothing.
#[utoipa::path(post, path = "/test/spend", tag = "test", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = SpendWish,
    responses(
        (status = 200, description = "spent", body = Spent),
        (status = 409, description = "not enough gold", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn spend(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let gold = fields.required("gold", values::gold);
    let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(SpendWish { gold: gold?, idempotency_key }))?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let caller = asked.caller(player.actor());
    let spent = app.commands.spend(&caller, player.id(), REFERENCE, wish.gold).await?;
    app.positions.acknowledge(player.id(), spent.position);
    let answer = Spent {
        success: true,
        gold_spent: spent.body.spent,
        new_gold_balance: spent.body.wallet.gold(),
        position: spent.position,
    };
    Ok(replayable(Json(answer).into_response(), spent.replayed))
}

/// What the club takes for now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockView {
    now: String,
    /// How far that is ahead of the machine's clock, in seconds.
    ahead_seconds: i64,
}

/// A wish to move the clock.
#[derive(Debug, ToSchema)]
pub struct ClockWish {
    /// How far, in seconds: 1 to 315,360,000 (ten years).
    #[expect(dead_code, reason = "describes the body")]
    advance_seconds: u32,
}

const TEN_YEARS: u32 = 315_360_000;

/// What the club takes for now.
#[utoipa::path(get, path = "/test/clock", tag = "test",
    responses((status = 200, description = "the time", body = ClockView)))]
pub async fn clock(State(app): State<App>) -> Json<ClockView> {
    Json(clock_view(&app))
}

/// Moves this node's clock on, for deadlines and windows. It never goes back; a restart sets it to
/// the machine's.
#[utoipa::path(post, path = "/test/clock", tag = "test", request_body = ClockWish,
    responses(
        (status = 200, description = "the time now", body = ClockView),
        (status = 422, description = "fields that cannot be used", body = Problem)))]
pub async fn move_clock(
    State(app): State<App>,
    mut fields: Fields,
) -> Result<Json<ClockView>, ApiError> {
    let seconds = fields.required("advance_seconds", values::count(TEN_YEARS));
    let seconds = fields.finish(|| seconds)?;
    if let Some(clock) = &app.moved_clock {
        clock.advance(Duration::from_secs(seconds.into()));
    }
    Ok(Json(clock_view(&app)))
}

fn clock_view(app: &App) -> ClockView {
    let ahead = app.moved_clock.as_ref().map(|clock| clock.ahead().num_seconds());
    ClockView { now: rfc3339(app.commands.clock.now()), ahead_seconds: ahead.unwrap_or(0) }
}

/// The test pages.
pub async fn index() -> Html<&'static str> {
    Html(include_str!("../pages/test.html"))
}

/// Buys and watches the balance arrive; says in red or green whether what was pushed is what REST
/// answers.
pub async fn live() -> Html<&'static str> {
    Html(include_str!("../pages/live.html"))
}

/// A coin to toss at the demo game server, and the missions that it moves.
pub async fn play(State(app): State<App>) -> Html<String> {
    let page = include_str!("../pages/play.html");
    Html(page.replace("{{game}}", &app.config.http.game_origin))
}
