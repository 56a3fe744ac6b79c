//! Whether items are used, expire or are taken back once, and only if they were bought or given.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::{ItemId, PlayerId, ReceiptCode};
use domain::money::{GoldParts, Movement};
use domain::offer::BenefitOffer;
use domain::reward::GivenItem;

use super::{Check, Verdict};

#[derive(Default)]
pub(super) struct Items(HashMap<ReceiptCode, Bought>);

/// Items that were bought at once, or given as one reward: these have cost nothing.
struct Bought {
    player: PlayerId,
    quantity: u8,
    paid: GoldParts,
    ends: Ends,
    /// A bit for each number: those that are no longer there.
    gone: u128,
}

/// When items can no longer be used.
enum Ends {
    /// All of them the same.
    Same(Option<DateTime<Utc>>),
    /// Of several kinds: each up to the one with this number.
    Until(Box<[(u8, Option<DateTime<Utc>>)]>),
}

impl Ends {
    fn of(items: &[GivenItem]) -> Self {
        if let [item] = items {
            return Self::Same(item.expires_at);
        }
        let mut last = 0_u8;
        let each = items.iter().map(|item| {
            last = last.saturating_add(item.quantity.into());
            (last, item.expires_at)
        });
        Self::Until(each.collect())
    }

    fn is_usable(&self, number: u8, at: DateTime<Utc>) -> bool {
        let end = match self {
            Self::Same(end) => *end,
            Self::Until(each) => {
                each.iter().find(|(last, _)| number <= *last).and_then(|(_, end)| *end)
            }
        };
        end.is_none_or(|end| at < end)
    }
}

impl Items {
    /// Whether items were bought or given under this receipt.
    pub(super) fn knows(&self, code: ReceiptCode) -> bool {
        self.0.contains_key(&code)
    }

    pub(super) fn buy(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        offer: &BenefitOffer,
        paid: GoldParts,
    ) -> Verdict {
        let (quantity, ends) = (offer.quantity.into(), Ends::Same(offer.expires_at));
        self.get(code, Bought { player, quantity, paid, ends, gone: 0 })?;
        let (price, paid) = (offer.price.amount(), paid.total());
        if paid != price {
            let message = format!("the purchase {code} costs {price} gold and took {paid}");
            return Err((Check::Purchase, message));
        }
        Ok(())
    }

    /// What a reward puts into the inventory. One without items leaves no trace here.
    pub(super) fn give(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        items: &[GivenItem],
    ) -> Verdict {
        if items.is_empty() {
            return Ok(());
        }
        let count = |sum: u8, item: &GivenItem| sum.saturating_add(item.quantity.into());
        let (quantity, paid) = (items.iter().fold(0, count), GoldParts::default());
        self.get(code, Bought { player, quantity, paid, ends: Ends::of(items), gone: 0 })
    }

    fn get(&mut self, code: ReceiptCode, bought: Bought) -> Verdict {
        if self.0.insert(code, bought).is_none() {
            return Ok(());
        }
        Err((Check::Purchase, format!("the receipt {code} is used a second time")))
    }

    pub(super) fn use_up(&mut self, player: PlayerId, id: ItemId, at: DateTime<Utc>) -> Verdict {
        let bought = self.goes(player, id)?;
        let is_usable = bought.ends.is_usable(id.number, at);
        of_item(is_usable, || format!("the item {id} is used at {at}, after its time"))
    }

    pub(super) fn expire(&mut self, player: PlayerId, id: ItemId, at: DateTime<Utc>) -> Verdict {
        let bought = self.goes(player, id)?;
        let is_usable = bought.ends.is_usable(id.number, at);
        of_item(!is_usable, || format!("the item {id} expires at {at}, before its time"))
    }

    pub(super) fn take_back(
        &mut self,
        player: PlayerId,
        id: ItemId,
        at: DateTime<Utc>,
        movement: &Movement,
    ) -> Verdict {
        let bought = self.goes(player, id)?;
        let (price, returned) =
            (bought.paid.of_one(id.number, bought.quantity), movement.gold.plus(movement.debt));
        of_item(bought.paid.total() > 0, || {
            format!("the item {id} was given to player {player}: it is not taken back for gold")
        })?;
        of_item(bought.ends.is_usable(id.number, at), || {
            format!("the item {id} is taken back at {at}, after its time")
        })?;
        of_item(price == returned, || {
            format!(
                "the item {id} had cost {} paid and {} free gold, and {} paid and {} free are \
                 returned",
                price.paid, price.free, returned.paid, returned.free
            )
        })
    }

    /// An item goes: whose it was is right, and it was still there.
    fn goes(&mut self, player: PlayerId, id: ItemId) -> Result<&Bought, (Check, String)> {
        let bought = self.0.get_mut(&id.receipt_code).filter(|bought| bought.player == player);
        let bought = bought.filter(|bought| (1..=bought.quantity).contains(&id.number));
        let Some(bought) = bought else {
            return Err((Check::Item, format!("player {player} never got the item {id}")));
        };
        let bit = 1_u128.checked_shl(id.number.into()).unwrap_or(0);
        if bought.gone & bit != 0 {
            let message = format!("the item {id} was used, expired or taken back already");
            return Err((Check::Item, message));
        }
        bought.gone |= bit;
        Ok(bought)
    }
}

fn of_item(is_right: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if is_right { Ok(()) } else { Err((Check::Item, otherwise())) }
}
