//! Buying for real money: from the request to its one end.

use domain::account::{
    Account, AccountCommand, AccountEvent, AccountRefusal, FailureReason, VoidReason,
};
use domain::id::{ChargeId, PlayerId, ProductId, ReceiptCode};
use domain::money::{Quantity, Wallet};
use domain::product::{Offer, Product, ProductRefusal, Rank};
use serde::Serialize;

use crate::Commands;
use crate::bus::{Answer, Failure, Request};
use crate::context::Caller;
use crate::payments::CardToken;
use crate::world::{Decline, World};

/// A player's wish to buy.
#[derive(Debug, Clone, Serialize)]
pub struct Buy {
    /// Who buys.
    pub player: PlayerId,
    /// What.
    pub product: ProductId,
    /// How many.
    pub quantity: Quantity,
    /// How the player pays, as the player named it.
    pub payment_method: Option<String>,
    /// The card; not part of the request's fingerprint.
    #[serde(skip)]
    pub card: CardToken,
}

/// Why nothing was bought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShopRefusal {
    /// The product says no.
    #[error(transparent)]
    Product(#[from] ProductRefusal),
    /// The account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
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
        /// How much gold.
        gold: u64,
        /// The wallet after it.
        wallet: Wallet,
    },
    /// Declined; nothing was charged.
    Failed(FailureReason),
    /// Given up; nothing was charged.
    Voided(VoidReason),
    /// The provider has not answered yet: the purchase goes on by itself.
    Pending,
}

impl Commands {
    /// Buys: requests, charges, and completes or fails. Goes on by itself if the caller leaves.
    ///
    /// # Errors
    /// If product or account refuse; then nothing was charged.
    pub async fn buy(
        &self,
        _caller: &Caller,
        _buy: Buy,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        todo!()
    }
}
