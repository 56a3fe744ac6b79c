//! What the shop answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::bus::Answer;
use commands::shop::{BenefitBought, Purchase, PurchaseOutcome};
use domain::account::FailureReason;
use domain::id::PlayerId;
use domain::money::{Cents, Percent, Quantity};
use domain::offer::Ware;
use projections::read_models::catalog::{CatalogBenefit, CatalogProduct};
use projections::read_models::purchases;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::{LimitView, replayable};
use crate::auth::sign_in::rfc3339;
use crate::auth::users::Language;
use crate::error::{ApiError, Reason};

/// A pack of gold on sale.
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

/// A benefit on sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct BenefitItem {
    id: i64,
    sku: String,
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// Always `item`: what to send as `kind` when buying it.
    kind: &'static str,
    /// Price of one.
    price_gold: u64,
    /// How many one player may buy; any number, if `null`.
    limit: Option<LimitView>,
    /// For how many days after the purchase it can be used; for ever, if `null`.
    valid_days: Option<u64>,
    min_rank: String,
    version: u64,
}

impl From<CatalogBenefit> for BenefitItem {
    fn from(benefit: CatalogBenefit) -> Self {
        Self {
            id: benefit.id,
            sku: benefit.sku,
            name: benefit.name,
            name_en: benefit.name_en,
            kind: "item",
            price_gold: benefit.price_gold,
            limit: benefit.user_limit.map(LimitView::from),
            valid_days: benefit.valid_days,
            min_rank: benefit.min_rank,
            version: benefit.version,
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
    /// 18 hex digits: the purchase's name at the payment provider; `null` if it was paid with gold.
    charge_id: Option<String>,
    user_id: i64,
    /// The product's number, or the package's code.
    #[schema(value_type = serde_json::Value)]
    product_id: Ware,
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
    /// The first item that was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<String>,
    /// All of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    item_ids: Vec<String>,
    /// Of a limited package: its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What is charged, all in all; `null` if it was paid with gold.
    total_price_cents: Option<u64>,
    /// The promotion that counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    promo_code: Option<String>,
    /// What the promotion took off.
    #[serde(skip_serializing_if = "Option::is_none")]
    promo_off_cents: Option<u64>,
}

/// The answer to a purchase, whatever became of it.
pub(super) fn to_purchase(
    player: PlayerId,
    language: Language,
    answer: Answer<Purchase>,
) -> Result<Response, ApiError> {
    let Answer { body: purchase, position, replayed } = answer;
    let (status, bought) = match purchase.outcome {
        PurchaseOutcome::Completed { gold, wallet, .. } => {
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
        PurchaseOutcome::Failed(_) | PurchaseOutcome::Voided(_) => {
            return Err(not_bought(&purchase, position));
        }
    };
    Ok(replayable((status, Json(bought)).into_response(), replayed))
}

/// Why a purchase ended without.
fn not_bought(purchase: &Purchase, position: u64) -> ApiError {
    let (error, status) = match purchase.outcome {
        PurchaseOutcome::Failed(reason) => {
            let error = ApiError::new(Reason::PaymentDeclined, declined(reason));
            (error.with("decline_reason", reason.name()), "failed")
        }
        PurchaseOutcome::Voided(reason) => {
            let detail = "the purchase was given up and nothing was charged: buy again";
            let error = ApiError::new(Reason::PurchaseAbandoned, detail);
            (error.with("void_reason", reason.name()), "voided")
        }
        PurchaseOutcome::Completed { .. } | PurchaseOutcome::Pending => {
            (ApiError::internal(anyhow::anyhow!("a purchase that went well is no error")), "")
        }
    };
    let product_id = serde_json::to_value(purchase.offer.ware).unwrap_or_default();
    error
        .with("product_id", product_id)
        .with("receipt_code", purchase.receipt_code.to_string())
        .with("charge_id", purchase.charge_id.to_string())
        .with("purchase_status", status)
        .with("position", position)
}

fn declined(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::PaymentDeclined => {
            "the card was declined and nothing was charged: try another card"
        }
        FailureReason::InsufficientFunds => {
            "there is not enough money on the card and nothing was charged: try another card"
        }
        FailureReason::ExpiredCard => {
            "the card has expired and nothing was charged: try another card"
        }
        FailureReason::StolenCard => {
            "the bank refused the card and nothing was charged: ask your bank"
        }
    }
}

fn bought(player: PlayerId, purchase: &Purchase, position: u64) -> Bought {
    let offer = &purchase.offer;
    let code = match offer.ware {
        Ware::Package(code) => Some(code.to_string()),
        Ware::Product(_) => None,
    };
    Bought {
        success: false,
        message: "",
        gold_granted: 0,
        new_gold_balance: None,
        charge_id: Some(purchase.charge_id.to_string()),
        user_id: player.0,
        product_id: offer.ware,
        quantity: offer.quantity.into(),
        gold_spent: 0,
        receipt_code: purchase.receipt_code.to_string(),
        reason_code: None,
        status: "completed",
        position,
        item_id: None,
        item_ids: vec![],
        code,
        total_price_cents: Some(offer.total_cents.0),
        promo_code: offer.promo.map(|promo| promo.code.to_string()),
        promo_off_cents: offer.promo.map(|promo| promo.off_cents.0),
    }
}

/// The answer to buying a benefit.
pub(super) fn to_benefit(
    player: PlayerId,
    language: Language,
    answer: &Answer<BenefitBought>,
) -> Response {
    let benefit = &answer.body;
    let item_ids: Vec<String> = benefit.items().map(|item| item.to_string()).collect();
    let bought = Bought {
        success: true,
        message: in_language(language, "구매 완료", "Purchase complete"),
        gold_granted: 0,
        new_gold_balance: Some(benefit.wallet.gold()),
        charge_id: None,
        user_id: player.0,
        product_id: Ware::Product(benefit.product_id),
        quantity: benefit.quantity.into(),
        gold_spent: benefit.gold_spent,
        receipt_code: benefit.receipt_code.to_string(),
        reason_code: None,
        status: "completed",
        position: answer.position,
        item_id: item_ids.first().cloned(),
        item_ids,
        code: None,
        total_price_cents: None,
        promo_code: None,
        promo_off_cents: None,
    };
    replayable(Json(bought).into_response(), answer.replayed)
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
    /// `null` if it was paid with gold.
    charge_id: Option<String>,
    /// The product's number, or the package's code.
    #[schema(value_type = serde_json::Value)]
    product_id: serde_json::Value,
    /// `gold` or `item`.
    kind: &'static str,
    quantity: u64,
    amount_cents: u64,
    /// `pending`, `completed`, `failed`, `voided`, `refunded` or `charged_back`.
    status: &'static str,
    reason_code: Option<String>,
    created_at: String,
    sku: String,
    currency: Option<String>,
    /// Gold that it credits, all in all.
    gold: u64,
    gold_spent: u64,
    /// What has been given back.
    refunded_cents: u64,
    promo_code: Option<String>,
    ended_at: Option<String>,
}

impl From<purchases::Purchase> for Transaction {
    fn from(row: purchases::Purchase) -> Self {
        let product_id = match (row.product_id, row.package_code) {
            (Some(id), _) => id.into(),
            (None, code) => code.into(),
        };
        Self {
            receipt_code: row.receipt_code,
            charge_id: row.charge_id,
            product_id,
            kind: row.kind.name(),
            quantity: row.quantity,
            amount_cents: row.amount_cents,
            status: status_name(row.status),
            reason_code: row.reason_code,
            created_at: rfc3339(row.created_at),
            sku: row.sku,
            currency: row.currency,
            gold: row.gold,
            gold_spent: row.gold_spent,
            refunded_cents: row.refunded_cents,
            promo_code: row.promo_code,
            ended_at: row.ended_at.map(rfc3339),
        }
    }
}

/// A status as players see it.
pub(in super::super) fn status_name(status: purchases::Status) -> &'static str {
    match status {
        purchases::Status::Requested => "pending",
        other => other.name(),
    }
}
