//! Whether purchases end once and as they began, and whether what is given back of them was paid.

use std::collections::HashMap;

use domain::account::AccountEvent;
use domain::id::{PlayerId, ReceiptCode};
use domain::money::{Cents, Gold, Movement};
use domain::offer::Offer;

use super::items::Items;
use super::{Check, Verdict};

/// Every purchase so far. What few have stands apart.
#[derive(Default)]
pub(super) struct Purchases {
    begun: HashMap<ReceiptCode, Purchase>,
    refunds: HashMap<ReceiptCode, Refunds>,
    items: Items,
}

/// For real money.
#[derive(Clone, Copy)]
struct Purchase {
    player: PlayerId,
    gold: Gold,
    total_cents: Cents,
    end: Option<End>,
}

/// How a purchase ended.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// Where.
    pub position: u64,
    /// Whether it was paid.
    pub is_completed: bool,
}

#[derive(Clone, Copy, Default)]
struct Refunds {
    refunded: Cents,
    /// The number of the last one asked for.
    asked: u16,
    /// The one under way.
    pending: Option<u16>,
    charged_back: Option<u64>,
    late_capture: Option<u64>,
}

impl Purchase {
    /// The gold that belongs to so much of the money.
    fn share(&self, cents: Cents) -> Gold {
        self.gold.share(cents, self.total_cents).unwrap_or(self.gold)
    }
}

impl Purchases {
    /// How a purchase ended, if it has.
    pub(super) fn end(&self, code: ReceiptCode) -> Option<End> {
        self.begun.get(&code)?.end
    }

    /// Looks at an event.
    #[expect(clippy::too_many_lines, reason = "a table: what happened, and what is asked about it")]
    pub(super) fn take(
        &mut self,
        position: u64,
        player: PlayerId,
        event: &AccountEvent,
    ) -> Verdict {
        let of_purchase = |result: Result<(), String>| result.map_err(|it| (Check::Purchase, it));
        let of_refund = |result: Result<(), String>| result.map_err(|it| (Check::Refund, it));
        match event {
            AccountEvent::PurchaseRequested { receipt_code, offer, .. } => {
                of_purchase(self.begin(player, *receipt_code, offer))
            }
            AccountEvent::PurchaseCompleted { receipt_code, movement, .. } => {
                of_purchase(self.complete(position, player, *receipt_code, movement))
            }
            AccountEvent::PurchaseFailed { receipt_code, .. }
            | AccountEvent::PurchaseVoided { receipt_code, .. } => {
                let end = End { position, is_completed: false };
                of_purchase(self.finish(player, *receipt_code, end).map(drop))
            }
            AccountEvent::LateCaptureRefunded { receipt_code, amount_cents, .. } => {
                of_refund(self.late_capture(position, player, *receipt_code, *amount_cents))
            }
            AccountEvent::RefundRequested { receipt_code, number, amount_cents, .. } => {
                of_refund(self.ask(player, *receipt_code, *number, *amount_cents))
            }
            AccountEvent::RefundFailed { receipt_code, number, .. } => {
                of_refund(self.fail_refund(player, *receipt_code, *number))
            }
            AccountEvent::PurchaseRefunded {
                receipt_code,
                amount_cents,
                refunded_cents,
                left_cents,
                movement,
                ..
            } => {
                let money = (*amount_cents, *refunded_cents, *left_cents);
                of_refund(self.refund(player, *receipt_code, money, movement))
            }
            AccountEvent::PurchaseChargedBack { receipt_code, amount_cents, movement, .. } => {
                let money = (position, *amount_cents);
                of_refund(self.charge_back(player, *receipt_code, money, movement))
            }
            AccountEvent::BenefitPurchased { receipt_code, offer, movement, .. } => {
                let is_known = self.begun.contains_key(receipt_code);
                let bought = self.items.buy(player, *receipt_code, offer, movement.gold);
                if is_known { of_purchase(Err(twice(*receipt_code))) } else { bought }
            }
            AccountEvent::ItemUsed { at, item_id } => self.items.use_up(player, *item_id, *at),
            AccountEvent::ItemExpired { at, item_id } => self.items.expire(player, *item_id, *at),
            AccountEvent::ItemRefunded { at, item_id, movement } => {
                self.items.take_back(player, *item_id, *at, movement)
            }
            AccountEvent::EventClaimed { receipt_code, reward, .. }
            | AccountEvent::MissionClaimed { receipt_code, reward, .. }
            | AccountEvent::PlaceRewarded { receipt_code, reward, .. }
            | AccountEvent::RewardGifted { receipt_code, reward, .. } => {
                let is_known = self.begun.contains_key(receipt_code);
                let given = self.items.give(player, *receipt_code, &reward.items);
                if is_known { of_purchase(Err(twice(*receipt_code))) } else { given }
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::StreakClaimed { .. }
            | AccountEvent::VipClaimed { .. }
            | AccountEvent::EventJoined { .. }
            | AccountEvent::GrantTakenBack { .. } => Ok(()),
        }
    }

    fn begin(&mut self, player: PlayerId, code: ReceiptCode, offer: &Offer) -> Result<(), String> {
        let Offer { gold, total_cents, .. } = *offer;
        let before = self.begun.insert(code, Purchase { player, gold, total_cents, end: None });
        if before.is_some() || self.items.knows(code) { Err(twice(code)) } else { Ok(()) }
    }

    fn complete(
        &mut self,
        position: u64,
        player: PlayerId,
        code: ReceiptCode,
        movement: &Movement,
    ) -> Result<(), String> {
        let gold = self.finish(player, code, End { position, is_completed: true })?.gold.amount();
        let credited = movement.gold.plus(movement.debt);
        if credited.total() != gold {
            let credited = credited.total();
            return Err(format!("the purchase {code} was for {gold} gold and credited {credited}"));
        }
        if credited.free > 0 {
            return Err(format!("the purchase {code} credited given gold, not bought gold"));
        }
        Ok(())
    }

    fn finish(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        end: End,
    ) -> Result<Purchase, String> {
        let purchase = self.begun.get_mut(&code).filter(|known| known.player == player);
        let Some(purchase) = purchase else {
            return Err(format!("the purchase {code} ends, but player {player} never began it"));
        };
        if let Some(End { position, .. }) = purchase.end {
            return Err(format!("the purchase {code} had already ended at position {position}"));
        }
        purchase.end = Some(end);
        Ok(*purchase)
    }

    /// A completed purchase, and what was given back of it.
    fn completed(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
    ) -> Result<(Purchase, &mut Refunds), String> {
        let known = self.begun.get(&code).filter(|known| known.player == player);
        match known {
            Some(purchase) if purchase.end.is_some_and(|end| end.is_completed) => {
                Ok((*purchase, self.refunds.entry(code).or_default()))
            }
            Some(_) => {
                Err(format!("the purchase {code} was not completed: nothing can be given back"))
            }
            None => Err(format!("player {player} never made the purchase {code}")),
        }
    }

    fn ask(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        number: u16,
        amount: Cents,
    ) -> Result<(), String> {
        let (purchase, refunds) = self.completed(player, code)?;
        let before = *refunds;
        (refunds.asked, refunds.pending) = (number, Some(number));
        let left = purchase.total_cents.minus(before.refunded);
        if let Some(other) = before.pending {
            return Err(format!(
                "refund {number} of {code} is asked for while {other} is under way"
            ));
        }
        if u32::from(number) != u32::from(before.asked) + 1 {
            return Err(format!("refund {number} of {code} comes after refund {}", before.asked));
        }
        if amount == Cents(0) || amount > left || before.charged_back.is_some() {
            return Err(format!("{} cents of {code} cannot be given back any more", amount.0));
        }
        Ok(())
    }

    fn fail_refund(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        number: u16,
    ) -> Result<(), String> {
        let (_, refunds) = self.completed(player, code)?;
        match refunds.pending.take() {
            Some(pending) if pending == number => Ok(()),
            _ => Err(format!("refund {number} of {code} fails, but it is not under way")),
        }
    }

    fn refund(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        (amount, refunded, left): (Cents, Cents, Cents),
        movement: &Movement,
    ) -> Result<(), String> {
        let (purchase, refunds) = self.completed(player, code)?;
        let before = *refunds;
        refunds.refunded = refunded;
        // While one is under way, only its answer is recorded.
        refunds.pending = None;
        if let Some(position) = before.charged_back {
            return Err(format!("{code} was charged back at position {position}: nothing is left"));
        }
        if amount == Cents(0) || before.refunded.plus(amount) != refunded {
            return Err(format!(
                "{} cents of {code} are given back after {}, and that shall make {}",
                amount.0, before.refunded.0, refunded.0
            ));
        }
        if refunded > purchase.total_cents {
            let total = purchase.total_cents.0;
            return Err(format!("{} cents of the {total} of {code} are given back", refunded.0));
        }
        if left != purchase.total_cents.minus(refunded) {
            return Err(format!("{} cents of {code} are said to be left, which is wrong", left.0));
        }
        let due = purchase.share(refunded).minus(purchase.share(before.refunded));
        goes_with(code, amount, due, movement)
    }

    fn charge_back(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        (position, amount): (u64, Cents),
        movement: &Movement,
    ) -> Result<(), String> {
        let (purchase, refunds) = self.completed(player, code)?;
        let before = *refunds;
        refunds.charged_back = Some(position);
        if let Some(position) = before.charged_back {
            return Err(format!("{code} was charged back at position {position} already"));
        }
        let left = purchase.total_cents.minus(before.refunded);
        if amount != left || left == Cents(0) {
            let (amount, left) = (amount.0, left.0);
            return Err(format!(
                "{amount} cents of {code} are charged back, where {left} were left"
            ));
        }
        let due = purchase.gold.minus(purchase.share(before.refunded));
        goes_with(code, amount, due, movement)
    }

    fn late_capture(
        &mut self,
        position: u64,
        player: PlayerId,
        code: ReceiptCode,
        amount: Cents,
    ) -> Result<(), String> {
        let known = self.begun.get(&code).filter(|known| known.player == player);
        let Some(purchase) = known else {
            return Err(format!("player {player} never made the purchase {code}"));
        };
        let refunds = self.refunds.entry(code).or_default();
        if let Some(before) = refunds.late_capture.replace(position) {
            return Err(format!("the late capture of {code} was given back at {before} already"));
        }
        if purchase.end.is_none_or(|end| end.is_completed) {
            return Err(format!("{code} neither failed nor was voided: its capture is not late"));
        }
        if amount == Cents(0) || amount > purchase.total_cents {
            let total = purchase.total_cents.0;
            return Err(format!("{} cents were taken for {code}, which costs {total}", amount.0));
        }
        Ok(())
    }
}

fn twice(code: ReceiptCode) -> String {
    format!("the receipt {code} is used a second time")
}

/// The gold that goes with money given back: taken or owed, it is what belongs to it.
fn goes_with(
    code: ReceiptCode,
    amount: Cents,
    due: Gold,
    movement: &Movement,
) -> Result<(), String> {
    let moved = movement.gold.plus(movement.debt).total();
    if moved == due.amount() {
        return Ok(());
    }
    let (amount, due) = (amount.0, due.amount());
    Err(format!("{moved} gold go with {amount} cents of {code}, to which {due} gold belong"))
}
