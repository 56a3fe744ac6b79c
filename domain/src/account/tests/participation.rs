//! Joining events, and claiming what events, missions and places pay.

use super::*;
use crate::id::MissionId;
use crate::live_event::{Eligibility, Entry, Requirement, Seat, Segment};
use crate::reward::{GivenItem, Reward, Rewards};
use crate::schedule::Occurrence;

const EVENT: LiveEventId = LiveEventId(2);
const MISSION: MissionId = MissionId(1);

fn rewards() -> Rewards {
    Rewards { gold: gold(500), vip_points: 5, xp: 50, items: vec![] }
}

fn entry(requirements: Vec<Requirement>) -> Entry {
    Entry {
        version: 1,
        requirements,
        rewards: rewards(),
        auto_claim: false,
        claims_end_at: at(100),
        scored: None,
    }
}

fn seat(starts: i64, segment: Segment) -> Seat {
    let occurrence = Occurrence { starts_at: at(starts), ends_at: at(starts + 50) };
    let eligibility = Eligibility { min_rank: Rank::Standard, segment };
    Seat { occurrence, entry: entry(vec![]), eligibility }
}

fn join(seat: Seat) -> AccountCommand {
    AccountCommand::JoinEvent { at: at(12), event_id: EVENT, seat, rank: Rank::Standard }
}

fn joined(starts: i64) -> AccountEvent {
    let Seat { occurrence, entry, .. } = seat(starts, Segment::Everybody);
    AccountEvent::EventJoined { at: at(12), event_id: EVENT, occurrence, entry }
}

fn payment() -> Payment {
    Payment { receipt_code: code(7), items: vec![] }
}

fn claim(second: i64, is_complete: bool, forced: bool) -> AccountCommand {
    let (at, event_id) = (at(second), EVENT);
    AccountCommand::ClaimEvent { at, event_id, is_complete, forced, payment: payment() }
}

fn paid(gold: u64) -> Reward {
    let balance = Wallet { vip_points: 5, ..wallet(0, 1_000 + gold) };
    let gold = GoldParts { paid: 0, free: gold };
    let movement = Movement { gold, debt: GoldParts::default(), balance };
    Reward { vip_points: 5, xp: 50, xp_after: 50, items: vec![], movement }
}

fn claimed(second: i64, forced: bool) -> AccountEvent {
    AccountEvent::EventClaimed {
        at: at(second),
        receipt_code: code(7),
        event_id: EVENT,
        occurrence_at: at(10),
        forced,
        reward: paid(500),
    }
}

#[test]
fn an_event_is_joined_once_an_occurrence() {
    let ask = join(seat(10, Segment::Everybody));
    given::<Account>(&opened()).when(&ask).then(&[joined(10)]);
    given::<Account>(&with(&[joined(10)])).when(&ask).then(&[]);
    given::<Account>(&with(&[joined(60)])).when(&ask).then(&[]);
    let next = join(seat(60, Segment::Everybody));
    given::<Account>(&with(&[joined(10)])).when(&next).then(&[joined(60)]);
}

#[test]
fn an_event_is_for_whom_it_is_for() {
    let refused = |why| AccountRefusal::NotEligible { why };
    let payers = Ineligible::Segment(Segment::Payers);
    given::<Account>(&opened())
        .when(&join(seat(10, Segment::Payers)))
        .then_refused(&refused(payers));
    given::<Account>(&opened()).when(&join(seat(10, Segment::NonPayers))).then(&[joined(10)]);
    given::<Account>(&opened()).when(&join(seat(10, Segment::Newcomers))).then(&[joined(10)]);
    let late = AccountCommand::JoinEvent {
        at: at(7 * 86_400),
        event_id: EVENT,
        seat: seat(10, Segment::Newcomers),
        rank: Rank::Standard,
    };
    let newcomers = Ineligible::Segment(Segment::Newcomers);
    given::<Account>(&opened()).when(&late).then_refused(&refused(newcomers));
    let eligibility = Eligibility { min_rank: Rank::Vip, segment: Segment::Everybody };
    let exclusive = Seat { eligibility, ..seat(10, Segment::Everybody) };
    given::<Account>(&opened())
        .when(&join(exclusive))
        .then_refused(&refused(Ineligible::Rank(Rank::Vip)));
}

#[test]
fn a_claim_pays_all_of_it_in_one_and_once() {
    let history = with(&[joined(10)]);
    given::<Account>(&history).when(&claim(20, true, false)).then(&[claimed(20, false)]);
    let history = with(&[joined(10), claimed(20, false)]);
    given::<Account>(&history)
        .when(&claim(21, true, false))
        .then_refused(&AccountRefusal::AlreadyClaimed);
    given::<Account>(&history)
        .when(&claim(21, true, true))
        .then_refused(&AccountRefusal::AlreadyClaimed);
    let account = given::<Account>(&history).state();
    assert_eq!((account.wallet().gold(), account.daily().xp()), (1_500, 50));
}

#[test]
fn what_is_not_due_is_not_paid_unless_the_staff_insists() {
    given::<Account>(&opened())
        .when(&claim(20, true, false))
        .then_refused(&AccountRefusal::NotJoined);
    let history = with(&[joined(10)]);
    given::<Account>(&history)
        .when(&claim(20, false, false))
        .then_refused(&AccountRefusal::NotCompleted);
    let until = at(100);
    given::<Account>(&history).when(&claim(99, true, false)).then(&[claimed(99, false)]);
    given::<Account>(&history)
        .when(&claim(100, true, false))
        .then_refused(&AccountRefusal::ClaimTooLate { until });
    given::<Account>(&history).when(&claim(100, false, true)).then(&[claimed(100, true)]);
}

#[test]
fn a_mission_pays_once_a_period() {
    let ask = |period: &str, is_unlocked, is_complete| AccountCommand::ClaimMission {
        at: at(20),
        claim: MissionClaim {
            mission_id: MISSION,
            version: 1,
            period: period.parse().unwrap(),
            is_unlocked,
            is_complete,
        },
        rewards: rewards(),
        payment: payment(),
    };
    let claimed = |period: &str| AccountEvent::MissionClaimed {
        at: at(20),
        receipt_code: code(7),
        mission_id: MISSION,
        version: 1,
        period: period.parse().unwrap(),
        reward: paid(500),
    };
    let today = "2026-11-25";
    given::<Account>(&opened()).when(&ask(today, true, true)).then(&[claimed(today)]);
    given::<Account>(&opened())
        .when(&ask(today, true, false))
        .then_refused(&AccountRefusal::NotCompleted);
    given::<Account>(&opened())
        .when(&ask(today, false, true))
        .then_refused(&AccountRefusal::MissionLocked);
    let history = with(&[claimed(today)]);
    for period in [today, "2026-11-24"] {
        given::<Account>(&history)
            .when(&ask(period, true, true))
            .then_refused(&AccountRefusal::AlreadyClaimed);
    }
    let account = given::<Account>(&history).state();
    assert!(!account.has_claimed(MISSION, "2026-11-26".parse().unwrap()));
}

#[test]
fn a_place_is_rewarded_once() {
    let ask = |starts| AccountCommand::RewardPlace {
        at: at(70),
        event_id: EVENT,
        occurrence_at: at(starts),
        place: 1,
        score: 9,
        rewards: rewards(),
        payment: payment(),
    };
    let rewarded = AccountEvent::PlaceRewarded {
        at: at(70),
        receipt_code: code(7),
        event_id: EVENT,
        occurrence_at: at(10),
        place: 1,
        score: 9,
        reward: paid(500),
    };
    given::<Account>(&opened()).when(&ask(10)).then(std::slice::from_ref(&rewarded));
    given::<Account>(&with(&[rewarded])).when(&ask(10)).then(&[]);
}

#[test]
fn items_of_a_reward_are_in_the_inventory_and_are_worth_no_gold() {
    let item = GivenItem {
        product_id: ProductId(2001),
        product_version: 1,
        sku: "anti_bankruptcy".into(),
        quantity: Quantity::new(2).unwrap(),
        expires_at: None,
    };
    let payment = Payment { receipt_code: code(7), items: vec![item.clone()] };
    let gift = AccountCommand::GiftReward { at: at(5), rewards: Rewards::default(), payment };
    let movement = Movement {
        gold: GoldParts::default(),
        debt: GoldParts::default(),
        balance: wallet(0, 1_000),
    };
    let reward = Reward { vip_points: 0, xp: 0, xp_after: 0, items: vec![item], movement };
    let gifted = AccountEvent::RewardGifted { at: at(5), receipt_code: code(7), reward };
    given::<Account>(&opened()).when(&gift).then(std::slice::from_ref(&gifted));
    assert!(gifted.ledger_entry().is_none(), "no gold has moved");
    let second = ItemId { receipt_code: code(7), number: 2 };
    let history = with(&[gifted]);
    let used = AccountEvent::ItemUsed { at: at(6), item_id: second };
    let ask = AccountCommand::UseItem { at: at(6), item_id: second };
    given::<Account>(&history).when(&ask).then(&[used]);
    let refund = AccountCommand::RefundItems { at: at(6), receipt_code: code(7) };
    given::<Account>(&history).when(&refund).then_refused(&AccountRefusal::NothingToRefund);
}
