//! The role `game`: a demo game server with one free game, a coin toss. It stands for anybody's
//! game: a program of its own that knows the club only by its public addresses, and reports what was
//! played as docs/game-servers.md describes. Never in production.

mod coin;
mod pace;
mod players;
mod refusals;
mod reports;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use commands::clock::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

use crate::auth;
use crate::config::GameConfig;
use crate::edge::cors;
use crate::serve::{ending_signal, told};
use coin::{Round, Side};
use pace::Pace;
use players::Players;
use refusals::Refusal;
use reports::{NotReported, Report, Reporter};

/// How long rounds may take to finish after the signal to end: as long as a report may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(15);
const LONGEST_BODY: usize = 1_024;

/// The running game, as handlers see it.
#[derive(Clone)]
struct Game(Arc<Parts>);

struct Parts {
    allowed_origins: Vec<String>,
    players: Players,
    reporter: Reporter,
    pace: Pace,
}

impl Game {
    fn new(config: GameConfig, clock: Arc<dyn Clock>) -> Self {
        let http = reqwest::Client::new();
        let GameConfig { club, service, secret, allowed_origins, .. } = config;
        let players = Players::new(http.clone(), club.clone(), clock.clone());
        let reporter = Reporter { http, club, service, secret, clock };
        Self(Arc::new(Parts { allowed_origins, players, reporter, pace: Pace::default() }))
    }
}

/// Runs the game until it is told to end.
///
/// # Errors
/// In production, or if it cannot listen.
pub async fn run(config: GameConfig) -> anyhow::Result<()> {
    if config.environment.is_production() {
        bail!("the demo game is for trying things by hand: ENVIRONMENT=production refuses it");
    }
    let (listen, club) = (config.listen, config.club.clone());
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("CLUB_GAME_LISTEN {listen} cannot be listened on"))?;
    let address = listener.local_addr()?;
    let (stop, stopping) = watch::channel(false);
    let routes = routes(Game::new(config, Arc::new(SystemClock)));
    let server = axum::serve(listener, routes).with_graceful_shutdown(told(stopping));
    let server = tokio::spawn(async move { server.await });
    tracing::info!(%address, club, "the game is open");
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    let signal = ending_signal().await?;
    tracing::info!(signal, "ending: rounds under way are finished");
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN_PATIENCE, server).await.is_err() {
        tracing::warn!("some rounds did not end in time");
    }
    Ok(())
}

fn routes(game: Game) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/play", post(play))
        .fallback(async || Refusal::NotFound)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn_with_state(game.clone(), around))
        .with_state(game)
}

/// Which pages may play: those whose origins are named.
async fn around(State(game): State<Game>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if cors::is_preflight(&request) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        cors::allow(&game.0.allowed_origins, &origin, &method, response.headers_mut());
    }
    response
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// A wish to play.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    pick: Side,
}

/// A round that counts.
#[derive(Serialize)]
struct Played {
    round: Uuid,
    pick: Side,
    result: Side,
    won: bool,
    /// Where the club's log has it, for `X-Min-Position`.
    position: Option<u64>,
}

/// One round. The player hears of it when the club has it: what is shown is never taken back.
async fn play(
    State(game): State<Game>,
    headers: HeaderMap,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Played>, Refusal> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(auth::bearer).ok_or(Refusal::Unauthenticated)?;
    let player = game.0.players.of_token(token).await?;
    let Json(wish) = wish.map_err(|_| Refusal::NoSide)?;
    game.0.pace.count(player, Instant::now()).map_err(Refusal::TooFast)?;
    let round = Round::toss(wish.pick);
    let report = report(game, player, round).await?;
    let Round { id, pick, result } = round;
    Ok(Json(Played { round: id, pick, result, won: round.is_won(), position: report.position }))
}

/// In a task of its own: a player who hangs up on a toss has tossed all the same.
async fn report(game: Game, player: i64, round: Round) -> Result<Report, Refusal> {
    let actions = round.actions(player);
    let reporting = tokio::spawn(async move { game.0.reporter.report(&actions).await });
    let report = reporting.await.map_err(|error| {
        tracing::error!(%error, "reporting a round failed");
        Refusal::Void
    })?;
    report.inspect(|report| log_round(player, &round, report)).map_err(NotReported::into)
}

fn log_round(player: i64, round: &Round, report: &Report) {
    let Report { accepted, duplicates, position, .. } = report;
    tracing::debug!(player, round = %round.id, won = round.is_won(), accepted, duplicates, position);
}
