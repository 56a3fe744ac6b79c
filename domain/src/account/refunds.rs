//! What has been given back of a purchase. Kept only for purchases of which something was.

use serde::{Deserialize, Serialize};

use super::command::{AccountRefusal, Sale};
use crate::money::{Cents, Gold};

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refunds {
    /// All that the provider has given back.
    pub(super) refunded: Cents,
    /// The refund that the provider has been asked for and has not answered.
    pub(super) pending: Option<PendingRefund>,
    /// How many were asked for.
    pub(super) asked: u16,
    /// Whether the bank took back what was left.
    pub(super) charged_back: bool,
    /// Whether money that came too late was given back.
    pub(super) late_capture: bool,
}

/// A refund under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingRefund {
    pub(super) number: u16,
    /// How much it gives back, whatever else was given back meanwhile.
    pub(super) amount: Cents,
    pub(super) take_back_items: bool,
}

impl Refunds {
    /// What can still be given back.
    pub(super) fn left(&self, sale: &Sale) -> Cents {
        if self.charged_back { Cents(0) } else { sale.total_cents.minus(self.refunded) }
    }

    /// How much a new refund gives back.
    pub(super) fn amount(
        &self,
        sale: &Sale,
        wanted: Option<Cents>,
    ) -> Result<Cents, AccountRefusal> {
        let left = self.left(sale);
        if left == Cents(0) {
            return Err(AccountRefusal::NothingToRefund);
        }
        if self.pending.is_some() {
            return Err(AccountRefusal::RefundUnderWay);
        }
        match wanted {
            Some(Cents(0)) => Err(AccountRefusal::NothingToMove),
            Some(wanted) if wanted > left => {
                Err(AccountRefusal::RefundTooLarge { left_cents: left.0 })
            }
            wanted => Ok(wanted.unwrap_or(left)),
        }
    }

    /// The gold that goes with giving back up to `refunded` all in all: in proportion, and all of it
    /// in the end.
    pub(super) fn gold(&self, sale: &Sale, refunded: Cents) -> Gold {
        let until = |cents| sale.gold.share(cents, sale.total_cents).unwrap_or(sale.gold);
        until(refunded).minus(until(self.refunded))
    }
}
