use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::id::{ChargeId, ProductId};
use crate::limit::{Period, Rate};
use crate::money::{Direction, Quantity};
use crate::offer::{BenefitOffer, Offer, Rank};
use crate::product::{Product, ProductEvent};
use crate::testing::{at, given, small_pack};

mod closing;
mod daily;
mod pace;
mod participation;

fn gold(amount: u64) -> Gold {
    Gold::new(amount).unwrap()
}

fn code(n: u64) -> ReceiptCode {
    ReceiptCode::from_bits(n)
}

fn wallet(paid: u64, free: u64) -> Wallet {
    Wallet { paid, free, ..Wallet::default() }
}

fn moved(gold: GoldParts, balance: Wallet) -> Movement {
    Movement { gold, debt: GoldParts::default(), balance }
}

fn opened() -> Vec<AccountEvent> {
    Account::open(at(0), gold(1_000)).unwrap()
}

fn offer() -> Offer {
    let defined = ProductEvent::ProductDefined { at: at(0), terms: small_pack() };
    let product = given::<Product>(&[defined]).state();
    product.offer(ProductId(1001), Quantity::ONE, at(1)).unwrap()
}

fn request(n: u64) -> AccountCommand {
    AccountCommand::RequestPurchase {
        at: at(1),
        receipt_code: code(n),
        charge_id: ChargeId::from_bits(n.into()),
        payment_method: None,
        card: None,
        offer: offer(),
        rank: Rank::Standard,
        rules: PurchaseRules::default(),
    }
}

fn requested(n: u64) -> AccountEvent {
    given::<Account>(&opened()).state().decide(&request(n)).unwrap().remove(0)
}

fn with(more: &[AccountEvent]) -> Vec<AccountEvent> {
    [&opened()[..], more].concat()
}

#[test]
fn signing_up_pays_a_thousand_gold_once() {
    let open = AccountCommand::Open { at: at(0), bonus: gold(1_000) };
    given::<Account>(&[]).when(&open).then(&[
        AccountEvent::AccountOpened { at: at(0) },
        AccountEvent::SignUpBonusGranted {
            at: at(0),
            movement: moved(GoldParts { paid: 0, free: 1_000 }, wallet(0, 1_000)),
        },
    ]);
    given::<Account>(&opened()).when(&open).then(&[]);
}

#[test]
fn nothing_can_be_asked_of_an_account_that_nobody_opened() {
    let grant = AccountCommand::GrantGold { at: at(1), receipt_code: code(1), gold: gold(5) };
    given::<Account>(&[]).when(&grant).then_refused(&AccountRefusal::NoSuchAccount);
}

#[test]
fn a_grant_carries_the_balance_after_it() {
    let grant = AccountCommand::GrantGold { at: at(1), receipt_code: code(1), gold: gold(5) };
    let movement = moved(GoldParts { paid: 0, free: 5 }, wallet(0, 1_005));
    let granted = AccountEvent::GoldGranted { at: at(1), receipt_code: code(1), movement };
    given::<Account>(&opened()).when(&grant).then(&[granted]);
}

#[test]
fn a_balance_never_goes_below_zero() {
    let spend = |amount| AccountCommand::Spend {
        at: at(1),
        reference: "test".into(),
        gold: gold(amount),
        order: SpendOrder::FreeFirst,
    };
    let refusal = AccountRefusal::InsufficientGold { has: 1_000, needs: 1_001 };
    given::<Account>(&opened()).when(&spend(1_001)).then_refused(&refusal);
    given::<Account>(&opened()).when(&spend(0)).then_refused(&AccountRefusal::NothingToMove);
}

#[test]
fn free_gold_is_spent_before_paid_gold() {
    let movement = moved(GoldParts { paid: 100, free: 0 }, wallet(100, 1_000));
    let bought = AccountEvent::PurchaseCompleted { at: at(2), receipt_code: code(1), movement };
    let spend = AccountCommand::Spend {
        at: at(3),
        reference: "t".into(),
        gold: gold(1_050),
        order: SpendOrder::FreeFirst,
    };
    given::<Account>(&with(&[requested(1), bought])).when(&spend).then(&[
        AccountEvent::GoldSpent {
            at: at(3),
            reference: "t".into(),
            movement: moved(GoldParts { paid: 50, free: 1_000 }, wallet(50, 0)),
        },
    ]);
}

#[test]
fn a_purchase_is_credited_by_its_completion_and_only_once() {
    let complete = AccountCommand::CompletePurchase { at: at(2), receipt_code: code(1) };
    let movement = moved(GoldParts { paid: 100, free: 0 }, wallet(100, 1_000));
    let completed = AccountEvent::PurchaseCompleted { at: at(2), receipt_code: code(1), movement };
    let history = with(&[requested(1)]);
    given::<Account>(&history).when(&complete).then(std::slice::from_ref(&completed));
    let ended = with(&[requested(1), completed]);
    given::<Account>(&ended).when(&complete).then_refused(&AccountRefusal::PurchaseNotOpen);
}

#[test]
fn a_purchase_has_one_end() {
    let failed = AccountEvent::PurchaseFailed {
        at: at(2),
        receipt_code: code(1),
        reason: FailureReason::PaymentDeclined,
    };
    for command in [
        AccountCommand::CompletePurchase { at: at(3), receipt_code: code(1) },
        AccountCommand::VoidPurchase {
            at: at(3),
            receipt_code: code(1),
            reason: VoidReason::Abandoned,
        },
    ] {
        given::<Account>(&with(&[requested(1), failed.clone()]))
            .when(&command)
            .then_refused(&AccountRefusal::PurchaseNotOpen);
    }
}

#[test]
fn a_product_for_vips_is_not_sold_to_others() {
    let AccountCommand::RequestPurchase { at, receipt_code, charge_id, offer, .. } = request(1)
    else {
        unreachable!()
    };
    let request = |rank| AccountCommand::RequestPurchase {
        at,
        receipt_code,
        charge_id,
        payment_method: None,
        card: None,
        offer: Offer { min_rank: Rank::Vip, ..offer.clone() },
        rank,
        rules: PurchaseRules::default(),
    };
    let refusal = AccountRefusal::RankRequired { needs: Rank::Vip };
    given::<Account>(&opened()).when(&request(Rank::Standard)).then_refused(&refusal);
    assert!(given::<Account>(&opened()).state().decide(&request(Rank::Vip)).is_ok());
}

#[test]
fn gold_on_its_way_is_counted_before_the_provider_is_asked() {
    let room = MAX_GOLD - 1_000 - 100;
    let grant =
        |amount| AccountCommand::GrantGold { at: at(2), receipt_code: code(9), gold: gold(amount) };
    let state = given::<Account>(&with(&[requested(1)])).state();
    assert_eq!(state.decide(&grant(room + 1)), Err(AccountRefusal::BalanceTooLarge));
    assert!(state.decide(&grant(room)).is_ok());
}

proptest! {
    /// Whatever is asked, each movement's carried balance follows from the one before it.
    #[test]
    fn carried_balances_follow_from_each_other(asks in prop::collection::vec((0..5u8, 0..3_000u64), 1..60)) {
        let mut state = Account::default();
        let mut sum = 0i128;
        let opening = AccountCommand::Open { at: at(0), bonus: gold(1_000) };
        let commands = asks.iter().zip(0u64..).map(|((what, amount), n)| match what {
            0 => AccountCommand::GrantGold { at: at(1), receipt_code: code(n), gold: gold(*amount) },
            1 => AccountCommand::Spend { at: at(1), reference: "t".into(), gold: gold(*amount), order: SpendOrder::FreeFirst },
            2 => request(n),
            3 => AccountCommand::CompletePurchase { at: at(1), receipt_code: code(n.saturating_sub(1)) },
            _ => AccountCommand::VoidPurchase { at: at(1), receipt_code: code(n.saturating_sub(1)), reason: VoidReason::Abandoned },
        });
        for command in std::iter::once(opening).chain(commands) {
            for event in state.decide(&command).unwrap_or_default() {
                if let Some(entry) = event.ledger_entry() {
                    let moved = i128::from(entry.movement.gold.total());
                    sum += if entry.direction == Direction::Credit { moved } else { -moved };
                    prop_assert_eq!(sum, i128::from(entry.movement.balance.gold()));
                }
                state.evolve(&event);
            }
        }
        prop_assert_eq!(sum, i128::from(state.wallet().gold()));
    }
}

fn decide(history: &mut Vec<AccountEvent>, command: &AccountCommand) -> Vec<AccountEvent> {
    let events = given::<Account>(history).state().decide(command).unwrap();
    history.extend(events.clone());
    events
}

fn sale(n: u64) -> Sale {
    Sale { receipt_code: code(n), total_cents: Cents(299), gold: gold(100), completed_at: at(2) }
}

/// Opened, and 100 gold bought for 2.99 under receipt 1.
fn bought() -> Vec<AccountEvent> {
    let mut history = with(&[requested(1)]);
    decide(&mut history, &AccountCommand::CompletePurchase { at: at(2), receipt_code: code(1) });
    history
}

fn spend(amount: u64) -> AccountCommand {
    let order = SpendOrder::FreeFirst;
    AccountCommand::Spend { at: at(3), reference: "t".into(), gold: gold(amount), order }
}

/// The provider's own word.
fn record(cents: u64) -> AccountCommand {
    let (number, refunded_cents) = (None, Cents(cents));
    AccountCommand::RecordRefund { at: at(5), sale: sale(1), number, refunded_cents }
}

/// The bank takes what the provider has not given back.
fn charge_back(cents: u64) -> AccountCommand {
    AccountCommand::RecordChargeback { at: at(6), sale: sale(1), refunded_cents: Cents(cents) }
}

/// The provider's answer to a refund.
fn answer(number: u16, cents: u64) -> AccountCommand {
    let (number, refunded_cents) = (Some(number), Cents(cents));
    AccountCommand::RecordRefund { at: at(5), sale: sale(1), number, refunded_cents }
}

fn balance(history: &[AccountEvent]) -> Wallet {
    given::<Account>(history).state().wallet()
}

#[test]
fn a_refund_takes_the_bought_gold_back_once_however_often_the_provider_says_so() {
    let mut history = bought();
    let request = AccountCommand::RequestRefund {
        at: at(4),
        sale: sale(1),
        amount_cents: None,
        take_back_items: false,
    };
    decide(&mut history, &request);
    given::<Account>(&history).when(&request).then_refused(&AccountRefusal::RefundUnderWay);
    assert_eq!(decide(&mut history, &answer(1, 299)).len(), 1);
    assert_eq!(decide(&mut history, &answer(1, 299)), []);
    assert_eq!(decide(&mut history, &record(299)), []);
    assert_eq!(balance(&history), wallet(0, 1_000));
    given::<Account>(&history).when(&request).then_refused(&AccountRefusal::NothingToRefund);
}

#[test]
fn a_refund_after_spending_leaves_a_debt_that_locks_spending_until_earnings_repay_it() {
    let mut history = bought();
    decide(&mut history, &spend(1_070));
    decide(&mut history, &record(299));
    assert_eq!(balance(&history), Wallet { debt: 70, ..Wallet::default() });
    let lock = SpendLock::Debt(70);
    for command in [spend(1), request(2)] {
        let refusal = AccountRefusal::SpendLocked { lock };
        given::<Account>(&history).when(&command).then_refused(&refusal);
    }
    let grant = AccountCommand::GrantGold { at: at(6), receipt_code: code(9), gold: gold(100) };
    decide(&mut history, &grant);
    assert_eq!(balance(&history), wallet(0, 30));
    assert_eq!(decide(&mut history, &spend(30)).len(), 1);
}

#[test]
fn parts_of_a_refund_take_parts_of_the_gold_and_together_all_of_it() {
    let mut history = bought();
    for (cents, paid) in [(100, 67), (200, 34), (299, 0)] {
        decide(&mut history, &record(cents));
        assert_eq!(balance(&history), wallet(paid, 1_000), "{cents}");
    }
    let request = |cents| AccountCommand::RequestRefund {
        at: at(4),
        sale: sale(1),
        amount_cents: Some(Cents(cents)),
        take_back_items: false,
    };
    let refusal = AccountRefusal::RefundTooLarge { left_cents: 299 };
    given::<Account>(&bought()).when(&request(300)).then_refused(&refusal);
    given::<Account>(&bought()).when(&request(0)).then_refused(&AccountRefusal::NothingToMove);
}

#[test]
fn a_chargeback_takes_what_refunds_have_left_and_happens_once() {
    let mut history = bought();
    decide(&mut history, &record(100));
    let back = charge_back(0);
    let events = decide(&mut history, &back);
    let [AccountEvent::PurchaseChargedBack { amount_cents, movement, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((amount_cents.0, movement.gold.paid), (199, 67));
    assert_eq!(decide(&mut history, &back), []);
    assert_eq!(decide(&mut history, &record(299)), []);
}

#[test]
fn a_chargeback_leaves_to_the_provider_what_the_provider_gave_back() {
    let mut history = bought();
    let events = decide(&mut history, &charge_back(100));
    assert!(matches!(
        events[..],
        [
            AccountEvent::PurchaseRefunded { amount_cents: Cents(100), .. },
            AccountEvent::PurchaseChargedBack { amount_cents: Cents(199), .. }
        ]
    ));
    assert_eq!(balance(&history), wallet(0, 1_000));
    assert_eq!(decide(&mut history, &charge_back(100)), []);
    let all = [decide(&mut bought(), &charge_back(299))].concat();
    assert!(matches!(all[..], [AccountEvent::PurchaseRefunded { .. }]));
}

#[test]
fn a_refund_that_the_provider_refuses_can_be_asked_for_again() {
    let mut history = bought();
    let request = |take_back_items| AccountCommand::RequestRefund {
        at: at(4),
        sale: sale(1),
        amount_cents: None,
        take_back_items,
    };
    decide(&mut history, &request(false));
    let fail = AccountCommand::FailRefund { at: at(5), receipt_code: code(1), number: 1 };
    assert_eq!(decide(&mut history, &fail).len(), 1);
    assert_eq!(decide(&mut history, &fail), []);
    assert_eq!(balance(&history), wallet(100, 1_000));
    let again = decide(&mut history, &request(false));
    assert!(matches!(again[..], [AccountEvent::RefundRequested { number: 2, .. }]));
}

#[test]
fn what_the_provider_gives_back_by_itself_is_no_answer_to_a_refund_under_way() {
    let mut history = bought();
    let request = AccountCommand::RequestRefund {
        at: at(4),
        sale: sale(1),
        amount_cents: Some(Cents(100)),
        take_back_items: false,
    };
    decide(&mut history, &request);
    let back = charge_back(0);
    for other in [record(150), answer(7, 150), back.clone()] {
        given::<Account>(&history).when(&other).then(&[]);
    }
    // It is asked for the same amount under the same number, whatever has happened meanwhile.
    let under_way = given::<Account>(&history).state().refund_under_way(code(1));
    assert_eq!(under_way, Some((1, Cents(100))));
    assert_eq!(decide(&mut history, &answer(1, 250)).len(), 1);
    assert_eq!(given::<Account>(&history).state().refunded(&sale(1)), Cents(250));
    assert_eq!(decide(&mut history, &back).len(), 1);
}

#[test]
fn a_refund_that_changes_nothing_has_failed() {
    let mut history = bought();
    decide(&mut history, &record(100));
    let request = AccountCommand::RequestRefund {
        at: at(4),
        sale: sale(1),
        amount_cents: Some(Cents(100)),
        take_back_items: false,
    };
    decide(&mut history, &request);
    let failed = AccountEvent::RefundFailed { at: at(5), receipt_code: code(1), number: 1 };
    given::<Account>(&history).when(&answer(1, 100)).then(&[failed]);
}

#[test]
fn money_that_came_too_late_is_recorded_once_and_moves_no_gold() {
    let mut history = with(&[requested(1)]);
    let void = AccountCommand::VoidPurchase {
        at: at(2),
        receipt_code: code(1),
        reason: VoidReason::TimedOut,
    };
    decide(&mut history, &void);
    let late = AccountCommand::RecordLateCapture {
        at: at(3),
        receipt_code: code(1),
        amount_cents: Cents(299),
    };
    assert_eq!(decide(&mut history, &late).len(), 1);
    assert_eq!(decide(&mut history, &late), []);
    assert_eq!(balance(&history), wallet(0, 1_000));
}

fn benefit(price: u64, quantity: u8, user_limit: Option<UseLimit>) -> BenefitOffer {
    BenefitOffer {
        product_id: ProductId(2001),
        product_version: 1,
        sku: "benefit".into(),
        quantity: Quantity::new(quantity).unwrap(),
        price: gold(price),
        min_rank: Rank::Standard,
        user_limit,
        expires_at: Some(at(100)),
    }
}

fn buy_benefit(n: u64, offer: BenefitOffer) -> AccountCommand {
    let (rank, order) = (Rank::Standard, SpendOrder::FreeFirst);
    AccountCommand::BuyBenefit { at: at(4), receipt_code: code(n), offer, rank, order }
}

fn item(n: u64, number: u8) -> ItemId {
    ItemId { receipt_code: code(n), number }
}

#[test]
fn an_item_is_used_once_and_not_after_its_time() {
    let mut history = opened();
    decide(&mut history, &buy_benefit(5, benefit(10, 2, None)));
    let take =
        |second, number| AccountCommand::UseItem { at: at(second), item_id: item(5, number) };
    assert_eq!(decide(&mut history, &take(5, 1)).len(), 1);
    given::<Account>(&history).when(&take(6, 1)).then_refused(&AccountRefusal::NoSuchItem);
    let refusal = AccountRefusal::ItemTooLate { at: at(100) };
    given::<Account>(&history).when(&take(100, 2)).then_refused(&refusal);
    let expire = |second| AccountCommand::ExpireItem { at: at(second), item_id: item(5, 2) };
    given::<Account>(&history).when(&expire(99)).then(&[]);
    let expired = AccountEvent::ItemExpired { at: at(100), item_id: item(5, 2) };
    given::<Account>(&history).when(&expire(100)).then(&[expired]);
}

#[test]
fn items_are_returned_for_exactly_the_kinds_of_gold_that_paid_for_them() {
    let mut history = bought();
    decide(&mut history, &buy_benefit(5, benefit(1_050, 3, None)));
    assert_eq!(balance(&history), wallet(50, 0));
    let refund = AccountCommand::RefundItems { at: at(5), receipt_code: code(5) };
    assert_eq!(decide(&mut history, &refund).len(), 3);
    assert_eq!(balance(&history), wallet(100, 1_000));
    given::<Account>(&history).when(&refund).then_refused(&AccountRefusal::NothingToRefund);
}

#[test]
fn a_cheap_benefit_is_taken_back_whatever_kinds_of_gold_have_paid_for_it() {
    let mut history = bought();
    decide(&mut history, &spend(998));
    decide(&mut history, &buy_benefit(5, benefit(3, 3, None)));
    let refund = AccountCommand::RefundItems { at: at(5), receipt_code: code(5) };
    assert_eq!(decide(&mut history, &refund).len(), 3);
    assert_eq!(balance(&history), wallet(100, 2));
}

#[test]
fn unused_items_bought_with_the_gold_of_a_purchase_are_taken_back_for_what_is_owed() {
    let mut history = bought();
    decide(&mut history, &buy_benefit(5, benefit(1_060, 1, None)));
    let request = AccountCommand::RequestRefund {
        at: at(4),
        sale: sale(1),
        amount_cents: None,
        take_back_items: true,
    };
    decide(&mut history, &request);
    let events = decide(&mut history, &answer(1, 299));
    assert!(matches!(
        events[..],
        [AccountEvent::PurchaseRefunded { .. }, AccountEvent::ItemRefunded { .. }]
    ));
    // 40 bought coins were left; the item gave 60 bought and 1,000 given ones, less the debt of 60.
    assert_eq!(balance(&history), wallet(0, 1_000));
}

#[test]
fn a_limit_counts_in_its_period_and_what_was_not_paid_does_not_count() {
    let once_a_week = UseLimit { count: 1, per: Period::Week };
    let limit = Some(once_a_week);
    let mut history = opened();
    decide(&mut history, &buy_benefit(5, benefit(10, 1, limit)));
    let again = buy_benefit(6, benefit(10, 1, limit));
    let refused = given::<Account>(&history).state().decide(&again).unwrap_err();
    let AccountRefusal::UserLimitReached { had: 1, until: Some(until), .. } = refused else {
        panic!("{refused:?}")
    };
    let AccountCommand::BuyBenefit { receipt_code, offer, rank, order, .. } = again else {
        unreachable!()
    };
    let later = AccountCommand::BuyBenefit { at: until, receipt_code, offer, rank, order };
    assert!(given::<Account>(&history).state().decide(&later).is_ok());

    let AccountEvent::PurchaseRequested { at: when, receipt_code, charge_id, offer, .. } =
        requested(7)
    else {
        unreachable!()
    };
    let limited = |receipt_code| AccountEvent::PurchaseRequested {
        at: when,
        receipt_code,
        charge_id,
        payment_method: None,
        card: None,
        offer: Offer { user_limit: limit, ..offer.clone() },
    };
    let mut history = with(&[limited(receipt_code)]);
    let had = |history: &[AccountEvent]| {
        given::<Account>(history).state().uses_of(offer.ware, once_a_week, when)
    };
    assert_eq!(had(&history), 1);
    let reason = FailureReason::PaymentDeclined;
    decide(&mut history, &AccountCommand::FailPurchase { at: at(3), receipt_code, reason });
    assert_eq!(had(&history), 0);
}

#[test]
fn a_pause_locks_every_way_to_spend() {
    let mut history = opened();
    decide(&mut history, &AccountCommand::CoolOff { at: at(1), until: at(50) });
    for command in [spend(1), request(2), buy_benefit(5, benefit(10, 1, None))] {
        let refusal = AccountRefusal::SpendLocked { lock: SpendLock::CoolingOff(at(50)) };
        given::<Account>(&history).when(&command).then_refused(&refusal);
    }
}

#[test]
fn what_is_left_of_a_grant_is_taken_back_of_given_gold_and_no_debt_comes_of_the_rest() {
    let take = |amount| AccountCommand::TakeBackGrant {
        at: at(9),
        receipt_code: code(1),
        gold: gold(amount),
    };
    let taken = |free, balance| AccountEvent::GrantTakenBack {
        at: at(9),
        receipt_code: code(1),
        movement: moved(GoldParts { paid: 0, free }, balance),
    };
    given::<Account>(&opened()).when(&take(400)).then(&[taken(400, wallet(0, 600))]);
    given::<Account>(&opened()).when(&take(1_500)).then(&[taken(1_000, wallet(0, 0))]);
    let spent = AccountEvent::GoldSpent {
        at: at(1),
        reference: "game".into(),
        movement: moved(GoldParts { paid: 0, free: 1_000 }, wallet(50, 0)),
    };
    let history = [&opened()[..], &[spent]].concat();
    given::<Account>(&history).when(&take(100)).then(&[]);
    given::<Account>(&[]).when(&take(1)).then_refused(&AccountRefusal::NoSuchAccount);
}
