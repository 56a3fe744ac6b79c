//! Events that players join, and their seats.

use domain::account::AccountEvent;
use domain::id::LiveEventId;
use domain::identity::{Identity, IdentityEvent};
use domain::live_event::{
    Eligibility, Entry, EventKind, Leaderboard, LiveEvent, LiveEventEvent, LiveEventTerms,
    Requirement, Segment,
};
use domain::schedule::{Occurrence, Recurrence};

use super::rewards::{advance, rewards};
use super::*;

/// From second 10 to second 100, with an hour to claim.
pub(super) fn terms() -> LiveEventTerms {
    LiveEventTerms {
        name: "환영 이벤트".into(),
        name_en: "Welcome".into(),
        kind: EventKind::Special,
        starts_at: at(10),
        ends_at: Some(at(100)),
        recurrence: None,
        eligibility: Eligibility::default(),
        capacity: None,
        requirements: vec![Requirement { counter: "play_count".parse().unwrap(), target: 3 }],
        rewards: rewards(500, 0, 5),
        auto_claim: false,
        priority: 0,
        claim_hours: 1,
        leaderboard: None,
    }
}

pub(super) fn occurrence() -> Occurrence {
    Occurrence { starts_at: at(10), ends_at: at(100) }
}

pub(super) fn entry(terms: &LiveEventTerms, version: u32) -> Entry {
    Entry {
        version,
        requirements: terms.requirements.clone(),
        rewards: terms.rewards.clone(),
        auto_claim: terms.auto_claim,
        claims_end_at: at(3_700),
        scored: terms.leaderboard.as_ref().map(|board| board.counter),
    }
}

const GOAL: &str = "event/1/2024-10-04T00:00:10Z/0";

impl Story {
    pub(super) fn live(&mut self, event: &LiveEventEvent) {
        self.tell::<LiveEvent>(1, event);
    }

    pub(super) fn opens(&mut self, terms: &LiveEventTerms) {
        self.live(&LiveEventEvent::LiveEventDefined { at: at(0), terms: terms.clone() });
        self.live(&LiveEventEvent::LiveEventPublished { at: at(0) });
    }

    pub(super) fn joins(&mut self, second: i64, terms: &LiveEventTerms, version: u32) {
        let (at, event_id, entry) = (at(second), LiveEventId(1), entry(terms, version));
        let occurrence = occurrence();
        self.account(&AccountEvent::EventJoined { at, event_id, occurrence, entry });
    }

    fn claims_event(&mut self, second: i64, forced: bool) {
        let (receipt_code, reward) = (self.code(), self.pay(&rewards(500, 0, 5)));
        self.account(&AccountEvent::EventClaimed {
            at: at(second),
            receipt_code,
            event_id: LiveEventId(1),
            occurrence_at: at(10),
            forced,
            reward,
        });
    }

    fn takes_seat(&mut self, taken: u32) {
        self.live(&LiveEventEvent::SeatTaken { at: at(20), occurrence_at: at(10), taken });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_rest_are_revised_or_end_early_are_no_finding() {
    let mut story = Story::default();
    story.opens(&terms());
    story.chapter();
    story.joins(12, &terms(), 1);
    story.plays(13, 2, &[advance(GOAL, 2, 3)]);
    story.live(&LiveEventEvent::LiveEventPaused { at: at(14) });
    story.plays(15, 1, &[]);
    story.live(&LiveEventEvent::LiveEventPublished { at: at(16) });
    let target = Requirement { counter: "play_count".parse().unwrap(), target: 9 };
    let harder = LiveEventTerms { requirements: vec![target], ..terms() };
    let revised = harder.clone();
    story.live(&LiveEventEvent::LiveEventRevised { at: at(17), version: 2, terms: revised });
    // Whoever has joined keeps the terms of then.
    story.plays(18, 4, &[advance(GOAL, 3, 3)]);
    story.plays(19, 4, &[]);
    story.chapter();
    story.joins(20, &harder, 2);
    story.plays(21, 9, &[advance(GOAL, 9, 9)]);
    story.claims_event(22, false);
    story.live(&LiveEventEvent::LiveEventEnded { at: at(30) });
    story.chapter();
    story.player = 1;
    story.claims_event(3_699, false);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn play_that_does_not_count_for_an_event_is_named() {
    let mut story = Story::default();
    story.opens(&terms());
    story.chapter();
    story.plant(Check::Progress, "this brings it no closer");
    story.plays(11, 1, &[advance(GOAL, 1, 3)]);
    story.chapter();
    story.joins(12, &terms(), 1);
    story.plant(Check::Progress, "player 2 is at 1 of 3 with event/1/2024-10-04T00:00:10Z/0");
    story.plays(13, 1, &[]);
    story.plant(Check::Progress, "this brings it no closer");
    story.plays(100, 1, &[advance(GOAL, 1, 3)]);
    story.live(&LiveEventEvent::LiveEventPaused { at: at(20) });
    story.plant(Check::Progress, "this brings it no closer");
    story.plays(21, 1, &[advance(GOAL, 2, 3)]);
    story.live(&LiveEventEvent::LiveEventEnded { at: at(30) });
    story.plays(29, 1, &[advance(GOAL, 3, 3)]);
    story.chapter();
    story.plant(Check::Reward, "player 3, event 1: at 2024-10-04 00:00:31 UTC: the event is over");
    story.joins(31, &terms(), 1);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_rewards_that_were_not_earned_are_named() {
    let mut story = Story::default();
    story.opens(&terms());
    story.chapter();
    story.plant(
        Check::Reward,
        "player 1, event 1 of 2024-10-04 00:00:10 UTC: the player has not joined",
    );
    story.claims_event(20, false);
    story.chapter();
    story.joins(12, &terms(), 1);
    story.plant(Check::Reward, "not all is done");
    story.claims_event(20, false);
    story.chapter();
    story.joins(12, &terms(), 1);
    story.claims_event(4_000, true);
    story.plant(Check::Reward, "claimed before");
    story.claims_event(4_001, true);
    story.chapter();
    story.joins(12, &terms(), 1);
    story.plays(13, 3, &[advance(GOAL, 3, 3)]);
    story.plant(Check::Reward, "it is claimed at 2024-10-04 01:01:40 UTC, after");
    story.claims_event(3_700, false);
    story.chapter();
    story.joins(12, &terms(), 1);
    story.plays(13, 3, &[advance(GOAL, 3, 3)]);
    story.live(&LiveEventEvent::LiveEventPaused { at: at(14) });
    story.plant(Check::Reward, "while it rests");
    story.claims_event(20, false);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_not_join_or_does_so_on_other_terms_is_named() {
    let mut story = Story::default();
    let richer = LiveEventTerms { rewards: rewards(501, 0, 5), ..terms() };
    story.opens(&terms());
    story.chapter();
    story.plant(Check::Reward, "under version 1, and not as its version 1 is");
    story.joins(12, &richer, 1);
    story.plant(Check::Reward, "of 2024-10-04 00:00:10 UTC is joined again");
    story.joins(13, &terms(), 1);
    story.chapter();
    story.plant(Check::Reward, "the event opens at");
    story.joins(9, &terms(), 1);
    story.player += 1;
    story.plant(Check::Reward, "player 3, event 1: there is no account");
    story.joins(12, &terms(), 1);

    let mut version = 1;
    for (min_rank, segment, word) in [
        (Rank::Vip, Segment::Everybody, "it is for the rank Vip"),
        (Rank::Standard, Segment::Payers, "it is for payers"),
        (Rank::Standard, Segment::NonPayers, ""),
        (Rank::Standard, Segment::Newcomers, ""),
    ] {
        version += 1;
        let terms = LiveEventTerms { eligibility: Eligibility { min_rank, segment }, ..terms() };
        let revised = terms.clone();
        story.live(&LiveEventEvent::LiveEventRevised { at: at(1), version, terms: revised });
        story.chapter();
        if !word.is_empty() {
            story.plant(Check::Reward, word);
        }
        story.joins(12, &terms, version);
        story.chapter();
        let changed = IdentityEvent::RankChanged { at: at(1), rank: Rank::Vip };
        story.tell::<Identity>(story.player, &changed);
        story.buys();
        if segment == Segment::NonPayers {
            story.plant(Check::Reward, "it is for non_payers");
        }
        story.joins(12, &terms, version);
    }
    story.plant(Check::Reward, "live_event_revised, and something else follows");
    story.live(&LiveEventEvent::LiveEventRevised { at: at(1), version: 9, terms: richer });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_taken_by_those_who_join_and_no_others() {
    let mut story = Story::default();
    let few = LiveEventTerms { capacity: Some(2), ..terms() };
    story.opens(&few);
    story.chapter();
    story.joins(20, &few, 1);
    story.takes_seat(1);
    story.chapter();
    story
        .plant(Check::Seats, "player 2 joins event 1 of 2024-10-04 00:00:10 UTC and takes no seat");
    story.joins(20, &few, 1);
    story.chapter();
    story.joins(20, &few, 1);
    story.plant(
        Check::Seats,
        "event 1: 3 seats of 2024-10-04 00:00:10 UTC are said to be taken, and it is number 2",
    );
    story.takes_seat(3);
    story.chapter();
    story.joins(20, &few, 1);
    story.plant(Check::Seats, "one more seat is taken, and all 2 seats are taken");
    story.takes_seat(4);
    let many = LiveEventTerms { capacity: Some(9), ..terms() };
    let revised = many.clone();
    story.live(&LiveEventEvent::LiveEventRevised { at: at(1), version: 2, terms: revised });
    story.chapter();
    story.plant(Check::Seats, "a seat of event 1 of 2024-10-04 00:00:10 UTC is taken by nobody");
    story.takes_seat(5);
    story.takes_seat(6);
    story.joins(20, &many, 2);
    let revised = terms();
    story.live(&LiveEventEvent::LiveEventRevised { at: at(1), version: 3, terms: revised });
    story.chapter();
    story.joins(20, &terms(), 3);
    story.plant(Check::Seats, "as many as anybody wants");
    story.takes_seat(7);
    let revised = many.clone();
    story.live(&LiveEventEvent::LiveEventRevised { at: at(1), version: 4, terms: revised });
    story.chapter();
    story.plant(Check::Seats, "player 7 joins event 1");
    story.joins(20, &many, 4);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_occurrence_is_joined_once_and_in_its_time() {
    let mut story = Story::default();
    let recurrence = Some(Recurrence::new("0 0 * * *", "UTC".parse().unwrap(), None).unwrap());
    let counter = "win_count".parse().unwrap();
    let leaderboard = Some(Leaderboard { counter, tiers: vec![] });
    let terms =
        LiveEventTerms { recurrence, leaderboard, ends_at: None, starts_at: at(0), ..terms() };
    let join = |story: &mut Story, on: i64, second: i64| {
        let occurrence = Occurrence { starts_at: at(on * 86_400), ends_at: at((on + 1) * 86_400) };
        let claims_end_at = occurrence.ends_at + TimeDelta::hours(1);
        let entry = Entry { claims_end_at, ..entry(&terms, 1) };
        let (at, event_id) = (at(second), LiveEventId(1));
        story.account(&AccountEvent::EventJoined { at, event_id, occurrence, entry });
    };
    story.opens(&terms);
    story.chapter();
    join(&mut story, 0, 5);
    story.acts(6, "win_count", 4, &[advance("score/1/2024-10-04T00:00:00Z", 4, 0)]);
    join(&mut story, 1, 86_400);
    story.acts(86_401, "win_count", 1, &[advance("score/1/2024-10-05T00:00:00Z", 1, 0)]);
    // Told late, and done in an occurrence that the player has left behind.
    story.acts(7, "win_count", 1, &[]);
    story.chapter();
    join(&mut story, 0, 86_399);
    story.plant(
        Check::Reward,
        "of 2024-10-04 00:00:00 UTC, and at 2024-10-05 00:00:00 UTC it is that of",
    );
    join(&mut story, 0, 86_400);
    story.end().await;
}
