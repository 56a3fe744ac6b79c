//! What has been bought, and asking the provider how it stands.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use commands::shop::{PurchaseOutcome, Settled, UnderWay};
use domain::id::ReceiptCode;
use domain::money::Cents;
use projections::read_models::purchases;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use super::answers::Transaction;
use crate::app::App;
use crate::auth::Player;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// The `next_cursor` of the page before.
    pub cursor: Option<u64>,
    /// Lines on the page: 50, at most 200.
    pub limit: Option<u32>,
}

/// The player's purchases, newest first.
#[utoipa::path(get, path = "/api/shop/transactions", tag = "shop", security(("token" = [])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<Transaction>),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not shown yet", body = Problem)))]
pub async fn transactions(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Transaction>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let length = page_length(asked.limit);
    let page = purchases::page(&app.pool, player.id(), asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.requested_position);
    let items = page.rows.into_iter().map(Transaction::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// How a purchase stands after the provider was asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettledView {
    /// Whether it is completed and was not given back.
    success: bool,
    /// `pending`, `completed`, `failed`, `voided`, `refunded` or `charged_back`.
    status: &'static str,
    /// The player's balance now.
    new_gold_balance: u64,
    receipt_code: String,
    /// Why it failed, was voided or is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    refunded_cents: u64,
    debt: u64,
    position: u64,
}

impl SettledView {
    /// Of a purchase.
    pub fn of(settled: &Settled, position: u64) -> Self {
        let Settled { purchase, refunded, wallet } = settled;
        let (status, reason_code) = match purchase.outcome {
            PurchaseOutcome::Completed { .. } if *refunded >= purchase.offer.total_cents => {
                ("refunded", None)
            }
            PurchaseOutcome::Completed { .. } => ("completed", None),
            PurchaseOutcome::Failed(reason) => ("failed", Some(reason.name())),
            PurchaseOutcome::Voided(reason) => ("voided", Some(reason.name())),
            PurchaseOutcome::Pending => ("pending", Some("PAYMENT_PENDING")),
        };
        let Cents(refunded_cents) = *refunded;
        Self {
            success: status == "completed",
            status,
            new_gold_balance: wallet.gold(),
            receipt_code: purchase.receipt_code.to_string(),
            reason_code,
            refunded_cents,
            debt: wallet.debt,
            position,
        }
    }
}

/// Asks the provider how a purchase stands, and brings it in line: what was paid is credited, what
/// takes too long is given up.
#[utoipa::path(post, path = "/api/shop/transactions/{receipt}/settle", tag = "shop",
    security(("token" = [])),
    params(("receipt" = String, Path, description = "the receipt code")),
    responses(
        (status = 200, description = "how it stands", body = SettledView),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "the player has no such purchase", body = Problem),
        (status = 503, description = "the provider does not answer", body = Problem)))]
pub async fn settle(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    Segment(receipt): Segment,
) -> Result<Json<SettledView>, ApiError> {
    let purchase = own(&app, player, &receipt).await?;
    let settled = app.commands.settle(&asked.caller(player.actor()), &purchase).await?;
    app.positions.acknowledge(player.id(), settled.position);
    Ok(Json(SettledView::of(&settled.body, settled.position)))
}

async fn own(app: &App, player: Player, receipt: &str) -> Result<UnderWay, ApiError> {
    let receipt: ReceiptCode = receipt.parse().map_err(|_| not_found())?;
    let mut found = app.commands.pending.find(receipt);
    if found.is_none() {
        reads::caught_up(app, Some(player.id()), MinPosition(None)).await?;
        found = find(app, receipt).await?;
    }
    found.filter(|purchase| purchase.player == player.id()).ok_or_else(not_found)
}

/// A purchase for real money by its receipt, from the log: the read model only says where.
pub async fn find(app: &App, receipt: ReceiptCode) -> Result<Option<UnderWay>, ApiError> {
    let Some(row) = purchases::by_receipt(&app.pool, receipt).await?.rows else { return Ok(None) };
    let found = app.commands.purchase_at(row.user_id, receipt, row.requested_position).await?;
    Ok(found)
}

fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "you have no purchase with this receipt: see your transactions")
}
