//! Receipts that anybody can verify with the published key, without asking the club.

use axum::Json;
use axum::extract::State;
use domain::id::ReceiptCode;
use projections::read_models::purchases::{self, Purchase, Status};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use super::answers::status_name;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{MinPosition, Segment};

/// What a receipt's signature is made with, in its header: never taken for an access token.
pub const RECEIPT_TYPE: &str = "receipt+jwt";

/// What is said about a purchase.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Receipt {
    /// Always `casino-club`.
    iss: &'static str,
    /// 12 hex digits.
    receipt_code: String,
    /// Its name at the payment provider; `null` if it was paid with gold.
    charge_id: Option<String>,
    user_id: i64,
    sku: String,
    quantity: u64,
    /// `completed`, `refunded` or `charged_back`.
    status: &'static str,
    amount_cents: u64,
    currency: Option<String>,
    refunded_cents: u64,
    /// Gold that was credited.
    gold_granted: u64,
    /// Gold that was paid.
    gold_spent: u64,
    requested_at: String,
    completed_at: Option<String>,
    /// The log's position at which this is true.
    position: u64,
}

/// A receipt and its signature.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignedReceipt {
    receipt: Receipt,
    /// The same receipt as a JWS in compact form (EdDSA, `typ` `receipt+jwt`), to be verified with
    /// the key of this `kid` at `/.well-known/receipt-keys.json`.
    signature: String,
}

/// A signed receipt of one of the player's purchases.
#[utoipa::path(get, path = "/api/shop/receipts/{code}", tag = "shop", security(("token" = [])),
    params(("code" = String, Path, description = "the receipt code"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the receipt", body = SignedReceipt),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "the player has no such purchase", body = Problem),
        (status = 409, description = "it was not completed: there is nothing to show", body = Problem)))]
pub async fn receipt(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    Segment(code): Segment,
) -> Result<Json<SignedReceipt>, ApiError> {
    reads::caught_up(&app, Some(player.id()), min).await?;
    let code: ReceiptCode = code.parse().map_err(|_| not_found())?;
    let found = purchases::by_receipt(&app.pool, code).await?;
    let row = found.rows.filter(|row| row.user_id == player.id()).ok_or_else(not_found)?;
    if !matches!(row.status, Status::Completed | Status::Refunded | Status::ChargedBack) {
        let detail = "the purchase was not completed: there is no receipt";
        return Err(ApiError::new(Reason::PurchaseNotCompleted, detail));
    }
    let receipt = receipt_of(row, found.position);
    let now = app.commands.clock.now().timestamp();
    let signature = app.tokens.sign(RECEIPT_TYPE, &receipt, now).map_err(ApiError::internal)?;
    Ok(Json(SignedReceipt { receipt, signature }))
}

fn receipt_of(row: Purchase, position: u64) -> Receipt {
    Receipt {
        iss: "casino-club",
        receipt_code: row.receipt_code,
        charge_id: row.charge_id,
        user_id: row.user_id.0,
        sku: row.sku,
        quantity: row.quantity,
        status: status_name(row.status),
        amount_cents: row.amount_cents,
        currency: row.currency,
        refunded_cents: row.refunded_cents,
        gold_granted: row.gold,
        gold_spent: row.gold_spent,
        requested_at: rfc3339(row.created_at),
        completed_at: row.ended_at.map(rfc3339),
        position,
    }
}

fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "you have no purchase with this receipt: see your transactions")
}
