//! What screens are told about purchases and items.

use domain::account::AccountEvent;
use domain::id::{ChargeId, ItemId, ReceiptCode};
use domain::money::{Cents, Quantity};
use domain::offer::{BenefitOffer, Offer, Ware};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use super::{Says, moved};

/// What an event says about a purchase: what is not there, it does not say.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct PurchaseData {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    receipt_code: Option<ReceiptCode>,
    /// What was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<PurchaseKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    charge_id: Option<ChargeId>,
    /// The product's number, or the package's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = product_or_package)]
    product_id: Option<Ware>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u8>)]
    quantity: Option<Quantity>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<PurchaseStatus>,
    /// Why it failed or was voided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason_code: Option<&'static str>,
    /// What is charged, all in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u64>)]
    amount_cents: Option<Cents>,
    /// Gold that was credited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gold_granted: Option<u64>,
    /// Gold that was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gold_spent: Option<u64>,
    /// How much of a refund is to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u64>)]
    refund_pending_cents: Option<Cents>,
    /// What the provider has given back, all in all. Only where that is the whole amount, all of the
    /// purchase is refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u64>)]
    refunded_cents: Option<Cents>,
    /// What the bank took back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u64>)]
    charged_back_cents: Option<Cents>,
    /// What was taken after the purchase had ended otherwise, and was given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u64>)]
    late_capture_cents: Option<Cents>,
    /// Gold that went the other way again, this time; what became a debt included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gold_reversed: Option<u64>,
    /// Items that it brought, or one that has changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemData>,
}

/// What a purchase is for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PurchaseKind {
    /// Paid with real money.
    Gold,
    /// Paid with gold.
    Item,
}

/// Where a purchase stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PurchaseStatus {
    Pending,
    Completed,
    Failed,
    Voided,
    Refunded,
    ChargedBack,
}

/// What has become of an item.
#[derive(Serialize, ToSchema)]
pub(super) struct ItemData {
    #[schema(value_type = String)]
    item_id: ItemId,
    status: ItemStatus,
}

/// What has become of it.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ItemStatus {
    Purchased,
    Used,
    Expired,
    Refunded,
}

impl Says for PurchaseData {
    const TYPE: &'static str = "purchase_update";
}

/// A product by its number, or a package by its code.
pub(super) fn product_or_package() -> Schema {
    let of = |kind| ObjectBuilder::new().schema_type(kind).build();
    let either = OneOfBuilder::new().item(of(Type::Integer)).item(of(Type::String));
    either.description(Some("The product's number, or the package's code.")).build().into()
}

const GOLD: Option<PurchaseKind> = Some(PurchaseKind::Gold);
const ITEM: Option<PurchaseKind> = Some(PurchaseKind::Item);

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
                (receipt_code, Self { gold_granted, ..Self::stands(PurchaseStatus::Completed) })
            }
            AccountEvent::PurchaseFailed { receipt_code, reason, .. } => {
                let reason_code = Some(reason.name());
                (receipt_code, Self { reason_code, ..Self::stands(PurchaseStatus::Failed) })
            }
            AccountEvent::PurchaseVoided { receipt_code, reason, .. } => {
                let reason_code = Some(reason.name());
                (receipt_code, Self { reason_code, ..Self::stands(PurchaseStatus::Voided) })
            }
            // It stays failed or voided, whichever of the two it was.
            AccountEvent::LateCaptureRefunded { receipt_code, amount_cents, .. } => {
                let late_capture_cents = Some(*amount_cents);
                (receipt_code, Self { kind: GOLD, late_capture_cents, ..Self::default() })
            }
            AccountEvent::RefundRequested { receipt_code, amount_cents, .. } => {
                let refund_pending_cents = Some(*amount_cents);
                (
                    receipt_code,
                    Self { refund_pending_cents, ..Self::stands(PurchaseStatus::Completed) },
                )
            }
            AccountEvent::RefundFailed { receipt_code, .. } => {
                let refund_pending_cents = Some(Cents(0));
                (
                    receipt_code,
                    Self { refund_pending_cents, ..Self::stands(PurchaseStatus::Completed) },
                )
            }
            AccountEvent::PurchaseRefunded {
                receipt_code,
                refunded_cents,
                left_cents,
                movement,
                ..
            } => {
                let stands = if *left_cents == Cents(0) {
                    PurchaseStatus::Refunded
                } else {
                    PurchaseStatus::Completed
                };
                let (refunded_cents, gold_reversed) =
                    (Some(*refunded_cents), Some(moved(movement)));
                (receipt_code, Self { refunded_cents, gold_reversed, ..Self::stands(stands) })
            }
            AccountEvent::PurchaseChargedBack { receipt_code, amount_cents, movement, .. } => {
                let (charged_back_cents, gold_reversed) =
                    (Some(*amount_cents), Some(moved(movement)));
                let told = Self::stands(PurchaseStatus::ChargedBack);
                (receipt_code, Self { charged_back_cents, gold_reversed, ..told })
            }
            AccountEvent::BenefitPurchased { receipt_code, offer, .. } => {
                (receipt_code, Self::benefit(*receipt_code, offer))
            }
            AccountEvent::ItemUsed { item_id, .. } => {
                (&item_id.receipt_code, Self::item(*item_id, ItemStatus::Used))
            }
            AccountEvent::ItemExpired { item_id, .. } => {
                (&item_id.receipt_code, Self::item(*item_id, ItemStatus::Expired))
            }
            AccountEvent::ItemRefunded { item_id, movement, .. } => {
                let gold_reversed = Some(moved(movement));
                let told = Self { gold_reversed, ..Self::item(*item_id, ItemStatus::Refunded) };
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
    fn stands(status: PurchaseStatus) -> Self {
        Self { kind: GOLD, status: Some(status), ..Self::default() }
    }

    fn requested(charge_id: ChargeId, offer: &Offer) -> Self {
        Self {
            charge_id: Some(charge_id),
            product_id: Some(offer.ware),
            quantity: Some(offer.quantity),
            amount_cents: Some(offer.total_cents),
            ..Self::stands(PurchaseStatus::Pending)
        }
    }

    fn benefit(receipt_code: ReceiptCode, offer: &BenefitOffer) -> Self {
        let item = |number| {
            let item_id = ItemId { receipt_code, number };
            ItemData { item_id, status: ItemStatus::Purchased }
        };
        Self {
            kind: ITEM,
            product_id: Some(Ware::Product(offer.product_id)),
            quantity: Some(offer.quantity),
            gold_spent: Some(offer.price.amount()),
            items: (1..=offer.quantity.into()).map(item).collect(),
            ..Self::stands(PurchaseStatus::Completed)
        }
    }

    fn item(item_id: ItemId, status: ItemStatus) -> Self {
        Self { kind: ITEM, items: vec![ItemData { item_id, status }], ..Self::default() }
    }
}
