//! The streak and vip points, as stories.

use std::slice;

use super::*;

fn claim_streak(second: i64) -> AccountCommand {
    AccountCommand::ClaimStreak { at: at(second), grace_days: 0 }
}

fn streak_of(account: &Account, second: i64) -> Vec<AccountEvent> {
    account.decide(&claim_streak(second)).unwrap()
}

const DAY: i64 = 86_400;

#[test]
fn a_streak_is_claimed_once_a_day_and_pays_more_the_next() {
    let free = |free| GoldParts { paid: 0, free };
    let first = AccountEvent::StreakClaimed {
        at: at(1),
        day: at(1).date_naive(),
        streak_count: 1,
        grace_days: 0,
        xp: 50,
        xp_after: 50,
        movement: moved(free(1_000), wallet(0, 2_000)),
    };
    given::<Account>(&opened()).when(&claim_streak(1)).then(slice::from_ref(&first));
    given::<Account>(&with(slice::from_ref(&first))).when(&claim_streak(2)).then(&[]);
    let second = AccountEvent::StreakClaimed {
        at: at(DAY),
        day: at(DAY).date_naive(),
        streak_count: 2,
        grace_days: 0,
        xp: 75,
        xp_after: 125,
        movement: moved(free(1_200), wallet(0, 3_200)),
    };
    given::<Account>(&with(slice::from_ref(&first)))
        .when(&claim_streak(DAY))
        .then(slice::from_ref(&second));
    let account = given::<Account>(&with(&[first, second])).state();
    assert_eq!(account.daily().xp(), 125);
    assert!(matches!(
        streak_of(&account, 3 * DAY)[..],
        [AccountEvent::StreakClaimed { streak_count: 1, xp: 50, .. }]
    ));
    let grace = AccountCommand::ClaimStreak { at: at(3 * DAY), grace_days: 1 };
    assert!(matches!(
        account.decide(&grace).unwrap()[..],
        [AccountEvent::StreakClaimed { streak_count: 3, grace_days: 1, xp: 100, .. }]
    ));
    // A node whose clock is behind cannot claim a day that has gone by.
    assert_eq!(streak_of(&account, 1), []);
}

#[test]
fn a_streak_repays_what_is_owed_first() {
    let spent = AccountEvent::GoldSpent {
        at: at(1),
        reference: "game".into(),
        movement: wallet(0, 1_000).debit(gold(1_000), SpendOrder::FreeFirst).unwrap(),
    };
    let owing = AccountEvent::PurchaseRefunded {
        at: at(2),
        receipt_code: code(1),
        amount_cents: Cents(299),
        refunded_cents: Cents(299),
        left_cents: Cents(0),
        movement: wallet(0, 0).take_back(gold(300)).unwrap(),
    };
    let account = given::<Account>(&with(&[spent, owing])).state();
    let claimed = streak_of(&account, 3);
    let [AccountEvent::StreakClaimed { movement, .. }] = &claimed[..] else { panic!() };
    assert_eq!((movement.gold.free, movement.debt.free), (700, 300));
    assert_eq!(movement.balance, wallet(0, 700));
}

#[test]
fn vip_points_are_claimed_once_a_day() {
    let claim = |second| AccountCommand::ClaimVip { at: at(second) };
    let event = |second, vip_points| AccountEvent::VipClaimed {
        at: at(second),
        day: at(second).date_naive(),
        vip_points: 50,
        balance: Wallet { vip_points, ..wallet(0, 1_000) },
    };
    let first = event(1, 50);
    given::<Account>(&opened()).when(&claim(1)).then(slice::from_ref(&first));
    given::<Account>(&with(slice::from_ref(&first))).when(&claim(2)).then(&[]);
    given::<Account>(&with(&[first])).when(&claim(5 * DAY)).then(&[event(5 * DAY, 100)]);
}
