//! A player's account: all the money and every purchase of one player, in one stream, so that
//! double spending and double crediting are refused by construction.
//!
//! The state keeps what a decision needs and nothing more: how a completed purchase was made is in
//! its events, and whoever wants it refunded brings that along.

mod closing;
mod command;
mod controls;
mod daily;
mod deed;
mod event;
mod items;
mod ledger;
mod pace;
mod participation;
mod purchases;
mod refunds;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use command::{
    AccountCommand, AccountRefusal, Ineligible, MissionClaim, Payment, PurchaseRules, Sale,
    SpendLock,
};
pub use controls::{Controls, RAISE_WAITS};
pub use daily::{
    DAILY_VIP_POINTS, Daily, LAST_RISING_DAY, StreakDay, StreakReward, XP_PER_LEVEL, level,
    streak_count,
};
pub use deed::{Deed, PURCHASE_COUNT, SPEND_GOLD};
pub use event::{AccountEvent, FailureReason, FraudRule, VoidReason};
pub use ledger::{CounterAccount, LedgerEntry, MOVEMENTS, RewardPaid, RewardSource};
pub use pace::LONGEST_LOOK;
pub use participation::Participation;

use crate::activity::MissionPeriod;
use crate::aggregate::Aggregate;
use crate::id::{CardPrint, ItemId, LiveEventId, MissionId, PlayerId, PromoCode, ReceiptCode};
use crate::layered::Layered;
use crate::limit::{UseLimit, Uses};
use crate::money::{Cents, Gold, GoldParts, MAX_GOLD, Movement, SpendOrder, Wallet};
use crate::offer::Ware;
use items::Item;
use pace::Pace;
use purchases::OpenPurchase;
use refunds::{PendingRefund, Refunds};

/// An account as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    opened: bool,
    #[serde(default)]
    closed: bool,
    wallet: Wallet,
    open_purchases: BTreeMap<ReceiptCode, OpenPurchase>,
    refunds: BTreeMap<ReceiptCode, Refunds>,
    uses: BTreeMap<Ware, Uses>,
    promo_uses: BTreeMap<PromoCode, u32>,
    items: BTreeMap<ItemId, Item>,
    pace: Pace,
    controls: Controls,
    daily: Daily,
    opened_at: Option<DateTime<Utc>>,
    has_paid: bool,
    participations: BTreeMap<LiveEventId, Participation>,
    /// The latest period of each mission that was claimed.
    claimed_missions: Layered<MissionId, MissionPeriod>,
    /// The latest occurrence of each event whose place was rewarded.
    rewarded_places: BTreeMap<LiveEventId, DateTime<Utc>>,
}

type Decision = Result<Vec<AccountEvent>, AccountRefusal>;

impl Account {
    /// Whether anybody has opened it, and nobody was erased since.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened && !self.closed
    }

    /// Whether anybody has ever opened it.
    #[must_use]
    pub fn was_opened(&self) -> bool {
        self.opened
    }

    /// What it holds.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        self.wallet
    }

    /// Purchases that have begun and not ended.
    pub fn open_purchases(&self) -> impl Iterator<Item = ReceiptCode> + '_ {
        self.open_purchases.keys().copied()
    }

    /// What the player has set against spending too much.
    #[must_use]
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What the player has claimed by the day.
    #[must_use]
    pub fn daily(&self) -> &Daily {
        &self.daily
    }

    /// How many of a ware the player has had in the present period of its limit.
    #[must_use]
    pub fn uses_of(&self, ware: Ware, limit: UseLimit, at: DateTime<Utc>) -> u32 {
        let had = self.uses.get(&ware).copied().unwrap_or_default().in_period(limit.per, at);
        u32::try_from(had).unwrap_or(u32::MAX)
    }

    /// What of a purchase was given back, by the provider or the bank.
    #[must_use]
    pub fn refunded(&self, sale: &Sale) -> Cents {
        let refunds = self.refunds_of(sale.receipt_code);
        sale.total_cents.minus(refunds.left(sale))
    }

    /// The refund of a purchase that the provider has not yet answered: its number and amount.
    #[must_use]
    pub fn refund_under_way(&self, receipt: ReceiptCode) -> Option<(u16, Cents)> {
        self.refunds_of(receipt).pending.map(|pending| (pending.number, pending.amount))
    }

    /// The rule against fraud that one more purchase would break, and until when it stops buying;
    /// none if the purchase would be refused anyway.
    #[must_use]
    pub fn broken_rule(
        &self,
        rules: &PurchaseRules,
        card: Option<CardPrint>,
        at: DateTime<Utc>,
    ) -> Option<(FraudRule, DateTime<Utc>)> {
        if self.may_spend(at).is_err() || self.pace.block_at(at).is_some() {
            return None;
        }
        self.pace.broken_rule(rules, card, at)
    }

    fn refunds_of(&self, receipt: ReceiptCode) -> Refunds {
        self.refunds.get(&receipt).copied().unwrap_or_default()
    }

    /// A credit that leaves room for every purchase under way: once the provider has the money,
    /// completing cannot be refused any more.
    fn credit(&self, gold: GoldParts) -> Result<Movement, AccountRefusal> {
        if gold.total() == 0 {
            return Err(AccountRefusal::NothingToMove);
        }
        let coming: u64 = self.open_purchases.values().map(|open| open.gold.amount()).sum();
        let movement = self.wallet.credit(gold).ok_or(AccountRefusal::BalanceTooLarge)?;
        if movement.balance.gold().saturating_add(coming) > MAX_GOLD {
            return Err(AccountRefusal::BalanceTooLarge);
        }
        Ok(movement)
    }

    fn debit(
        &self,
        at: DateTime<Utc>,
        gold: Gold,
        order: SpendOrder,
    ) -> Result<Movement, AccountRefusal> {
        if gold == Gold::ZERO {
            return Err(AccountRefusal::NothingToMove);
        }
        self.may_spend(at)?;
        self.wallet.debit(gold, order).ok_or(AccountRefusal::InsufficientGold {
            has: self.wallet.gold(),
            needs: gold.amount(),
        })
    }

    fn may_spend(&self, at: DateTime<Utc>) -> Result<(), AccountRefusal> {
        let debt = (self.wallet.debt > 0).then_some(SpendLock::Debt(self.wallet.debt));
        match debt.or_else(|| self.controls.pause_at(at)) {
            Some(lock) => Err(AccountRefusal::SpendLocked { lock }),
            None => Ok(()),
        }
    }

    fn may_have(
        &self,
        ware: Ware,
        limit: Option<UseLimit>,
        count: u32,
        at: DateTime<Utc>,
    ) -> Result<(), AccountRefusal> {
        let Some(limit) = limit else { return Ok(()) };
        let had = self.uses_of(ware, limit, at);
        if had.saturating_add(count) <= limit.count {
            return Ok(());
        }
        Err(AccountRefusal::UserLimitReached { limit, had, until: limit.per.ends_at(at) })
    }

    fn open(at: DateTime<Utc>, bonus: Gold) -> Decision {
        let movement = Self::default().credit(GoldParts::all_free(bonus))?;
        Ok(vec![
            AccountEvent::AccountOpened { at },
            AccountEvent::SignUpBonusGranted { at, movement },
        ])
    }

    fn grant_vip_points(
        &self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        vip_points: u64,
    ) -> Decision {
        if vip_points == 0 {
            return Err(AccountRefusal::NothingToMove);
        }
        let balance = self.with_vip_points(vip_points)?;
        Ok(vec![AccountEvent::VipPointsGranted { at, receipt_code, vip_points, balance }])
    }

    /// What was bought stays, and so does what was won with the grant, if the grant itself is spent.
    fn take_back_grant(
        &self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        gold: Gold,
    ) -> Vec<AccountEvent> {
        let movement = self.wallet.take_given(gold);
        let taken = movement.filter(|movement| movement.gold.total() > 0);
        let event = |movement| AccountEvent::GrantTakenBack { at, receipt_code, movement };
        taken.map(event).into_iter().collect()
    }

    fn request_refund(
        &self,
        at: DateTime<Utc>,
        sale: &Sale,
        wanted: Option<Cents>,
        take_back_items: bool,
    ) -> Decision {
        let refunds = self.refunds_of(sale.receipt_code);
        let amount_cents = refunds.amount(sale, wanted)?;
        Ok(vec![AccountEvent::RefundRequested {
            at,
            receipt_code: sale.receipt_code,
            number: refunds.asked.saturating_add(1),
            amount_cents,
            take_back_items,
        }])
    }

    fn record_refund(
        &self,
        at: DateTime<Utc>,
        sale: &Sale,
        number: Option<u16>,
        refunded_cents: Cents,
    ) -> Decision {
        let refunds = self.refunds_of(sale.receipt_code);
        let refunded_cents = refunded_cents.min(sale.total_cents);
        if refunds.pending.is_some_and(|pending| number != Some(pending.number))
            || refunds.charged_back
        {
            return Ok(vec![]);
        }
        if refunded_cents <= refunds.refunded {
            // The provider says that it is done, and nothing has come of it.
            return self.fail_refund(at, sale.receipt_code, number);
        }
        let gold = refunds.gold(sale, refunded_cents);
        let movement = self.wallet.take_back(gold).ok_or(AccountRefusal::BalanceTooLarge)?;
        let mut events = vec![AccountEvent::PurchaseRefunded {
            at,
            receipt_code: sale.receipt_code,
            amount_cents: refunded_cents.minus(refunds.refunded),
            refunded_cents,
            left_cents: sale.total_cents.minus(refunded_cents),
            movement,
        }];
        if refunds.pending.is_some_and(|pending| pending.take_back_items) {
            events.extend(self.take_items_back(at, sale, movement.balance));
        }
        Ok(events)
    }

    fn record_chargeback(&self, at: DateTime<Utc>, sale: &Sale, refunded_cents: Cents) -> Decision {
        let receipt_code = sale.receipt_code;
        if self.refunds_of(receipt_code).pending.is_some() {
            return Ok(vec![]);
        }
        let mut account = self.clone();
        let mut events = self.record_refund(at, sale, None, refunded_cents)?;
        events.iter().for_each(|event| account.evolve(event));
        let refunds = account.refunds_of(receipt_code);
        let amount_cents = refunds.left(sale);
        if amount_cents > Cents(0) {
            let gold = refunds.gold(sale, sale.total_cents);
            let movement = account.wallet.take_back(gold).ok_or(AccountRefusal::BalanceTooLarge)?;
            let back =
                AccountEvent::PurchaseChargedBack { at, receipt_code, amount_cents, movement };
            events.push(back);
        }
        Ok(events)
    }

    fn fail_refund(
        &self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        number: Option<u16>,
    ) -> Decision {
        let pending = self.refunds_of(receipt_code).pending.map(|pending| pending.number);
        Ok(match pending.filter(|pending| Some(*pending) == number) {
            Some(number) => vec![AccountEvent::RefundFailed { at, receipt_code, number }],
            None => vec![],
        })
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Id = PlayerId;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Refusal = AccountRefusal;

    #[expect(clippy::too_many_lines, reason = "a table: what may be asked, and who decides it")]
    fn decide(&self, command: &AccountCommand) -> Decision {
        use AccountCommand as Ask;
        if let Ask::Open { at, bonus } = command {
            return if self.opened { Ok(vec![]) } else { Self::open(*at, *bonus) };
        }
        if !self.opened || self.closed && !closing::is_told_to_closed_accounts(command) {
            return Err(AccountRefusal::NoSuchAccount);
        }
        match *command {
            Ask::Open { .. } => Ok(vec![]),
            Ask::GrantGold { at, receipt_code, gold } => {
                let movement = self.credit(GoldParts::all_free(gold))?;
                Ok(vec![AccountEvent::GoldGranted { at, receipt_code, movement }])
            }
            Ask::GrantVipPoints { at, receipt_code, vip_points } => {
                self.grant_vip_points(at, receipt_code, vip_points)
            }
            Ask::Spend { at, ref reference, gold, order } => {
                let movement = self.debit(at, gold, order)?;
                Ok(vec![AccountEvent::GoldSpent { at, reference: reference.clone(), movement }])
            }
            Ask::RequestPurchase {
                at,
                receipt_code,
                charge_id,
                ref payment_method,
                card,
                ref offer,
                rank,
                ref rules,
            } => {
                if self.open_purchases.contains_key(&receipt_code) {
                    return Err(AccountRefusal::ReceiptInUse);
                }
                self.may_request(at, offer, rank, rules)?;
                let (payment_method, offer) = (payment_method.clone(), offer.clone());
                Ok(vec![AccountEvent::PurchaseRequested {
                    at,
                    receipt_code,
                    charge_id,
                    payment_method,
                    card,
                    offer,
                }])
            }
            Ask::CompletePurchase { at, receipt_code } => self.complete(at, receipt_code),
            Ask::FailPurchase { at, receipt_code, reason } => {
                self.open_purchase(receipt_code)?;
                Ok(vec![AccountEvent::PurchaseFailed { at, receipt_code, reason }])
            }
            Ask::VoidPurchase { at, receipt_code, reason } => {
                self.open_purchase(receipt_code)?;
                Ok(vec![AccountEvent::PurchaseVoided { at, receipt_code, reason }])
            }
            Ask::RecordLateCapture { at, receipt_code, amount_cents } => {
                let is_known = self.refunds_of(receipt_code).late_capture;
                let late = AccountEvent::LateCaptureRefunded { at, receipt_code, amount_cents };
                Ok(if is_known { vec![] } else { vec![late] })
            }
            Ask::RequestRefund { at, ref sale, amount_cents, take_back_items } => {
                self.request_refund(at, sale, amount_cents, take_back_items)
            }
            Ask::RecordRefund { at, ref sale, number, refunded_cents } => {
                self.record_refund(at, sale, number, refunded_cents)
            }
            Ask::FailRefund { at, receipt_code, number } => {
                self.fail_refund(at, receipt_code, Some(number))
            }
            Ask::RecordChargeback { at, ref sale, refunded_cents } => {
                self.record_chargeback(at, sale, refunded_cents)
            }
            Ask::BlockPurchases { at, rule, until } => {
                Ok(vec![AccountEvent::PurchasesBlocked { at, rule, until }])
            }
            Ask::BuyBenefit { at, receipt_code, ref offer, rank, order } => {
                self.buy_benefit(at, receipt_code, offer, rank, order)
            }
            Ask::UseItem { at, item_id } => self.use_item(at, item_id),
            Ask::ExpireItem { at, item_id } => Ok(self.expire_item(at, item_id)),
            Ask::RefundItems { at, receipt_code } => self.refund_items(at, receipt_code),
            Ask::SetSpendLimit { at, monthly_cents } => {
                Ok(self.controls.set_limit(at, monthly_cents))
            }
            Ask::CoolOff { at, until } => self.controls.cool_off(at, until),
            Ask::ExcludeSelf { at, until } => self.controls.exclude(at, until),
            Ask::ClaimStreak { at, grace_days } => self.claim_streak(at, grace_days),
            Ask::ClaimVip { at } => self.claim_vip(at),
            Ask::JoinEvent { at, event_id, ref seat, rank } => {
                self.join_event(at, event_id, seat, rank)
            }
            Ask::ClaimEvent { at, event_id, is_complete, forced, ref payment } => {
                self.claim_event(at, event_id, is_complete || forced, forced, payment)
            }
            Ask::ClaimMission { at, claim, ref rewards, ref payment } => {
                self.claim_mission(at, &claim, rewards, payment)
            }
            Ask::RewardPlace {
                at,
                event_id,
                occurrence_at,
                place,
                score,
                ref rewards,
                ref payment,
            } => {
                let result = (event_id, occurrence_at, place, score);
                self.reward_place(at, result, rewards, payment)
            }
            Ask::GiftReward { at, ref rewards, ref payment } => {
                let (receipt_code, reward) = (payment.receipt_code, self.pay(rewards, payment)?);
                Ok(vec![AccountEvent::RewardGifted { at, receipt_code, reward }])
            }
            Ask::TakeBackGrant { at, receipt_code, gold } => {
                Ok(self.take_back_grant(at, receipt_code, gold))
            }
            Ask::Close { at } => self.close(at),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table: what happened, and what it leaves")]
    fn evolve(&mut self, event: &AccountEvent) {
        if let Some(wallet) = event.wallet_after() {
            self.wallet = wallet;
        }
        if let Some(RewardPaid { at, receipt_code, reward, .. }) = event.reward() {
            self.was_rewarded(at, receipt_code, reward);
        }
        match event {
            AccountEvent::AccountOpened { at } => {
                self.opened = true;
                self.opened_at = Some(*at);
            }
            AccountEvent::PurchaseRequested { at, receipt_code, card, offer, .. } => {
                self.requested(*at, *receipt_code, *card, offer);
            }
            AccountEvent::PurchaseCompleted { receipt_code, .. } => {
                self.has_paid = true;
                self.open_purchases.remove(receipt_code);
            }
            AccountEvent::PurchaseFailed { receipt_code, .. }
            | AccountEvent::PurchaseVoided { receipt_code, .. } => self.not_paid(*receipt_code),
            AccountEvent::LateCaptureRefunded { receipt_code, .. } => {
                self.refunds.entry(*receipt_code).or_default().late_capture = true;
            }
            AccountEvent::RefundRequested {
                receipt_code,
                number,
                amount_cents,
                take_back_items,
                ..
            } => {
                let refunds = self.refunds.entry(*receipt_code).or_default();
                refunds.asked = *number;
                refunds.pending = Some(PendingRefund {
                    number: *number,
                    amount: *amount_cents,
                    take_back_items: *take_back_items,
                });
            }
            AccountEvent::PurchaseRefunded { receipt_code, refunded_cents, .. } => {
                let refunds = self.refunds.entry(*receipt_code).or_default();
                refunds.refunded = *refunded_cents;
                // While one was under way, only its answer could be recorded.
                refunds.pending = None;
            }
            AccountEvent::RefundFailed { receipt_code, .. } => {
                self.refunds.entry(*receipt_code).or_default().pending = None;
            }
            AccountEvent::PurchaseChargedBack { receipt_code, .. } => {
                self.refunds.entry(*receipt_code).or_default().charged_back = true;
            }
            AccountEvent::PurchasesBlocked { rule, until, .. } => self.pace.block(*rule, *until),
            AccountEvent::BenefitPurchased { at, receipt_code, offer, movement } => {
                self.benefit_bought(*at, *receipt_code, offer, movement.gold);
            }
            AccountEvent::ItemUsed { item_id, .. }
            | AccountEvent::ItemExpired { item_id, .. }
            | AccountEvent::ItemRefunded { item_id, .. } => {
                self.items.remove(item_id);
            }
            AccountEvent::SpendLimitSet { at, monthly_cents, effective_at } => {
                self.controls.limit_is_set(*at, *monthly_cents, *effective_at);
            }
            AccountEvent::CoolingOffStarted { until, .. } => self.controls.cools_off(*until),
            AccountEvent::SelfExcluded { until, .. } => self.controls.is_excluded(*until),
            AccountEvent::StreakClaimed { at, streak_count, xp_after, .. } => {
                self.daily.streak_claimed(*at, *streak_count, *xp_after);
            }
            AccountEvent::VipClaimed { at, .. } => self.daily.vip_claimed(*at),
            AccountEvent::EventJoined { at, event_id, occurrence, entry } => {
                let participation = Participation::new(*at, *occurrence, entry.clone());
                self.participations.insert(*event_id, participation);
            }
            AccountEvent::EventClaimed { receipt_code, event_id, .. } => {
                if let Some(participation) = self.participations.get_mut(event_id) {
                    participation.was_claimed(*receipt_code);
                }
            }
            AccountEvent::MissionClaimed { mission_id, period, .. } => {
                self.claimed_missions.insert(*mission_id, *period);
            }
            AccountEvent::PlaceRewarded { event_id, occurrence_at, .. } => {
                self.rewarded_places.insert(*event_id, *occurrence_at);
            }
            AccountEvent::AccountClosed { .. } => self.closed = true,
            AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::RewardGifted { .. }
            | AccountEvent::GrantTakenBack { .. } => {}
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
            + self.open_purchases.len() * 128
            + (self.refunds.len() + self.uses.len() + self.promo_uses.len() + self.items.len()) * 64
            + self.participations.len() * 320
            + (self.claimed_missions.len_at_most() + self.rewarded_places.len()) * 32
            + self.pace.weight()
    }
}

#[cfg(test)]
mod tests;
