use super::*;
use crate::testing::{at, given};
use chrono_tz::Tz;

use crate::schedule::Recurrence;

fn terms() -> LiveEventTerms {
    LiveEventTerms {
        name: "환영 이벤트".into(),
        name_en: "Welcome".into(),
        kind: EventKind::Special,
        starts_at: at(10),
        ends_at: Some(at(20)),
        recurrence: None,
        eligibility: Eligibility::default(),
        capacity: Some(2),
        requirements: vec![],
        rewards: Rewards { xp: 1, ..Rewards::default() },
        auto_claim: false,
        priority: 0,
        claim_hours: 1,
        leaderboard: None,
    }
}

fn published(terms: LiveEventTerms) -> Vec<LiveEventEvent> {
    vec![
        LiveEventEvent::LiveEventDefined { at: at(0), terms },
        LiveEventEvent::LiveEventPublished { at: at(0) },
    ]
}

fn seat_at(history: &[LiveEventEvent], second: i64) -> Result<Seat, LiveEventRefusal> {
    given::<LiveEvent>(history).state().seat(at(second))
}

#[test]
fn a_window_has_its_first_moment_and_not_its_last() {
    let history = published(terms());
    let opens_at = at(10);
    assert_eq!(seat_at(&history, 9), Err(LiveEventRefusal::NotOpen { opens_at }));
    assert!(seat_at(&history, 10).is_ok() && seat_at(&history, 19).is_ok());
    assert_eq!(seat_at(&history, 20), Err(LiveEventRefusal::Closed));
}

#[test]
fn what_is_not_published_is_not_there_and_what_is_paused_or_ended_says_so() {
    let defined = LiveEventEvent::LiveEventDefined { at: at(0), terms: terms() };
    assert_eq!(seat_at(&[], 10), Err(LiveEventRefusal::NotFound));
    assert_eq!(seat_at(&[defined], 10), Err(LiveEventRefusal::NotFound));
    let mut history = published(terms());
    history.push(LiveEventEvent::LiveEventPaused { at: at(1) });
    assert_eq!(seat_at(&history, 10), Err(LiveEventRefusal::Paused));
    history.push(LiveEventEvent::LiveEventPublished { at: at(2) });
    assert!(seat_at(&history, 10).is_ok());
    history.push(LiveEventEvent::LiveEventEnded { at: at(3) });
    assert_eq!(seat_at(&history, 10), Err(LiveEventRefusal::Closed));
    let publish = LiveEventCommand::Publish { at: at(4) };
    given::<LiveEvent>(&history).when(&publish).then_refused(&LiveEventRefusal::Ended);
}

#[test]
fn seats_are_counted_for_each_occurrence() {
    let history = published(terms());
    let take = |second| LiveEventCommand::TakeSeat { at: at(11), occurrence_at: at(second) };
    let taken =
        |second, taken| LiveEventEvent::SeatTaken { at: at(11), occurrence_at: at(second), taken };
    given::<LiveEvent>(&history).when(&take(10)).then(&[taken(10, 1)]);
    let full = [&history[..], &[taken(10, 1), taken(10, 2)]].concat();
    given::<LiveEvent>(&full).when(&take(10)).then_refused(&LiveEventRefusal::Full { capacity: 2 });
    given::<LiveEvent>(&full).when(&take(15)).then(&[taken(15, 1)]);
    let later = [&full[..], &[taken(15, 1)]].concat();
    given::<LiveEvent>(&later).when(&take(10)).then_refused(&LiveEventRefusal::Closed);
    let endless = published(LiveEventTerms { capacity: None, ..terms() });
    given::<LiveEvent>(&endless).when(&take(10)).then(&[]);
}

#[test]
fn whoever_joins_gets_the_terms_of_the_moment() {
    let mut history = published(terms());
    let richer = LiveEventTerms { rewards: Rewards { xp: 9, ..Rewards::default() }, ..terms() };
    history.push(LiveEventEvent::LiveEventRevised { at: at(1), version: 2, terms: richer });
    let Seat { entry, occurrence, .. } = seat_at(&history, 12).unwrap();
    assert_eq!((entry.version, entry.rewards.xp), (2, 9));
    assert_eq!((occurrence.starts_at, occurrence.ends_at), (at(10), at(20)));
    assert_eq!(entry.claims_end_at, at(20 + 3_600));
}

#[test]
fn what_is_done_while_it_rests_or_after_it_ended_does_not_count() {
    let history = published(terms());
    let occurrence = Occurrence { starts_at: at(10), ends_at: at(20) };
    let counts = |history: &[LiveEventEvent], second| {
        given::<LiveEvent>(history).state().counts(occurrence, at(second))
    };
    assert!(counts(&history, 10) && counts(&history, 19) && !counts(&history, 20));
    let paused = [&history[..], &[LiveEventEvent::LiveEventPaused { at: at(12) }]].concat();
    assert!(!counts(&paused, 13));
    let ended = [&history[..], &[LiveEventEvent::LiveEventEnded { at: at(12) }]].concat();
    assert!(counts(&ended, 11) && !counts(&ended, 12));
}

#[test]
fn a_leaderboard_freezes_once_and_is_paid_once() {
    let tiers = vec![Tier { last_place: 3, rewards: Rewards::default() }];
    let board = Leaderboard { counter: "win_count".parse().unwrap(), tiers: tiers.clone() };
    let history = published(LiveEventTerms { leaderboard: Some(board), ..terms() });
    let occurrence_at = at(10);
    let freeze = LiveEventCommand::FreezeLeaderboard { at: at(21), occurrence_at };
    let frozen = LiveEventEvent::LeaderboardFrozen { at: at(21), occurrence_at, tiers };
    given::<LiveEvent>(&history).when(&freeze).then(std::slice::from_ref(&frozen));
    let history = [&history[..], &[frozen]].concat();
    given::<LiveEvent>(&history).when(&freeze).then(&[]);
    let finish = LiveEventCommand::FinishPayout { at: at(22), occurrence_at, places: 3 };
    let finished = LiveEventEvent::PlacesRewarded { at: at(22), occurrence_at, places: 3 };
    given::<LiveEvent>(&history).when(&finish).then(std::slice::from_ref(&finished));
    let history = [&history[..], &[finished]].concat();
    given::<LiveEvent>(&history).when(&finish).then(&[]);
    given::<LiveEvent>(&published(terms()))
        .when(&freeze)
        .then_refused(&LiveEventRefusal::NoLeaderboard);
}

#[test]
fn what_comes_again_is_on_within_its_window_only() {
    let moment = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let terms = LiveEventTerms {
        starts_at: moment("2026-11-25T06:00:00Z"),
        ends_at: Some(moment("2026-11-27T06:00:00Z")),
        recurrence: Some(Recurrence::new("0 0 * * *", Tz::UTC, None).unwrap()),
        ..terms()
    };
    let occurrence = |at: &str| {
        let found = terms.occurrence_at(moment(at))?;
        Some((found.starts_at, found.ends_at))
    };
    assert_eq!(occurrence("2026-11-25T05:59:59Z"), None);
    let first = (moment("2026-11-25T06:00:00Z"), moment("2026-11-26T00:00:00Z"));
    assert_eq!(occurrence("2026-11-25T06:00:00Z"), Some(first));
    let last = (moment("2026-11-27T00:00:00Z"), moment("2026-11-27T06:00:00Z"));
    assert_eq!(occurrence("2026-11-27T05:59:59Z"), Some(last));
    assert_eq!(occurrence("2026-11-27T06:00:00Z"), None);
    let next = |at: &str| terms.next_after(moment(at)).map(|next| next.starts_at);
    assert_eq!(next("2026-11-01T00:00:00Z"), Some(moment("2026-11-25T06:00:00Z")));
    assert_eq!(next("2026-11-25T12:00:00Z"), Some(moment("2026-11-26T00:00:00Z")));
    assert_eq!(next("2026-11-27T01:00:00Z"), None);
    let latest = |at: &str| terms.latest_at(moment(at)).map(|latest| latest.starts_at);
    assert_eq!(latest("2026-11-25T05:59:59Z"), None);
    assert_eq!(latest("2026-11-26T12:00:00Z"), Some(moment("2026-11-26T00:00:00Z")));
    assert_eq!(latest("2026-12-24T00:00:00Z"), Some(moment("2026-11-27T00:00:00Z")));
}

#[test]
fn terms_that_make_no_sense_are_refused() {
    let tier = |last_place| Tier { last_place, rewards: Rewards::default() };
    let with = |tiers| {
        let counter = "win_count".parse().unwrap();
        LiveEventTerms { leaderboard: Some(Leaderboard { counter, tiers }), ..terms() }
    };
    for (terms, why) in [
        (LiveEventTerms { ends_at: None, ..terms() }, UnusableTerms::NoEnd),
        (LiveEventTerms { ends_at: Some(at(10)), ..terms() }, UnusableTerms::EndsTooSoon),
        (with(vec![tier(3), tier(3)]), UnusableTerms::TiersDoNotRise),
        (with(vec![tier(0)]), UnusableTerms::TiersDoNotRise),
        (with(vec![tier(10_001)]), UnusableTerms::TooManyPlaces),
    ] {
        assert_eq!(terms.check(), Err(why));
    }
    assert_eq!(with(vec![tier(1), tier(3)]).check(), Ok(()));
    let tiers = [tier(1), tier(3)];
    assert!(reward_of(&tiers, 3).is_some() && reward_of(&tiers, 4).is_none());
}
