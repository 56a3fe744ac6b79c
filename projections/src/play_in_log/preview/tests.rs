//! Small worlds, counted by hand.

use domain::id::Counter;
use domain::live_event::{Eligibility, EventKind, Leaderboard, Tier};
use domain::money::{Gold, Quantity};
use domain::reward::RewardItem;
use domain::testing::at;

use super::*;

const DAY: i64 = 86_400;
const TICKET: ProductId = ProductId(2001);

fn needs(counter: &str, target: u64) -> Requirement {
    Requirement { counter: counter.parse().unwrap(), target }
}

fn gold(amount: u64) -> Rewards {
    Rewards { gold: Gold::new(amount).unwrap(), ..Rewards::default() }
}

fn terms(recurrence: Option<&str>, requirements: Vec<Requirement>) -> LiveEventTerms {
    let recurrence = recurrence.map(|json| serde_json::from_str(json).unwrap());
    let item = RewardItem { product_id: TICKET, quantity: Quantity::new(2).unwrap() };
    LiveEventTerms {
        name: "주말".into(),
        name_en: "Weekend".into(),
        kind: EventKind::Weekly,
        // Long after the days that are looked at.
        starts_at: at(1_000 * DAY),
        ends_at: None,
        recurrence,
        eligibility: Eligibility::default(),
        capacity: None,
        requirements,
        rewards: Rewards { vip_points: 3, xp: 7, items: vec![item], ..gold(100) },
        auto_claim: false,
        priority: 0,
        claim_hours: 1,
        leaderboard: None,
    }
}

const DAILY: &str = r#"{"cron":"0 0 * * *","zone":"UTC"}"#;

/// Plays in the order in which they were written: who, when, what, how much.
fn try_out(terms: &LiveEventTerms, days: u32, now: i64, told: &[(i64, i64, &str, u64)]) -> Preview {
    try_out_for(terms, days, now, told, everybody)
}

fn try_out_for(
    terms: &LiveEventTerms,
    days: u32,
    now: i64,
    told: &[(i64, i64, &str, u64)],
    is_eligible: impl Fn(PlayerId) -> bool,
) -> Preview {
    let mut trial = Trial::new(terms.clone(), &occurrences(terms, days, at(now)));
    let mut recorded_at = DateTime::UNIX_EPOCH;
    for (position, (player, second, action, amount)) in (1..).zip(told) {
        recorded_at = recorded_at.max(at(*second));
        let action: Counter = action.parse().unwrap();
        let (player, amount, at) = (PlayerId(*player), *amount, at(*second));
        trial.take(&Action { player, position, recorded_at, at, action, amount }, &is_eligible);
    }
    trial.finish()
}

#[test]
fn every_day_is_an_occurrence_of_a_daily_event() {
    let two = terms(Some(DAILY), vec![needs("play_count", 3), needs("win_count", 1)]);
    let preview = try_out(
        &two,
        2,
        2 * DAY + 10,
        &[
            (1, 11, "play_count", 2),
            (1, 12, "win_count", 1),
            (2, 13, "login", 1),
            (1, DAY - 1, "play_count", 1),
            // The next day begins at nothing.
            (1, DAY, "play_count", 2),
            (2, DAY + 1, "play_count", 9),
            (2, DAY + 2, "win_count", 9),
            (3, 2 * DAY, "play_count", 1),
        ],
    );
    let lines: Vec<_> =
        preview.occurrences.iter().map(|line| (line.players, line.completions)).collect();
    assert_eq!(lines, [(2, 1), (2, 1), (1, 0)]);
    let begins: Vec<_> = preview.occurrences.iter().map(|line| line.occurrence.starts_at).collect();
    assert_eq!(begins, [at(0), at(DAY), at(2 * DAY)]);
    assert_eq!((preview.players, preview.completions), (3, 2));
    let paid = Paid { gold: 200, vip_points: 6, xp: 14, items: BTreeMap::from([(TICKET, 4)]) };
    assert_eq!(preview.paid, paid);
    assert_eq!(preview.occurrences[2].paid, Paid::default());
}

#[test]
fn an_event_that_comes_once_has_these_days_and_nothing_to_do_is_done_by_joining() {
    let once = terms(None, vec![]);
    let now = 3 * DAY + 5;
    let preview = try_out(
        &once,
        2,
        now,
        &[
            (1, DAY + 4, "play_count", 1),
            (2, DAY + 5, "login", 1),
            (2, 3 * DAY, "login", 1),
            (3, now, "login", 1),
        ],
    );
    let [line] = &preview.occurrences[..] else { panic!("{preview:?}") };
    assert_eq!(line.occurrence, Occurrence { starts_at: at(DAY + 5), ends_at: at(now) });
    assert_eq!((preview.players, preview.completions, preview.paid.gold), (1, 1, 100));
    assert_eq!(line.paid, preview.paid);
}

#[test]
fn seats_are_for_those_who_did_something_first() {
    let few = LiveEventTerms { capacity: Some(2), ..terms(Some(DAILY), vec![]) };
    let told = [
        (3, 1, "login", 1),
        (1, 2, "login", 1),
        (2, 3, "login", 1),
        (3, 4, "login", 1),
        (2, DAY, "login", 1),
    ];
    let preview = try_out(&few, 1, DAY + 9, &told);
    let players: Vec<_> = preview.occurrences.iter().map(|line| line.players).collect();
    assert_eq!((players, preview.players), (vec![2, 1], 3));
    // Whoever may not join takes no seat.
    let preview = try_out_for(&few, 1, DAY + 9, &told, |player| player != PlayerId(3));
    let players: Vec<_> = preview.occurrences.iter().map(|line| line.players).collect();
    assert_eq!((players, preview.players), (vec![2, 1], 2));
}

#[test]
fn places_are_paid_by_score_and_of_equals_to_who_was_first() {
    let tiers = vec![
        Tier { last_place: 1, rewards: gold(1_000) },
        Tier { last_place: 3, rewards: Rewards { xp: 50, ..Rewards::default() } },
    ];
    let counter = "win_count".parse().unwrap();
    let hard = LiveEventTerms {
        leaderboard: Some(Leaderboard { counter, tiers }),
        ..terms(None, vec![needs("play_count", 1_000)])
    };
    let told = [
        (1, 1, "win_count", 5),
        (2, 2, "win_count", 6),
        (3, 3, "play_count", 9),
        (1, 4, "win_count", 1),
    ];
    let preview = try_out(&hard, 1, 9, &told);
    // Two places are taken: three players, of whom one has no score.
    assert_eq!((preview.players, preview.completions), (3, 0));
    assert_eq!(preview.occurrences[0].places, 2);
    let paid = Paid { gold: 1_000, xp: 50, ..Paid::default() };
    assert_eq!(preview.paid, paid);
    let more = [&told[..], &[(4, 5, "win_count", 1), (5, 6, "win_count", 1)]].concat();
    let preview = try_out(&hard, 1, 9, &more);
    assert_eq!(
        (preview.occurrences[0].places, preview.paid.xp),
        (3, 100),
        "the fourth has nothing"
    );
}

#[test]
fn a_window_within_the_day_and_what_is_between_windows() {
    let evening = r#"{"cron":"0 20 * * *","zone":"UTC","minutes":60}"#;
    let eight = 20 * 3_600;
    let preview = try_out(
        &terms(Some(evening), vec![]),
        1,
        DAY + eight,
        &[
            (1, eight - 1, "login", 1),
            (2, eight, "login", 1),
            (3, eight + 3_600, "login", 1),
            // What was reported two days late is not looked at.
            (4, eight + 3 * DAY, "login", 1),
            (5, eight + 1, "login", 1),
        ],
    );
    assert_eq!((preview.players, preview.occurrences.len()), (1, 1));
}

#[test]
fn nothing_is_paid_where_nobody_played() {
    let preview = try_out(&terms(Some(DAILY), vec![]), 3, 3 * DAY, &[]);
    assert_eq!((preview.players, preview.occurrences.len()), (0, 3));
    assert_eq!(preview.paid, Paid::default());
}
