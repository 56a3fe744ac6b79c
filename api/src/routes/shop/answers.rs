//! What the shop answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::bus::Answer;
use commands::shop::{Purchase, PurchaseOutcome};
use domain::account::{FailureReason, VoidReason};
use domain::id::PlayerId;
use domain::money::{Cents, Percent, Quantity};
use projections::read_models::catalog::CatalogProduct;
use projections::read_models::purchases;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use crate::auth::sign_in::rfc3339;
use crate::auth::users::Language;
use crate::error::{ApiError, Reason};

/// A product on sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogItem {
    id: i64,
    sku: String,
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// Price of one, before discount.
    price_cents: u64,
    currency: String,
    /// Price of one, as it is charged now.
    discounted_price_cents: Option<u64>,
    gold: u64,
    /// The discount that counts now.
    discount_percent: u8,
    discount_ends_at: Option<String>,
    min_rank: String,
    version: u64,
}

impl CatalogItem {
    /// A product as it is at a moment.
    pub(super) fn of(product: CatalogProduct, now: DateTime<Utc>) -> Self {
        let has_ended = product.discount_ends_at.is_some_and(|end| now >= end);
        let percent = if has_ended { 0 } else { product.discount_percent };
        let percent = u8::try_from(percent).ok().and_then(Percent::new).unwrap_or_default();
        let discounted = Cents(product.price_cents).discounted_total(Quantity::ONE, percent);
        Self {
            id: product.id,
            sku: product.sku,
            name: product.name,
            name_en: product.name_en,
            price_cents: product.price_cents,
            currency: product.currency,
            discounted_price_cents: discounted.map(|cents| cents.0),
            gold: product.gold,
            discount_percent: percent.into(),
            discount_ends_at: product.discount_ends_at.map(rfc3339),
            min_rank: product.min_rank,
            version: product.version,
        }
    }
}

/// The answer to a purchase that is completed or under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bought {
    success: bool,
    /// In the player's language.
    message: &'static str,
    gold_granted: u64,
    /// `null` while the purchase is under way.
    new_gold_balance: Option<u64>,
    /// 18 hex digits: the purchase's name at the payment provider.
    charge_id: String,
    user_id: i64,
    product_id: i64,
    quantity: u8,
    gold_spent: u64,
    /// 12 hex digits: the player's proof.
    receipt_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    /// `completed` or `pending`.
    status: &'static str,
    /// The position at which this is true.
    position: u64,
}

/// The answer to a purchase, whatever became of it.
pub(super) fn to_purchase(
    player: PlayerId,
    language: Language,
    answer: Answer<Purchase>,
) -> Result<Response, ApiError> {
    let Answer { body: purchase, position, replayed } = answer;
    let refused = |reason, detail: &'static str, status: &'static str| {
        let error = ApiError::new(reason, detail).with("product_id", purchase.offer.product_id.0);
        let error = error.with("receipt_code", purchase.receipt_code.to_string());
        let error = error.with("charge_id", purchase.charge_id.to_string());
        error.with("purchase_status", status).with("position", position)
    };
    let (status, bought) = match purchase.outcome {
        PurchaseOutcome::Completed { gold, wallet } => {
            let bought = bought(player, &purchase, position);
            let message = in_language(language, "구매 완료", "Purchase complete");
            let (success, new_gold_balance) = (true, Some(wallet.gold()));
            let done = Bought { success, message, gold_granted: gold, new_gold_balance, ..bought };
            (StatusCode::OK, done)
        }
        PurchaseOutcome::Pending => {
            let bought = bought(player, &purchase, position);
            let message = in_language(language, "결제 처리 중", "Payment pending");
            let reason_code = Some("PAYMENT_PENDING");
            (StatusCode::ACCEPTED, Bought { message, reason_code, status: "pending", ..bought })
        }
        PurchaseOutcome::Failed(FailureReason::PaymentDeclined) => {
            let detail = "the card was declined and nothing was charged: try another card";
            return Err(refused(Reason::PaymentDeclined, detail, "failed"));
        }
        PurchaseOutcome::Voided(VoidReason::Abandoned) => {
            let detail = "the purchase was given up and nothing was charged: buy again";
            return Err(refused(Reason::PurchaseAbandoned, detail, "voided"));
        }
    };
    Ok(replayable((status, Json(bought)).into_response(), replayed))
}

fn bought(player: PlayerId, purchase: &Purchase, position: u64) -> Bought {
    Bought {
        success: false,
        message: "",
        gold_granted: 0,
        new_gold_balance: None,
        charge_id: purchase.charge_id.to_string(),
        user_id: player.0,
        product_id: purchase.offer.product_id.0,
        quantity: purchase.offer.quantity.into(),
        gold_spent: 0,
        receipt_code: purchase.receipt_code.to_string(),
        reason_code: None,
        status: "completed",
        position,
    }
}

fn in_language(language: Language, korean: &'static str, english: &'static str) -> &'static str {
    match language {
        Language::Korean => korean,
        Language::English => english,
    }
}

/// A purchase in the player's list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transaction {
    receipt_code: String,
    charge_id: String,
    product_id: i64,
    /// `gold` or `item`.
    kind: String,
    quantity: u64,
    amount_cents: u64,
    /// `pending`, `completed`, `failed` or `voided`.
    status: String,
    reason_code: Option<String>,
    created_at: String,
    sku: String,
    currency: String,
    gold: u64,
    ended_at: Option<String>,
}

impl From<purchases::Purchase> for Transaction {
    fn from(row: purchases::Purchase) -> Self {
        let status = if row.status == "requested" { "pending".to_owned() } else { row.status };
        Self {
            receipt_code: row.receipt_code,
            charge_id: row.charge_id,
            product_id: row.product_id,
            kind: row.kind,
            quantity: row.quantity,
            amount_cents: row.amount_cents,
            status,
            reason_code: row.reason_code,
            created_at: rfc3339(row.created_at),
            sku: row.sku,
            currency: row.currency,
            gold: row.gold,
            ended_at: row.ended_at.map(rfc3339),
        }
    }
}
