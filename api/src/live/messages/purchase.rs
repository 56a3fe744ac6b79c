//! What screens are told about purchases and items.

use domain::account::AccountEvent;
use domain::id::{ChargeId, ItemId, ReceiptCode};
use domain::money::{Cents, Quantity};
use domain::offer::{BenefitOffer, Offer, Ware};
use serde::Serialize;

use super::moved;

/// What an event says about a purchase: what is not there, it does not say.
#[derive(Default, Serialize)]
pub(super) struct PurchaseData {
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_code: Option<ReceiptCode>,
    /// `gold` or `item`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_id: Option<ChargeId>,
    /// The product's number, or the package's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<Ware>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Quantity>,
    /// Where it stands: `pending`, `completed`, `failed`, `voided`, `refunded` or `charged_back`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Why it failed or was voided.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    /// What is charged, all in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_cents: Option<Cents>,
    /// Gold that was credited.
    #[serde(skip_serializing_if = "Option::is_none")]
    gold_granted: Option<u64>,
    /// Gold that was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    gold_spent: Option<u64>,
    /// How much of a refund is to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_pending_cents: Option<Cents>,
    /// What the provider has given back, all in all. Only where that is the whole amount, all of the
    /// purchase is refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded_cents: Option<Cents>,
    /// What the bank took back.
    #[serde(skip_serializing_if = "Option::is_none")]
    charged_back_cents: Option<Cents>,
    /// What was taken after the purchase had ended otherwise, and was given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_capture_cents: Option<Cents>,
    /// Gold that went the other way again, this time; what became a debt included.
    #[serde(skip_serializing_if = "Option::is_none")]
    gold_reversed: Option<u64>,
    /// Items that it brought, or one that has changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemData>,
}

/// What has become of an item.
#[derive(Serialize)]
struct ItemData {
    item_id: ItemId,
    /// `purchased`, `used`, `expired` or `refunded`.
    status: &'static str,
}

/// Paid with real money.
const GOLD: Option<&str> = Some("gold");
/// Paid with gold.
const ITEM: Option<&str> = Some("item");

impl PurchaseData {
    /// What an event says about a purchase, if it is about one.
    #[expect(clippy::too_many_lines, reason = "a table: what happened, and what screens are told")]
    pub(super) fn of(event: &AccountEvent) -> Option<Self> {
        let (code, told) = match event {
            AccountEvent::PurchaseRequested { receipt_code, charge_id, offer, .. } => {
                (receipt_code, Self::requested(*charge_id, offer))
            }
            AccountEvent::PurchaseCompleted { receipt_code, movement, .. } => {
                let gold_granted = Some(moved(movement));
                (receipt_code, Self { gold_granted, ..Self::stands("completed") })
            }
            AccountEvent::PurchaseFailed { receipt_code, reason, .. } => {
                let reason_code = Some(reason.name());
                (receipt_code, Self { reason_code, ..Self::stands("failed") })
            }
            AccountEvent::PurchaseVoided { receipt_code, reason, .. } => {
                let reason_code = Some(reason.name());
                (receipt_code, Self { reason_code, ..Self::stands("voided") })
            }
            // It stays failed or voided, whichever of the two it was.
            AccountEvent::LateCaptureRefunded { receipt_code, amount_cents, .. } => {
                let late_capture_cents = Some(*amount_cents);
                (receipt_code, Self { kind: GOLD, late_capture_cents, ..Self::default() })
            }
            AccountEvent::RefundRequested { receipt_code, amount_cents, .. } => {
                let refund_pending_cents = Some(*amount_cents);
                (receipt_code, Self { refund_pending_cents, ..Self::stands("completed") })
            }
            AccountEvent::RefundFailed { receipt_code, .. } => {
                let refund_pending_cents = Some(Cents(0));
                (receipt_code, Self { refund_pending_cents, ..Self::stands("completed") })
            }
            AccountEvent::PurchaseRefunded {
                receipt_code,
                refunded_cents,
                left_cents,
                movement,
                ..
            } => {
                let stands = if *left_cents == Cents(0) { "refunded" } else { "completed" };
                let (refunded_cents, gold_reversed) =
                    (Some(*refunded_cents), Some(moved(movement)));
                (receipt_code, Self { refunded_cents, gold_reversed, ..Self::stands(stands) })
            }
            AccountEvent::PurchaseChargedBack { receipt_code, amount_cents, movement, .. } => {
                let (charged_back_cents, gold_reversed) =
                    (Some(*amount_cents), Some(moved(movement)));
                let told = Self::stands("charged_back");
                (receipt_code, Self { charged_back_cents, gold_reversed, ..told })
            }
            AccountEvent::BenefitPurchased { receipt_code, offer, .. } => {
                (receipt_code, Self::benefit(*receipt_code, offer))
            }
            AccountEvent::ItemUsed { item_id, .. } => {
                (&item_id.receipt_code, Self::item(*item_id, "used"))
            }
            AccountEvent::ItemExpired { item_id, .. } => {
                (&item_id.receipt_code, Self::item(*item_id, "expired"))
            }
            AccountEvent::ItemRefunded { item_id, movement, .. } => {
                let gold_reversed = Some(moved(movement));
                let told = Self { gold_reversed, ..Self::item(*item_id, "refunded") };
                (&item_id.receipt_code, told)
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::StreakClaimed { .. }
            | AccountEvent::VipClaimed { .. }
            | AccountEvent::EventJoined { .. }
            | AccountEvent::EventClaimed { .. }
            | AccountEvent::MissionClaimed { .. }
            | AccountEvent::PlaceRewarded { .. }
            | AccountEvent::RewardGifted { .. }
            | AccountEvent::GrantTakenBack { .. } => return None,
        };
        Some(Self { receipt_code: Some(*code), ..told })
    }

    /// Of a purchase for real money.
    fn stands(status: &'static str) -> Self {
        Self { kind: GOLD, status: Some(status), ..Self::default() }
    }

    fn requested(charge_id: ChargeId, offer: &Offer) -> Self {
        Self {
            charge_id: Some(charge_id),
            product_id: Some(offer.ware),
            quantity: Some(offer.quantity),
            amount_cents: Some(offer.total_cents),
            ..Self::stands("pending")
        }
    }

    fn benefit(receipt_code: ReceiptCode, offer: &BenefitOffer) -> Self {
        let item = |number| {
            let item_id = ItemId { receipt_code, number };
            ItemData { item_id, status: "purchased" }
        };
        Self {
            kind: ITEM,
            product_id: Some(Ware::Product(offer.product_id)),
            quantity: Some(offer.quantity),
            gold_spent: Some(offer.price.amount()),
            items: (1..=offer.quantity.into()).map(item).collect(),
            ..Self::stands("completed")
        }
    }

    fn item(item_id: ItemId, status: &'static str) -> Self {
        Self { kind: ITEM, items: vec![ItemData { item_id, status }], ..Self::default() }
    }
}
