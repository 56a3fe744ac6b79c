//! The shop: buying for real money and for gold, and giving back.
//!
//! A purchase is two appends around the payment provider. The first writes the request, and holds
//! stock and a promotion's use; the second writes the end, and uses up or gives back what was held:
//! the account, the package and the promotion can never disagree. Whatever happens in between, and
//! afterwards, is brought in line with the provider by [`Commands::settle`].

mod benefits;
mod buying;
mod controls;
mod finding;
mod refunds;
mod settling;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{AccountEvent, AccountRefusal, FailureReason, PurchaseRules, VoidReason};
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::limit::Rate;
use domain::money::{Cents, SpendOrder, Wallet};
use domain::offer::Offer;
use domain::package::PackageRefusal;
use domain::product::ProductRefusal;
use domain::promo::PromoRefusal;
use domain::stored::Recorded;

pub use benefits::{BenefitBought, BuyBenefit};
pub use buying::Buy;
pub use controls::SpendControls;
pub use finding::PendingPurchases;
pub use refunds::{RefundAnswer, RefundOrder, RefundOutcome};
pub use settling::{Forced, Settled};

use crate::bus::Answer;
use crate::payments::Charge;

/// How the shop sells.
#[derive(Debug, Clone, Copy)]
pub struct ShopPolicy {
    /// How often somebody may buy.
    pub rules: PurchaseRules,
    /// Gold of which kind is spent first.
    pub spend_order: SpendOrder,
    /// How long a purchase is left to whoever accepted it.
    pub grace: TimeDelta,
    /// How long the provider may take to decide.
    pub pending: TimeDelta,
    /// The same for purchases that hold stock.
    pub pending_with_stock: TimeDelta,
}

impl Default for ShopPolicy {
    fn default() -> Self {
        let rate = |most, within| Some(Rate { most, within });
        Self {
            rules: PurchaseRules {
                limited: rate(5, TimeDelta::seconds(10)),
                purchases: rate(20, TimeDelta::minutes(5)),
                cards: rate(3, TimeDelta::minutes(5)),
            },
            spend_order: SpendOrder::FreeFirst,
            grace: TimeDelta::seconds(10),
            pending: TimeDelta::minutes(5),
            pending_with_stock: TimeDelta::seconds(120),
        }
    }
}

/// Why nothing was bought, settled or given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShopRefusal {
    /// The product says no.
    #[error(transparent)]
    Product(#[from] ProductRefusal),
    /// The package says no.
    #[error(transparent)]
    Package(#[from] PackageRefusal),
    /// The promotion says no.
    #[error(transparent)]
    Promo(#[from] PromoRefusal),
    /// The account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// The purchase was never paid, so nothing can be given back.
    #[error("the purchase was not completed")]
    NotCompleted,
    /// The payment provider did not answer: try again.
    #[error("the payment provider did not answer")]
    ProviderSilent,
}

/// The answer to buying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The purchase's id.
    pub receipt_code: ReceiptCode,
    /// Its name at the provider.
    pub charge_id: ChargeId,
    /// The terms it was made under.
    pub offer: Offer,
    /// How it ended, if it has.
    pub outcome: PurchaseOutcome,
}

/// Where a purchase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseOutcome {
    /// Paid and credited.
    Completed {
        /// When.
        at: DateTime<Utc>,
        /// How much gold.
        gold: u64,
        /// The wallet after it.
        wallet: Wallet,
    },
    /// Declined; nothing was charged.
    Failed(FailureReason),
    /// Given up; nothing was charged.
    Voided(VoidReason),
    /// The provider has not decided yet: the purchase goes on by itself.
    Pending,
}

/// A purchase between its request and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Whose.
    pub player: PlayerId,
    /// The purchase's id.
    pub receipt_code: ReceiptCode,
    /// Its name at the provider.
    pub charge_id: ChargeId,
    /// The terms it is made under.
    pub offer: Offer,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// The request's number in the account's stream.
    pub sequence: u64,
}

impl UnderWay {
    /// What the provider is asked for.
    #[must_use]
    pub fn charge(&self) -> Charge {
        let Self { charge_id, receipt_code, player, .. } = *self;
        let Offer { total_cents: amount, currency, .. } = self.offer;
        Charge { charge_id, receipt_code, player, amount, currency }
    }

    /// When the provider must have decided.
    #[must_use]
    pub fn deadline(&self, policy: &ShopPolicy) -> DateTime<Utc> {
        let patience =
            if self.offer.holds_stock { policy.pending_with_stock } else { policy.pending };
        self.requested_at + patience
    }

    fn total(&self) -> Cents {
        self.offer.total_cents
    }

    fn pending(&self, position: u64) -> Answer<Purchase> {
        let body = self.with(PurchaseOutcome::Pending);
        Answer { body, position, replayed: false }
    }

    fn ended_by(&self, event: &AccountEvent) -> Option<Purchase> {
        let outcome = match event {
            AccountEvent::PurchaseCompleted { at, movement, .. } => PurchaseOutcome::Completed {
                at: *at,
                gold: movement.gold.plus(movement.debt).total(),
                wallet: movement.balance,
            },
            AccountEvent::PurchaseFailed { reason, .. } => PurchaseOutcome::Failed(*reason),
            AccountEvent::PurchaseVoided { reason, .. } => PurchaseOutcome::Voided(*reason),
            _ => return None,
        };
        Some(self.with(outcome))
    }

    fn with(&self, outcome: PurchaseOutcome) -> Purchase {
        let Self { receipt_code, charge_id, .. } = *self;
        Purchase { receipt_code, charge_id, offer: self.offer.clone(), outcome }
    }
}

/// The purchase that an event begins, if it begins one.
#[must_use]
pub fn under_way(player: PlayerId, recorded: &Recorded, event: &AccountEvent) -> Option<UnderWay> {
    let AccountEvent::PurchaseRequested { at, receipt_code, charge_id, offer, .. } = event else {
        return None;
    };
    Some(UnderWay {
        player,
        receipt_code: *receipt_code,
        charge_id: *charge_id,
        offer: offer.clone(),
        requested_at: *at,
        sequence: recorded.event.sequence,
    })
}
