//! What a player has, and how it came about.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use domain::money::Wallet;
use projections::read_models::statement;
use projections::read_models::statement::StatementLine;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::docs::Problem;
use super::paging::{Page, next_cursor, page_length, query, word};
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::ApiError;
use crate::reads;
use crate::request::MinPosition;

/// A player's whole balance at a position of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Balance {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    /// Spendable gold.
    gold: u64,
    vip_points: u64,
    /// Gold owed.
    debt: u64,
    /// The position at which this is true.
    position: u64,
    /// How much of the gold was bought.
    gold_paid: u64,
    /// How much of the gold was given.
    gold_free: u64,
}

/// What a player has, from the node's own state.
#[utoipa::path(get, path = "/api/users/balance", tag = "users", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is seen")),
    responses(
        (status = 200, description = "the balance", body = Balance),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not here yet", body = Problem)))]
pub async fn balance(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Response, ApiError> {
    reads::seen(&app, min).await?;
    let (wallet, place) = app.commands.wallet(player.id()).await?;
    let Wallet { paid, free, debt, vip_points } = wallet.unwrap_or_default();
    let balance = Balance {
        user_id: player.id(),
        gold: paid.saturating_add(free),
        vip_points,
        debt,
        position: place.position,
        gold_paid: paid,
        gold_free: free,
    };
    let body = serde_json::to_vec(&balance).map_err(ApiError::internal)?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// Which part of a statement.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatementQuery {
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// One kind of movement only, such as `purchase` or `spend`.
    #[serde(default, deserialize_with = "word")]
    kind: Option<String>,
    /// Lines on the page: 50, at most 200.
    limit: Option<u32>,
}

/// One movement of gold.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    /// The event's number in the log.
    position: u64,
    at: String,
    /// `sign_up_bonus`, `purchase`, `grant`, `spend`.
    kind: String,
    /// The receipt, or what it was for.
    reference: String,
    /// Positive into the wallet, negative out of it.
    gold: i64,
    balance_after: u64,
    /// Who did it, as `kind:id`.
    actor: String,
    gold_paid: i64,
    gold_free: i64,
    /// The other side of the movement.
    counter_account: String,
}

impl From<StatementLine> for Line {
    fn from(line: StatementLine) -> Self {
        Self {
            position: line.position,
            at: rfc3339(line.at),
            kind: line.kind,
            reference: line.reference,
            gold: line.gold,
            balance_after: line.balance_after,
            actor: line.actor,
            gold_paid: line.gold_paid,
            gold_free: line.gold_free,
            counter_account: line.counter_account,
        }
    }
}

/// Every movement of the player's gold, newest first.
#[utoipa::path(get, path = "/api/users/statement", tag = "users", security(("token" = [])),
    params(StatementQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<Line>),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not shown yet", body = Problem)))]
pub async fn statement(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    asked: Result<Query<StatementQuery>, QueryRejection>,
) -> Result<Json<Page<Line>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let length = page_length(asked.limit);
    let kind = asked.kind.as_deref();
    let page = statement::page(&app.pool, player.id(), asked.cursor, kind, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |line| line.position);
    let items = page.rows.into_iter().map(Line::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}
