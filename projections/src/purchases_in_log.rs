//! Every purchase for real money as the log has it, folded from all its events: what a reconciliation
//! compares with the payment provider's own books. No read model stands in between.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountEvent};
use domain::aggregate::Aggregate;
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::money::{Cents, Currency};
use domain::stored::Recorded;
use sqlx::{ConnectOptions, PgPool};

use crate::feed::{self, FeedError};
use crate::position::to_sql;
use crate::scan;

pub use crate::scan::FoldError;

/// The events that are about purchases for real money, by stored name.
const EVENT_TYPES: [&str; 7] = [
    "purchase_requested",
    "purchase_completed",
    "purchase_failed",
    "purchase_voided",
    "late_capture_refunded",
    "purchase_refunded",
    "purchase_charged_back",
];

/// A purchase as the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedPurchase {
    /// Whose.
    pub player: PlayerId,
    /// Its id.
    pub receipt_code: ReceiptCode,
    /// Its name at the payment provider.
    pub charge_id: ChargeId,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// The event that requested it.
    pub requested_position: u64,
    /// What is charged.
    pub amount: Cents,
    /// In which currency.
    pub currency: Currency,
    /// Whether stock is held for it until it ends.
    pub holds_stock: bool,
    /// How it ended, if it has.
    pub end: Option<LoggedEnd>,
    /// What the provider has given back, all in all.
    pub refunded: Cents,
    /// Whether the bank took back what was left.
    pub is_charged_back: bool,
    /// Whether money that came after another end was given back.
    pub late_capture: bool,
}

/// How a purchase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedEnd {
    /// Paid and credited.
    Completed,
    /// The provider declined.
    Failed,
    /// Given up.
    Voided,
}

/// All purchases up to a position.
#[derive(Debug, Default)]
pub struct PurchasesInLog {
    /// The last position that was looked at.
    pub position: u64,
    /// By their name at the provider.
    pub by_charge: HashMap<ChargeId, LoggedPurchase>,
}

/// Reads every purchase from the log, as it is now.
///
/// # Errors
/// If not everything could be read.
pub async fn read(pool: &PgPool) -> Result<PurchasesInLog, FoldError> {
    // Its own connection: one that is left in the middle of a COPY is of no use to the pool.
    let mut connection = pool.connect_options().connect().await?;
    let head = feed::head(&mut connection).await?.position;
    let to = to_sql(head).map_err(FeedError::from)?;
    let statement = scan::events_of_types_statement(Account::TYPE, &EVENT_TYPES, (0, to));
    let fold = scan::fold(&mut connection, &statement, Fold::default(), take);
    let by_charge = fold.await?.by_charge();
    Ok(PurchasesInLog { position: head, by_charge })
}

fn take(fold: &mut Fold, recorded: &Recorded) -> Result<(), FoldError> {
    let position = recorded.place.position;
    let event = recorded.event.decode();
    let event = event.map_err(|source| FoldError::Decode { position, source })?;
    fold.take(recorded.event.aggregate_id.parse()?, position, &event);
    Ok(())
}

#[derive(Debug, Default)]
struct Fold(HashMap<ReceiptCode, LoggedPurchase>);

impl Fold {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: each event by name, so that none is forgotten"
    )]
    fn take(&mut self, player: PlayerId, position: u64, event: &AccountEvent) {
        match event {
            AccountEvent::PurchaseRequested { at, receipt_code, charge_id, offer, .. } => {
                let purchase = LoggedPurchase {
                    player,
                    receipt_code: *receipt_code,
                    charge_id: *charge_id,
                    requested_at: *at,
                    requested_position: position,
                    amount: offer.total_cents,
                    currency: offer.currency,
                    holds_stock: offer.holds_stock,
                    end: None,
                    refunded: Cents(0),
                    is_charged_back: false,
                    late_capture: false,
                };
                self.0.insert(*receipt_code, purchase);
            }
            AccountEvent::PurchaseCompleted { receipt_code, .. } => {
                self.change(*receipt_code, |purchase| purchase.end = Some(LoggedEnd::Completed));
            }
            AccountEvent::PurchaseFailed { receipt_code, .. } => {
                self.change(*receipt_code, |purchase| purchase.end = Some(LoggedEnd::Failed));
            }
            AccountEvent::PurchaseVoided { receipt_code, .. } => {
                self.change(*receipt_code, |purchase| purchase.end = Some(LoggedEnd::Voided));
            }
            AccountEvent::LateCaptureRefunded { receipt_code, .. } => {
                self.change(*receipt_code, |purchase| purchase.late_capture = true);
            }
            AccountEvent::PurchaseRefunded { receipt_code, refunded_cents, .. } => {
                self.change(*receipt_code, |purchase| purchase.refunded = *refunded_cents);
            }
            AccountEvent::PurchaseChargedBack { receipt_code, .. } => {
                self.change(*receipt_code, |purchase| purchase.is_charged_back = true);
            }
            // Those below are not read.
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::RefundRequested { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::BenefitPurchased { .. }
            | AccountEvent::ItemUsed { .. }
            | AccountEvent::ItemExpired { .. }
            | AccountEvent::ItemRefunded { .. }
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
            | AccountEvent::GrantTakenBack { .. } => {}
        }
    }

    fn change(&mut self, receipt: ReceiptCode, change: impl FnOnce(&mut LoggedPurchase)) {
        // What changes without ever having begun, `verify` finds.
        if let Some(purchase) = self.0.get_mut(&receipt) {
            change(purchase);
        }
    }

    fn by_charge(self) -> HashMap<ChargeId, LoggedPurchase> {
        self.0.into_values().map(|purchase| (purchase.charge_id, purchase)).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::account::VoidReason;
    use serde_json::json;

    use super::*;

    fn event(mut payload: serde_json::Value, name: &str) -> AccountEvent {
        payload["at"] = json!("2026-01-01T00:00:00Z");
        payload["receipt_code"] = json!("00000000000a");
        serde_json::from_value(json!({ name: payload })).unwrap()
    }

    fn requested() -> AccountEvent {
        let offer = json!({
            "product_id": 1001, "product_version": 1, "sku": "GOLD_PACK_SMALL", "quantity": 1,
            "discount_percent": 0, "total_cents": 299, "currency": "USD", "gold": 100,
            "min_rank": "STANDARD",
        });
        event(json!({"charge_id": "00000000000000000b", "offer": offer}), "purchase_requested")
    }

    #[test]
    fn a_purchase_is_what_its_events_say_together() {
        let mut fold = Fold::default();
        fold.take(PlayerId(23), 7, &requested());
        let AccountEvent::PurchaseRequested { at, receipt_code, .. } = requested() else { return };
        let reason = VoidReason::TimedOut;
        fold.take(PlayerId(23), 8, &AccountEvent::PurchaseVoided { at, receipt_code, reason });
        let amount_cents = Cents(299);
        let late = AccountEvent::LateCaptureRefunded { at, receipt_code, amount_cents };
        fold.take(PlayerId(23), 9, &late);
        let all = fold.by_charge();
        let purchase = all.values().next().unwrap();
        assert_eq!((purchase.amount, purchase.requested_position), (Cents(299), 7));
        assert_eq!((purchase.end, purchase.late_capture), (Some(LoggedEnd::Voided), true));
    }
}
