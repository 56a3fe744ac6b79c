//! Whether items are used, expire or are taken back once, and only if they were bought.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::{ItemId, PlayerId, ReceiptCode};
use domain::money::{GoldParts, Movement};
use domain::offer::BenefitOffer;

use super::{Check, Verdict};

#[derive(Default)]
pub(super) struct Items(HashMap<ReceiptCode, Bought>);

/// Items that were bought at once.
struct Bought {
    player: PlayerId,
    quantity: u8,
    paid: GoldParts,
    expires_at: Option<DateTime<Utc>>,
    /// A bit for each number: those that are no longer there.
    gone: u128,
}

impl Bought {
    fn is_usable(&self, at: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| at < end)
    }
}

impl Items {
    /// Whether items were bought under this receipt.
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
        let (quantity, expires_at) = (offer.quantity.into(), offer.expires_at);
        let bought = Bought { player, quantity, paid, expires_at, gone: 0 };
        if self.0.insert(code, bought).is_some() {
            return Err((Check::Purchase, format!("the receipt {code} is used a second time")));
        }
        let (price, paid) = (offer.price.amount(), paid.total());
        if paid != price {
            let message = format!("the purchase {code} costs {price} gold and took {paid}");
            return Err((Check::Purchase, message));
        }
        Ok(())
    }

    pub(super) fn use_up(&mut self, player: PlayerId, id: ItemId, at: DateTime<Utc>) -> Verdict {
        let bought = self.goes(player, id)?;
        of_item(bought.is_usable(at), || format!("the item {id} is used at {at}, after its time"))
    }

    pub(super) fn expire(&mut self, player: PlayerId, id: ItemId, at: DateTime<Utc>) -> Verdict {
        let bought = self.goes(player, id)?;
        of_item(!bought.is_usable(at), || format!("the item {id} expires at {at}, before its time"))
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
        of_item(bought.is_usable(at), || {
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
            return Err((Check::Item, format!("player {player} never bought the item {id}")));
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
