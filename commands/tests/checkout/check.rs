//! What must be true in the end, whatever has happened.

use std::collections::BTreeMap;

use commands::payments::ChargeState;
use commands::shop::{Purchase, PurchaseOutcome, RefundOutcome, Settled};
use domain::account::AccountEvent;
use domain::id::ReceiptCode;
use domain::money::Cents;

use crate::bank::Entry;
use crate::club::Club;
use crate::ledger::{Deal, Ledger, Stock};
use crate::players::{Ask, Told, What};

/// See the module.
pub fn all(club: &Club) {
    let ledger = Ledger::read(&club.outside.database);
    assert_eq!(ledger.sum(), 0, "the books do not balance");
    assert_eq!(club.outside.bank.complaints(), Vec::<String>::new());
    let entries: BTreeMap<ReceiptCode, Entry> = club
        .outside
        .bank
        .entries()
        .into_iter()
        .map(|entry| (entry.charge.receipt_code, entry))
        .collect();
    for receipt in entries.keys() {
        assert!(ledger.deals.contains_key(receipt), "{receipt} is unknown to the log");
    }
    for (receipt, deal) in &ledger.deals {
        let entry = entries.get(receipt).unwrap_or_else(|| panic!("{receipt} has no charge"));
        agree(*receipt, deal, entry);
        ended_after_the_bank_had_said_so(*receipt, deal, entry);
        refunds_agree(*receipt, deal, entry);
    }
    for account in ledger.accounts.values() {
        assert_eq!(account.open_purchases().next(), None);
    }
    stock_follows(&ledger, &entries);
    equal_requests_got_equal_answers(club, &ledger);
}

/// What the bank took is paid for, what it gave back is taken back, and nothing else.
fn agree(receipt: ReceiptCode, deal: &Deal, entry: &Entry) {
    assert_eq!(entry.charge.charge_id, deal.charge_id);
    assert_eq!(entry.charge.amount, deal.offer.total_cents);
    let end = &deal.end.as_ref().unwrap_or_else(|| panic!("{receipt} has not ended")).0;
    match (entry.state, end) {
        (
            ChargeState::Captured { refunded, charged_back },
            AccountEvent::PurchaseCompleted { .. },
        ) => {
            let left = refunded < entry.charge.amount;
            assert_eq!(deal.refunded, refunded, "{receipt}: given back");
            assert_eq!(deal.charged_back, charged_back && left, "{receipt}: charged back");
        }
        (ChargeState::Captured { refunded, charged_back }, _) => {
            let is_kept = refunded < entry.charge.amount && !charged_back;
            assert!(!is_kept || !entry.gives_back, "{receipt}: money for nothing is kept");
            assert_eq!(deal.late, u32::from(!is_kept), "{receipt}: late money");
        }
        (ChargeState::Declined(said), AccountEvent::PurchaseFailed { reason, .. }) => {
            assert_eq!(said, *reason);
        }
        (ChargeState::Voided, AccountEvent::PurchaseVoided { .. }) => {}
        (state, end) => panic!("{receipt}: the bank says {state:?}, the log {end:?}"),
    }
    if !matches!(entry.state, ChargeState::Captured { .. }) {
        assert_eq!(deal.late, 0, "{receipt}");
    }
}

/// Nothing is written before the bank has decided it.
fn ended_after_the_bank_had_said_so(receipt: ReceiptCode, deal: &Deal, entry: &Entry) {
    let Some((_, position)) = deal.end else { return };
    let said = if deal.is_completed() { entry.taken_at } else { entry.closed_at };
    assert!(said.is_some_and(|said| said < position), "{receipt} ended before the bank said so");
}

/// Each refund that was asked for was done or refused by the bank, as the log says.
fn refunds_agree(receipt: ReceiptCode, deal: &Deal, entry: &Entry) {
    for refund in &deal.refunds {
        let id = format!("{receipt}-{}", refund.number);
        let done = refund.done.unwrap_or_else(|| panic!("refund {id} has not ended"));
        assert_eq!(entry.refunds.get(&id), Some(&(refund.cents, done)), "refund {id}");
    }
    let of_late_money = entry.refunds.keys().filter(|id| id.contains("-late-")).count();
    assert_eq!(entry.refunds.len(), deal.refunds.len() + of_late_money, "{:?}", entry.refunds);
    assert!(of_late_money == 0 || !deal.is_completed(), "{receipt}: {:?}", entry.refunds);
}

/// Stock and promotions: nothing is held, and what is gone belongs to completed purchases.
fn stock_follows(ledger: &Ledger, entries: &BTreeMap<ReceiptCode, Entry>) {
    let sold = |is_of: &dyn Fn(&Deal) -> Option<u32>| -> BTreeMap<ReceiptCode, u32> {
        let completed = ledger.deals.iter().filter(|(_, deal)| deal.is_completed());
        completed.filter_map(|(receipt, deal)| Some((*receipt, is_of(deal)?))).collect()
    };
    let check = |stock: &Stock, sold| {
        assert!(stock.held.is_empty(), "something is still held");
        assert_eq!(stock.gone, sold);
        for (receipt, position) in &stock.returned {
            let closed = entries[receipt].closed_at;
            assert!(closed.is_some_and(|closed| closed < *position), "{receipt} is back too soon");
        }
    };
    for (code, stock) in &ledger.packages {
        check(
            stock,
            sold(&|deal| {
                let is_held = deal.offer.holds_stock
                    && deal.offer.ware == domain::offer::Ware::Package(*code);
                is_held.then(|| u8::from(deal.offer.quantity).into())
            }),
        );
    }
    for (code, uses) in &ledger.promos {
        let is_used = |deal: &Deal| {
            deal.offer.promo.filter(|promo| promo.code == *code && promo.holds_use).map(|_| 1)
        };
        check(uses, sold(&is_used));
    }
}

/// Nothing was done twice; whoever asked the same was told the same, and the truth.
fn equal_requests_got_equal_answers(club: &Club, ledger: &Ledger) {
    let mut by_name: BTreeMap<&str, Vec<(&Ask, &Told)>> = BTreeMap::new();
    for (ask, told) in &club.told {
        by_name.entry(&ask.name).or_default().push((ask, told));
    }
    for (name, answers) in by_name {
        let begun = ledger.begun.get(name).map(Vec::as_slice).unwrap_or_default();
        assert!(begun.len() <= 1, "{name} was done at {begun:?}");
        let ended: Vec<&Told> =
            answers.iter().map(|(_, told)| *told).filter(|told| is_final(told)).collect();
        let (ask, _) = answers[0];
        assert!(ended.windows(2).all(|pair| pair[0] == pair[1]), "{ask:?}: {answers:?}");
        answers.iter().for_each(|(ask, told)| check_truth(ask, told, ledger));
        for (_, told) in &answers {
            // A key is free again after a refusal: only later may a repeat go through.
            if let (Told::Refused(_, refused), [done]) = (told, begun) {
                assert!(refused < done, "{ask:?} was done at {done}: {told:?}");
            }
        }
        let nothing = answers.iter().all(|(_, told)| matches!(told, Told::Busy));
        let heard_all = club.sent[name] == answers.len();
        assert!(!nothing || !heard_all || begun.is_empty(), "{ask:?} was too much and is done");
        let is_done = answers
            .iter()
            .any(|(_, told)| !matches!(told, Told::Refused(..) | Told::Busy | Told::Uncertain));
        if is_done && begins(&ask.what) {
            assert_eq!(begun.len(), 1, "{ask:?} was not done: {answers:?}");
        }
    }
}

fn begins(what: &What) -> bool {
    match what {
        What::Buy(_) | What::Benefit(_) | What::Refund(_) => true,
        What::UseItem(_) | What::Spend(_) | What::Grant(_) => true,
        What::ReturnItems(_) | What::LimitSpending(_) | What::Settle(_) | What::Force(..) => false,
    }
}

/// Whether an answer cannot become another one.
fn is_final(told: &Told) -> bool {
    match told {
        Told::Purchase(purchase) => purchase.outcome != PurchaseOutcome::Pending,
        Told::Refund(refund) => refund.outcome != RefundOutcome::Pending,
        Told::Benefit(_) | Told::Done(_) => true,
        Told::Settled(..) | Told::Refused(..) | Told::Busy | Told::Uncertain => false,
    }
}

fn check_truth(ask: &Ask, told: &Told, ledger: &Ledger) {
    match told {
        Told::Purchase(purchase) => check_end(purchase, ledger),
        Told::Settled(Settled { purchase, refunded, wallet }, position) => {
            check_end(purchase, ledger);
            assert_eq!(*wallet, ledger.wallet_at(ask.player, *position), "{ask:?} at {position}");
            assert!(*refunded <= purchase.offer.total_cents);
        }
        Told::Refund(refund) => assert!(refund.amount_cents > Cents(0)),
        Told::Benefit(bought) => {
            let (_, _, offer) = &ledger.benefits[&bought.receipt_code];
            assert_eq!(bought.gold_spent, offer.price.amount());
        }
        Told::Done(_) | Told::Refused(..) | Told::Busy | Told::Uncertain => {}
    }
}

/// What was told of a purchase's end is what is written.
fn check_end(purchase: &Purchase, ledger: &Ledger) {
    let Purchase { receipt_code, charge_id, offer, outcome } = purchase;
    let deal = &ledger.deals[receipt_code];
    assert_eq!((*charge_id, offer), (deal.charge_id, &deal.offer));
    let is_true = match (outcome, &deal.end.as_ref().unwrap().0) {
        (
            PurchaseOutcome::Completed { at, gold, wallet },
            AccountEvent::PurchaseCompleted { at: when, movement, .. },
        ) => *gold == offer.gold.amount() && *wallet == movement.balance && at == when,
        (PurchaseOutcome::Failed(said), AccountEvent::PurchaseFailed { reason, .. }) => {
            said == reason
        }
        (PurchaseOutcome::Voided(said), AccountEvent::PurchaseVoided { reason, .. }) => {
            said == reason
        }
        (PurchaseOutcome::Pending, _) => true,
        _ => false,
    };
    assert!(is_true, "{receipt_code}: told {outcome:?}, written {:?}", deal.end);
}
