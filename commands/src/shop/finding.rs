//! Finding what the log says of a purchase.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use domain::account::{Account, AccountEvent};
use domain::aggregate::Aggregate;
use domain::id::{PlayerId, ReceiptCode};
use domain::stored::Recorded;
use lru::LruCache;

use super::{Purchase, ShopRefusal, UnderWay, under_way};
use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Unavailable};

/// Purchases remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49_999);

/// Purchases that this node has left with the provider undecided, so that whoever settles one need
/// not wait for a read model to show it.
#[derive(Clone)]
pub struct PendingPurchases(Arc<Mutex<LruCache<ReceiptCode, UnderWay>>>);

impl Default for PendingPurchases {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(REMEMBERED))))
    }
}

impl PendingPurchases {
    pub(super) fn remember(&self, purchase: &UnderWay) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(purchase.receipt_code, purchase.clone());
    }

    /// The purchase with this receipt, if this node has left it pending.
    #[must_use]
    pub fn find(&self, receipt: ReceiptCode) -> Option<UnderWay> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&receipt).cloned()
    }
}

/// How a purchase can end, by stored name.
const ENDS: &[&str] = &["purchase_completed", "purchase_failed", "purchase_voided"];

impl Commands {
    /// The purchase that the event at this position began; `None` if there is another event.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn purchase_at(
        &self,
        player: PlayerId,
        receipt: ReceiptCode,
        position: u64,
    ) -> Result<Option<UnderWay>, Unavailable> {
        let recorded = self.bus.log().event_at(position).await?;
        Ok(recorded.and_then(|recorded| requested_by(player, receipt, &recorded)))
    }

    /// The purchase with this receipt in a player's account, wherever it is.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn purchase_of(
        &self,
        player: PlayerId,
        receipt: ReceiptCode,
    ) -> Result<Option<UnderWay>, Unavailable> {
        let found = self.find_in_account(player, 0, &["purchase_requested"], receipt).await?;
        Ok(found.and_then(|recorded| requested_by(player, receipt, &recorded)))
    }

    /// The first event of an account after a sequence that is one of these and about this receipt.
    pub(super) async fn find_in_account(
        &self,
        player: PlayerId,
        after: u64,
        event_types: &'static [&'static str],
        receipt: ReceiptCode,
    ) -> Result<Option<Recorded>, Unavailable> {
        let (player, receipt) = (player.to_string(), receipt.to_string());
        let stream = (Account::TYPE, player.as_str(), after);
        Ok(self.bus.log().find_in_stream(stream, event_types, &receipt).await?)
    }

    /// How a purchase ended, if it has: the log is searched only if the account says so.
    pub(super) async fn ended(
        &self,
        purchase: &UnderWay,
    ) -> Result<Option<Answer<Purchase>>, Failure<ShopRefusal>> {
        let receipt = purchase.receipt_code;
        let is_open = |account: &Account| account.open_purchases().any(|open| open == receipt);
        match self.bus.look::<Account, _>(purchase.player, is_open).await? {
            (true, _) => Ok(None),
            (false, _) => self.find_end(purchase).await,
        }
    }

    /// How a purchase ended, if it has.
    pub(super) async fn find_end(
        &self,
        purchase: &UnderWay,
    ) -> Result<Option<Answer<Purchase>>, Failure<ShopRefusal>> {
        let UnderWay { player, sequence, receipt_code, .. } = *purchase;
        let found = self.find_in_account(player, sequence, ENDS, receipt_code).await?;
        let Some(found) = found else { return Ok(None) };
        let place = found.place;
        let ended = Committed { events: vec![found], place, replayed: true };
        ended.answer(|event| purchase.ended_by(event)).map(Some)
    }
}

fn requested_by(player: PlayerId, receipt: ReceiptCode, recorded: &Recorded) -> Option<UnderWay> {
    let is_theirs = recorded.event.aggregate_type == Account::TYPE
        && *recorded.event.aggregate_id == player.to_string();
    let event: AccountEvent = recorded.event.decode().ok().filter(|_| is_theirs)?;
    under_way(player, recorded, &event).filter(|purchase| purchase.receipt_code == receipt)
}
