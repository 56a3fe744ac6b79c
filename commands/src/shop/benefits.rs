//! Benefits: bought with gold, used, expired.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal};
use domain::id::{ItemId, PlayerId, ProductId, ReceiptCode};
use domain::identity::Identity;
use domain::money::{Quantity, Wallet};
use domain::offer::Rank;
use domain::product::{Product, ProductRefusal};
use serde::Serialize;

use super::ShopRefusal;
use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request};
use crate::context::Caller;
use crate::world::{Decline, World};

/// A player's wish to buy a benefit.
#[derive(Debug, Clone, Serialize)]
pub struct BuyBenefit {
    /// Who buys.
    pub player: PlayerId,
    /// What.
    pub product: ProductId,
    /// The catalogue name it was asked for by, if it was.
    pub sku: Option<String>,
    /// How many.
    pub quantity: Quantity,
}

/// The answer to buying a benefit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BenefitBought {
    /// The purchase's id.
    pub receipt_code: ReceiptCode,
    /// What.
    pub product_id: ProductId,
    /// How many: the items are numbered from 1 under the receipt.
    pub quantity: Quantity,
    /// What it cost.
    pub gold_spent: u64,
    /// When the items can no longer be used.
    pub expires_at: Option<DateTime<Utc>>,
    /// The wallet after it.
    pub wallet: Wallet,
}

impl BenefitBought {
    /// The items.
    pub fn items(&self) -> impl Iterator<Item = ItemId> + use<> {
        let receipt_code = self.receipt_code;
        (1..=u8::from(self.quantity)).map(move |number| ItemId { receipt_code, number })
    }
}

impl Commands {
    /// Buys a benefit with gold.
    ///
    /// # Errors
    /// If product or account refuse; then nothing was spent.
    pub async fn buy_benefit(
        &self,
        caller: &Caller,
        buy: BuyBenefit,
    ) -> Result<Answer<BenefitBought>, Failure<ShopRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("buy_benefit", &buy);
        let request = Request::new(caller, Some(buy.player)).keyed(fingerprint);
        let receipt_code = self.codes.next().await?.receipt_code;
        let (at, order) = (self.clock.now(), self.policy.spend_order);
        let BuyBenefit { player, product, quantity, sku } = buy;
        let decide = move |world: &mut World<'_>| {
            let offer = world.read::<Product>(product)?.benefit_offer(product, quantity, at);
            let offer = offer.and_then(|offer| match &sku {
                Some(sku) if *sku != offer.sku => Err(ProductRefusal::NotFound),
                _ => Ok(offer),
            });
            let offer = offer.map_err(|refusal| Decline::Refused(refusal.into()))?;
            let rank = match offer.min_rank {
                Rank::Standard => Rank::Standard,
                Rank::Vip => world.read::<Identity>(player)?.rank(),
            };
            let buy = AccountCommand::BuyBenefit { at, receipt_code, offer, rank, order };
            world.decide::<Account>(player, &buy).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await?.answer(bought)
    }

    /// Uses an item. The answer is the moment of its use.
    ///
    /// # Errors
    /// If the player has no such unused item.
    pub async fn use_item(
        &self,
        caller: &Caller,
        player: PlayerId,
        item_id: ItemId,
    ) -> Result<Answer<DateTime<Utc>>, Failure<AccountRefusal>> {
        let command = AccountCommand::UseItem { at: self.clock.now(), item_id };
        let fingerprint = self.fingerprints.fingerprint("use_item", &item_id);
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        self.bus.execute(request, decide).await?.answer(|event: &AccountEvent| match event {
            AccountEvent::ItemUsed { at, .. } => Some(*at),
            _ => None,
        })
    }

    /// An item's time is over, if it is. Asking again does nothing.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn expire_item(
        &self,
        caller: &Caller,
        player: PlayerId,
        item_id: ItemId,
    ) -> Result<Committed, Failure<AccountRefusal>> {
        let command = AccountCommand::ExpireItem { at: self.clock.now(), item_id };
        let request = Request::new(caller, Some(player));
        self.bus.execute(request, move |world| world.decide::<Account>(player, &command)).await
    }
}

fn bought(event: &AccountEvent) -> Option<BenefitBought> {
    let AccountEvent::BenefitPurchased { receipt_code, offer, movement, .. } = event else {
        return None;
    };
    Some(BenefitBought {
        receipt_code: *receipt_code,
        product_id: offer.product_id,
        quantity: offer.quantity,
        gold_spent: movement.gold.total(),
        expires_at: offer.expires_at,
        wallet: movement.balance,
    })
}
