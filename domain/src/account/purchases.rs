//! Purchases for real money: whether one may begin, and what is counted until its end.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::{AccountRefusal, PurchaseRules};
use super::event::AccountEvent;
use super::{Account, Decision};
use crate::id::{CardPrint, PromoCode, ReceiptCode};
use crate::limit::Period;
use crate::money::{Cents, Gold, GoldParts};
use crate::offer::{Offer, Rank, Ware};

/// A purchase for real money between its request and its end: what its end has to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenPurchase {
    at: DateTime<Utc>,
    pub(super) gold: Gold,
    total_cents: Cents,
    counted: Option<(Ware, Period, u32)>,
    promo: Option<PromoCode>,
}

impl Account {
    /// Whether a purchase may begin. All limits are looked at here, before the provider hears of it.
    pub(super) fn may_request(
        &self,
        at: DateTime<Utc>,
        offer: &Offer,
        rank: Rank,
        rules: &PurchaseRules,
    ) -> Result<(), AccountRefusal> {
        self.may_spend(at)?;
        if let Some((rule, until)) = self.pace.block_at(at) {
            return Err(AccountRefusal::PurchasesBlocked { rule, until });
        }
        if rank < offer.min_rank {
            return Err(AccountRefusal::RankRequired { needs: offer.min_rank });
        }
        self.may_have(offer.ware, offer.user_limit, u8::from(offer.quantity).into(), at)?;
        if let Some(promo) = offer.promo
            && let Some(most) = promo.user_limit
            && self.promo_uses.get(&promo.code).copied().unwrap_or_default() >= most
        {
            return Err(AccountRefusal::PromoUserLimitReached { most });
        }
        self.controls.allow(at, offer.total_cents)?;
        if matches!(offer.ware, Ware::Package(_))
            && let Some(until) = self.pace.limited_until(rules, at)
        {
            return Err(AccountRefusal::TooFast { until });
        }
        self.credit(GoldParts::all_paid(offer.gold)).map(drop)
    }

    pub(super) fn complete(&self, at: DateTime<Utc>, receipt_code: ReceiptCode) -> Decision {
        let gold = GoldParts::all_paid(self.open_purchase(receipt_code)?.gold);
        let movement = self.wallet.credit(gold).ok_or(AccountRefusal::BalanceTooLarge)?;
        Ok(vec![AccountEvent::PurchaseCompleted { at, receipt_code, movement }])
    }

    pub(super) fn open_purchase(&self, code: ReceiptCode) -> Result<&OpenPurchase, AccountRefusal> {
        self.open_purchases.get(&code).ok_or(AccountRefusal::PurchaseNotOpen)
    }
}

/// Remembering.
impl Account {
    pub(super) fn requested(
        &mut self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        card: Option<CardPrint>,
        offer: &Offer,
    ) {
        let count: u32 = u8::from(offer.quantity).into();
        let counted = offer.user_limit.map(|limit| (offer.ware, limit.per, count));
        if let Some((ware, per, count)) = counted {
            self.uses.entry(ware).or_default().add(per, at, count.into());
        }
        let promo = offer.promo.filter(|promo| promo.user_limit.is_some()).map(|promo| promo.code);
        if let Some(code) = promo {
            *self.promo_uses.entry(code).or_default() += 1;
        }
        let Offer { gold, total_cents, .. } = *offer;
        self.controls.spent(at, total_cents);
        self.pace.bought(at, card, matches!(offer.ware, Ware::Package(_)));
        let open = OpenPurchase { at, gold, total_cents, counted, promo };
        self.open_purchases.insert(receipt_code, open);
    }

    /// What was counted at the request of a purchase is given back.
    pub(super) fn not_paid(&mut self, receipt_code: ReceiptCode) {
        let Some(open) = self.open_purchases.remove(&receipt_code) else { return };
        if let Some((ware, per, count)) = open.counted {
            self.uses.entry(ware).or_default().take(per, open.at, count.into());
        }
        if let Some(uses) = open.promo.and_then(|code| self.promo_uses.get_mut(&code)) {
            *uses = uses.saturating_sub(1);
        }
        self.controls.unspent(open.at, open.total_cents);
    }
}
