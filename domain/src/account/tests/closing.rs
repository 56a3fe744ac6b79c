use super::*;

fn close() -> AccountCommand {
    AccountCommand::Close { at: at(9) }
}

fn closed() -> AccountEvent {
    let gold = GoldParts { paid: 0, free: 1_000 };
    AccountEvent::AccountClosed { at: at(9), movement: moved(gold, wallet(0, 0)) }
}

#[test]
fn all_that_is_left_leaves_the_game_and_closing_is_done_once() {
    given::<Account>(&opened()).when(&close()).then(&[closed()]);
    given::<Account>(&with(&[closed()])).when(&close()).then(&[]);
    given::<Account>(&[]).when(&close()).then_refused(&AccountRefusal::NoSuchAccount);
    let state = given::<Account>(&with(&[closed()])).state();
    assert!(!state.is_open());
    assert_eq!(state.wallet(), wallet(0, 0));
}

#[test]
fn nobody_is_gone_who_owes_gold_or_waits_for_the_provider() {
    given::<Account>(&with(&[requested(1)]))
        .when(&close())
        .then_refused(&AccountRefusal::MoneyUnderWay);
    let receipt_code = code(1);
    let asked = AccountEvent::RefundRequested {
        at: at(2),
        receipt_code,
        number: 1,
        amount_cents: Cents(1),
        take_back_items: false,
    };
    given::<Account>(&with(std::slice::from_ref(&asked)))
        .when(&close())
        .then_refused(&AccountRefusal::MoneyUnderWay);
    let failed = AccountEvent::RefundFailed { at: at(3), receipt_code, number: 1 };
    given::<Account>(&with(&[asked, failed])).when(&close()).then(&[closed()]);
    let taken = wallet(0, 1_000).take_back(gold(1_001)).unwrap();
    let amount_cents = Cents(299);
    let back = AccountEvent::PurchaseChargedBack {
        at: at(4),
        receipt_code,
        amount_cents,
        movement: taken,
    };
    given::<Account>(&with(&[back]))
        .when(&close())
        .then_refused(&AccountRefusal::InDebt { debt: 1 });
}

#[test]
fn a_closed_account_takes_nothing_but_what_the_world_outside_tells() {
    let history = with(&[closed()]);
    let open = AccountCommand::Open { at: at(10), bonus: gold(1_000) };
    given::<Account>(&history).when(&open).then(&[]);
    for ask in [
        AccountCommand::GrantGold { at: at(10), receipt_code: code(2), gold: gold(1) },
        AccountCommand::ClaimVip { at: at(10) },
        AccountCommand::ClaimStreak { at: at(10), grace_days: 0 },
        AccountCommand::SetSpendLimit { at: at(10), monthly_cents: None },
        request(3),
    ] {
        given::<Account>(&history).when(&ask).then_refused(&AccountRefusal::NoSuchAccount);
    }
    let sale = Sale {
        receipt_code: code(1),
        total_cents: Cents(299),
        gold: gold(100),
        completed_at: at(2),
    };
    let bank = AccountCommand::RecordChargeback { at: at(10), sale, refunded_cents: Cents(0) };
    let told = given::<Account>(&history).state().decide(&bank).unwrap();
    let [AccountEvent::PurchaseChargedBack { movement, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((movement.gold.total(), movement.balance.debt), (0, 100));
}
