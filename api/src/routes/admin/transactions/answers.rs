//! What the staff is told about purchases.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use commands::bus::Answer;
use commands::shop::{Forced, PurchaseOutcome, RefundAnswer, RefundOutcome, Settled, UnderWay};
use domain::id::ReceiptCode;
use domain::money::{Cents, Wallet};
use projections::read_models::purchases::Purchase;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::shop::status_name;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};

/// A purchase with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionView {
    receipt_code: String,
    /// Its name at the payment provider; `null` if it was paid with gold.
    charge_id: Option<String>,
    user_id: i64,
    product_id: Option<i64>,
    package_id: Option<String>,
    sku: String,
    /// The number of the terms it was made under.
    product_version: u64,
    /// `gold` or `item`.
    kind: &'static str,
    quantity: u64,
    payment_method: Option<String>,
    discount_percent: u64,
    /// What is charged; a promotion is counted already.
    amount_cents: u64,
    currency: Option<String>,
    promo_code: Option<String>,
    promo_off_cents: u64,
    /// Gold that it credits.
    gold: u64,
    /// Gold that it costs.
    gold_spent: u64,
    /// `pending`, `completed`, `failed`, `voided`, `refunded` or `charged_back`. Partly refunded it
    /// stays completed.
    status: &'static str,
    /// Why it failed or was voided.
    reason_code: Option<String>,
    /// What of a refund under way is to come.
    refund_pending_cents: u64,
    refunded_cents: u64,
    charged_back_cents: u64,
    /// Gold that went the other way again.
    gold_reversed: u64,
    /// What the provider had taken after the purchase had ended without, and has given back.
    late_capture_cents: u64,
    created_at: String,
    ended_at: Option<String>,
    changed_at: String,
    /// The event that requested it.
    requested_position: u64,
    /// The event that changed it last.
    updated_position: u64,
}

impl From<Purchase> for TransactionView {
    fn from(row: Purchase) -> Self {
        Self {
            receipt_code: row.receipt_code,
            charge_id: row.charge_id,
            user_id: row.user_id.0,
            product_id: row.product_id,
            package_id: row.package_code,
            sku: row.sku,
            product_version: row.product_version,
            kind: row.kind.name(),
            quantity: row.quantity,
            payment_method: row.payment_method,
            discount_percent: row.discount_percent,
            amount_cents: row.amount_cents,
            currency: row.currency,
            promo_code: row.promo_code,
            promo_off_cents: row.promo_off_cents,
            gold: row.gold,
            gold_spent: row.gold_spent,
            status: status_name(row.status),
            reason_code: row.reason_code,
            refund_pending_cents: row.refund_pending_cents,
            refunded_cents: row.refunded_cents,
            charged_back_cents: row.charged_back_cents,
            gold_reversed: row.gold_reversed,
            late_capture_cents: row.late_capture_cents,
            created_at: rfc3339(row.created_at),
            ended_at: row.ended_at.map(rfc3339),
            changed_at: rfc3339(row.changed_at),
            requested_position: row.requested_position,
            updated_position: row.updated_position,
        }
    }
}

/// A purchase that was made to end.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForceDone {
    success: bool,
    /// `completed`, `failed`, `voided` or `refunded`.
    status: &'static str,
    receipt_code: String,
    /// The player's balance now.
    new_gold_balance: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    refunded_cents: u64,
    debt: u64,
    position: u64,
}

/// The answer to forcing a purchase to an end.
pub(super) fn to_force(wanted: Forced, answer: Answer<Settled>) -> Result<Response, ApiError> {
    let Answer { body: Settled { purchase, refunded, wallet }, position, replayed } = answer;
    let is_refunded = refunded >= purchase.offer.total_cents;
    let (status, reason_code, is_as_wanted) = match purchase.outcome {
        PurchaseOutcome::Completed { .. } => {
            let status = if is_refunded { "refunded" } else { "completed" };
            (status, None, wanted == Forced::Success)
        }
        PurchaseOutcome::Failed(reason) => {
            ("failed", Some(reason.name()), wanted == Forced::Failed)
        }
        PurchaseOutcome::Voided(reason) => {
            ("voided", Some(reason.name()), wanted == Forced::Failed)
        }
        PurchaseOutcome::Pending => ("pending", Some("PAYMENT_PENDING"), false),
    };
    let receipt_code = purchase.receipt_code.to_string();
    if !is_as_wanted {
        let detail = match status {
            "pending" => "the provider has not decided: ask again shortly",
            _ => "the purchase has ended otherwise, and that end stands",
        };
        let error = ApiError::new(Reason::Conflict, detail).with("purchase_status", status);
        let error = error.with("receipt_code", receipt_code).with("position", position);
        return Err(error.with("reason_code", reason_code));
    }
    let Cents(refunded_cents) = refunded;
    let answer = ForceDone {
        success: true,
        status,
        receipt_code,
        new_gold_balance: wallet.gold(),
        reason_code,
        refunded_cents,
        debt: wallet.debt,
        position,
    };
    Ok(replayable(Json(answer).into_response(), replayed))
}

/// What was given back.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundDone {
    /// False while it is pending.
    success: bool,
    /// `refunded`, `partially_refunded` or `pending`.
    status: &'static str,
    receipt_code: String,
    /// Money asked for this time.
    amount_cents: u64,
    /// All the money that has been given back of this purchase; `null` while it is pending.
    refunded_cents: Option<u64>,
    /// Gold that was taken this time.
    gold_taken: u64,
    /// Gold that was returned for items taken back.
    gold_returned: u64,
    /// What the player owes after it; `null` while it is pending.
    debt: Option<u64>,
    new_gold_balance: Option<u64>,
    position: u64,
}

/// The answer to a refund of money.
pub(super) fn to_refund(
    purchase: &UnderWay,
    answer: Answer<RefundAnswer>,
) -> Result<Response, ApiError> {
    let Answer { body: RefundAnswer { amount_cents, outcome }, position, replayed } = answer;
    let receipt_code = purchase.receipt_code.to_string();
    let pending = RefundDone {
        success: false,
        status: "pending",
        receipt_code,
        amount_cents: amount_cents.0,
        refunded_cents: None,
        gold_taken: 0,
        gold_returned: 0,
        debt: None,
        new_gold_balance: None,
        position,
    };
    let (status, done) = match outcome {
        RefundOutcome::Done { refunded_cents, gold_taken, gold_returned, wallet } => {
            let is_all = refunded_cents >= purchase.offer.total_cents;
            let done = RefundDone {
                success: true,
                status: if is_all { "refunded" } else { "partially_refunded" },
                refunded_cents: Some(refunded_cents.0),
                gold_taken,
                gold_returned,
                debt: Some(wallet.debt),
                new_gold_balance: Some(wallet.gold()),
                ..pending
            };
            (StatusCode::OK, done)
        }
        RefundOutcome::Pending => (StatusCode::ACCEPTED, pending),
        RefundOutcome::Refused => {
            let detail = "the provider does not give this money back: nothing has moved";
            let error = ApiError::new(Reason::Conflict, detail).with("refund_status", "refused");
            let error = error.with("receipt_code", pending.receipt_code);
            return Err(error.with("position", position));
        }
    };
    Ok(replayable((status, Json(done)).into_response(), replayed))
}

/// The answer to taking benefits back.
pub(super) fn to_items_refund(
    receipt_code: ReceiptCode,
    gold_spent: u64,
    answer: &Answer<(u64, Wallet)>,
) -> Response {
    let Answer { body: (gold_returned, wallet), position, replayed } = *answer;
    let is_all = gold_returned >= gold_spent;
    let done = RefundDone {
        success: true,
        status: if is_all { "refunded" } else { "partially_refunded" },
        receipt_code: receipt_code.to_string(),
        amount_cents: 0,
        refunded_cents: Some(0),
        gold_taken: 0,
        gold_returned,
        debt: Some(wallet.debt),
        new_gold_balance: Some(wallet.gold()),
        position,
    };
    replayable(Json(done).into_response(), replayed)
}
