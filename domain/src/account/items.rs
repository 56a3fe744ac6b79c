//! Benefits and the items they bring: bought with gold, used, expired, taken back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::{AccountRefusal, Sale};
use super::event::AccountEvent;
use super::{Account, Decision};
use crate::id::{ItemId, ReceiptCode};
use crate::money::{GoldParts, SpendOrder, Wallet};
use crate::offer::{BenefitOffer, Rank, Ware};

/// Something that was bought and has not been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    bought_at: DateTime<Utc>,
    price: GoldParts,
    expires_at: Option<DateTime<Utc>>,
}

impl Item {
    /// One that was given.
    pub(super) fn given(at: DateTime<Utc>, expires_at: Option<DateTime<Utc>>) -> Self {
        Self { bought_at: at, price: GoldParts::default(), expires_at }
    }

    fn is_usable(&self, at: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| at < end)
    }
}

impl Account {
    /// Unused items that were bought after a purchase and with bought gold are returned for what is
    /// owed, the latest first.
    pub(super) fn take_items_back(
        &self,
        at: DateTime<Utc>,
        sale: &Sale,
        mut wallet: Wallet,
    ) -> Vec<AccountEvent> {
        let of_the_sale = |item: &Item| {
            item.price.paid > 0 && item.bought_at >= sale.completed_at && item.is_usable(at)
        };
        let mut items: Vec<_> = self.items.iter().filter(|(_, item)| of_the_sale(item)).collect();
        items.sort_by_key(|(id, item)| std::cmp::Reverse((item.bought_at, **id)));
        let mut events = Vec::new();
        for (item_id, item) in items {
            if wallet.debt == 0 {
                break;
            }
            let Some(movement) = wallet.credit(item.price) else { break };
            wallet = movement.balance;
            events.push(AccountEvent::ItemRefunded { at, item_id: *item_id, movement });
        }
        events
    }

    pub(super) fn buy_benefit(
        &self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        offer: &BenefitOffer,
        rank: Rank,
        order: SpendOrder,
    ) -> Decision {
        self.may_spend(at)?;
        if rank < offer.min_rank {
            return Err(AccountRefusal::RankRequired { needs: offer.min_rank });
        }
        let count = u8::from(offer.quantity).into();
        self.may_have(Ware::Product(offer.product_id), offer.user_limit, count, at)?;
        let movement = self.debit(at, offer.price, order)?;
        let offer = offer.clone();
        Ok(vec![AccountEvent::BenefitPurchased { at, receipt_code, offer, movement }])
    }

    fn item(&self, item_id: ItemId) -> Result<&Item, AccountRefusal> {
        self.items.get(&item_id).ok_or(AccountRefusal::NoSuchItem)
    }

    pub(super) fn use_item(&self, at: DateTime<Utc>, item_id: ItemId) -> Decision {
        let item = self.item(item_id)?;
        match item.expires_at {
            Some(end) if at >= end => Err(AccountRefusal::ItemTooLate { at: end }),
            _ => Ok(vec![AccountEvent::ItemUsed { at, item_id }]),
        }
    }

    pub(super) fn expire_item(&self, at: DateTime<Utc>, item_id: ItemId) -> Vec<AccountEvent> {
        match self.items.get(&item_id) {
            Some(item) if !item.is_usable(at) => vec![AccountEvent::ItemExpired { at, item_id }],
            _ => vec![],
        }
    }

    pub(super) fn refund_items(&self, at: DateTime<Utc>, receipt_code: ReceiptCode) -> Decision {
        let mut account = self.clone();
        let ids: Vec<ItemId> =
            self.items.keys().filter(|id| id.receipt_code == receipt_code).copied().collect();
        let mut events = Vec::new();
        for item_id in ids {
            let item = self.item(item_id)?;
            // What was given has cost nothing.
            if item.is_usable(at) && item.price.total() > 0 {
                let movement = account.credit(item.price)?;
                account.wallet = movement.balance;
                events.push(AccountEvent::ItemRefunded { at, item_id, movement });
            }
        }
        if events.is_empty() { Err(AccountRefusal::NothingToRefund) } else { Ok(events) }
    }

    pub(super) fn benefit_bought(
        &mut self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        offer: &BenefitOffer,
        paid: GoldParts,
    ) {
        let count = u8::from(offer.quantity);
        if let Some(limit) = offer.user_limit {
            let uses = self.uses.entry(Ware::Product(offer.product_id)).or_default();
            uses.add(limit.per, at, count.into());
        }
        for number in 1..=count {
            let price = paid.of_one(number, count);
            let item = Item { bought_at: at, price, expires_at: offer.expires_at };
            self.items.insert(ItemId { receipt_code, number }, item);
        }
    }
}
