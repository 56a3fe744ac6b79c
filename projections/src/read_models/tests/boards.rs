//! Leaderboards: who is where, also of those with the same score, and whose place is still to be
//! rewarded.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::AccountEvent;
use domain::activity::{ActivityEvent, Advance, Goal};
use domain::aggregate::Event;
use domain::event::ClubEvent;
use domain::id::{LiveEventId, PlayerId, ReceiptCode};
use domain::live_event::{Entry, LiveEventEvent};
use domain::money::{GoldParts, Movement, Wallet};
use domain::reward::{Reward, Rewards};
use domain::schedule::{FOR_GOOD, Occurrence};
use domain::stored::StoredEvent;
use domain::testing::at;

use super::play::told;
use super::{MANY, followed};
use crate::read_models::live_events::{self, LiveEventRow};
use crate::read_models::participations::{self, Leaderboard, PlaceRow};
use crate::rebuild::{IfDifferent, rebuild};
use crate::testing::history::History;
use crate::testing::{Writer, database, stored};

fn row(place: u64, player: i64, score: u64) -> PlaceRow {
    PlaceRow { place, user_id: PlayerId(player), score }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaderboards_are_in_the_order_of_scores() {
    let (pool, history) = followed(45, 14_000).await;
    let (mut boards, mut ties, mut open) = (0, 0, 0);
    for (event, occurrence, players) in history.leaderboards() {
        let expected: Vec<_> = (1..)
            .zip(&players)
            .map(|(place, (player, score))| row(place, player.0, *score))
            .collect();
        let top = participations::top(&pool, event, occurrence, MANY).await.unwrap().rows;
        assert_eq!(top.places, expected);
        assert_eq!(top.players, players.len() as u64);
        let (_, state) = history.live_events().find(|(id, _)| *id == event).unwrap();
        assert_eq!(top.is_frozen, state.is_frozen(occurrence));
        let first = participations::top(&pool, event, occurrence, 2).await.unwrap().rows;
        assert_eq!(first.places, expected[..expected.len().min(2)]);
        let middle = expected.len() / 2;
        let around = participations::around(&pool, event, occurrence, players[middle].0, 1);
        let nearby = &expected[middle.saturating_sub(1)..expected.len().min(middle + 2)];
        assert_eq!(around.await.unwrap().rows.places, nearby);

        let mut rewarded = Vec::new();
        for (player, _) in &players {
            let page = participations::page(&pool, event, Some(occurrence), None, MANY).await;
            let found = page.unwrap().rows.into_iter().find(|row| row.user_id == *player);
            rewarded.push(found.unwrap().place.is_some());
        }
        let due = participations::places_to_reward(&pool, event, occurrence, 0, MANY).await;
        let left = expected.iter().zip(&rewarded).filter(|(_, is_rewarded)| !**is_rewarded);
        let left: Vec<_> = left.map(|(place, _)| *place).collect();
        assert_eq!(due.unwrap().rows, left);
        let second = participations::places_to_reward(&pool, event, occurrence, 1, 1).await;
        let next: Vec<_> = left.iter().filter(|row| row.place > 1).take(1).copied().collect();
        assert_eq!(second.unwrap().rows, next);
        boards += 1;
        ties += players.windows(2).filter(|pair| pair[0].1 == pair[1].1).count();
        open += usize::from(!top.is_frozen);
    }
    assert!(boards > 4 && ties > 3 && open > 0, "{boards} {ties} {open}");
}

/// Boards that are to be frozen if it is so late.
fn to_freeze(
    history: &History,
    events: &[LiveEventRow],
    ends: &BTreeMap<(LiveEventId, DateTime<Utc>), DateTime<Utc>>,
    over_by: DateTime<Utc>,
) -> Vec<(LiveEventId, DateTime<Utc>)> {
    let first = |event: &LiveEventRow| {
        let frozen = event.frozen.as_ref();
        if frozen.is_some_and(|board| board.places_rewarded.is_none()) {
            return None;
        }
        let (_, occurrence_at, _) = history.leaderboards().find(|(id, at, _)| {
            *id == event.event_id && frozen.is_none_or(|board| board.occurrence_at < *at)
        })?;
        let ends_at = ends[&(event.event_id, occurrence_at)];
        let is_over = ends_at.min(event.ended_at.unwrap_or(FOR_GOOD)) <= over_by;
        is_over.then_some((event.event_id, occurrence_at))
    };
    events.iter().filter_map(first).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_are_frozen_one_after_the_other() {
    let mut seen = 0;
    for seed in 37..41 {
        let (pool, history) = followed(seed, 2_000).await;
        let joined = told(&pool).await.into_iter().filter_map(|(_, told)| match told {
            ClubEvent::Account(_, AccountEvent::EventJoined { event_id, occurrence, .. }) => {
                Some(((event_id, occurrence.starts_at), occurrence.ends_at))
            }
            _ => None,
        });
        let ends = joined.collect();
        let events = live_events::all(&pool).await.unwrap().rows;
        for days in -12..12 {
            let over_by = history.now() + TimeDelta::days(days);
            let shown = participations::boards_to_freeze(&pool, over_by).await.unwrap().rows;
            assert_eq!(shown, to_freeze(&history, &events, &ends, over_by));
            seen += shown.len();
        }
    }
    assert!(seen > 0);
}

const EVENT: LiveEventId = LiveEventId(2);

/// A log written by hand.
#[derive(Default)]
struct Told {
    events: Vec<StoredEvent>,
}

impl Told {
    fn tell(&mut self, family: &'static str, id: i64, event: &impl Event) {
        let same = self.events.iter();
        let same =
            same.filter(|it| it.aggregate_type == family && *it.aggregate_id == *id.to_string());
        let sequence = same.count() as u64 + 1;
        self.events.push(stored(family, &id.to_string(), sequence, event));
    }

    fn join(&mut self, player: i64) {
        let occurrence = Occurrence { starts_at: occurrence(), ends_at: at(1_000) };
        let entry = Entry {
            version: 1,
            requirements: vec![],
            rewards: Rewards::default(),
            auto_claim: false,
            claims_end_at: at(2_000),
            scored: Some("win_count".parse().unwrap()),
        };
        let joined = AccountEvent::EventJoined { at: at(1), event_id: EVENT, occurrence, entry };
        self.tell("account", player, &joined);
    }

    fn score(&mut self, player: i64, score: u64) {
        let goal = Goal::Score { event: EVENT, occurrence: occurrence() };
        let action = ActivityEvent::ActionRecorded {
            at: at(2),
            action_id: "round".to_owned(),
            action: "win_count".parse().unwrap(),
            amount: 1,
            deed: None,
            advanced: vec![Advance { goal, progress: score, target: None }],
        };
        self.tell("activity", player, &action);
    }

    fn reward(&mut self, player: i64, place: u32) {
        let none = GoldParts::default();
        let movement = Movement { gold: none, debt: none, balance: Wallet::default() };
        let reward = Reward { vip_points: 0, xp: 1, xp_after: 1, items: vec![], movement };
        let rewarded = AccountEvent::PlaceRewarded {
            at: at(3),
            receipt_code: ReceiptCode::from_bits(u64::from(place)),
            event_id: EVENT,
            occurrence_at: occurrence(),
            place,
            score: 5,
            reward,
        };
        self.tell("account", player, &rewarded);
    }
}

fn occurrence() -> DateTime<Utc> {
    at(0) + TimeDelta::microseconds(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_same_score_who_reached_it_first_is_first() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 1).await;
    let terms = writer
        .history
        .batch(10)
        .into_iter()
        .find(|event| event.event_type == "live_event_defined" && &*event.aggregate_id == "2");
    let mut told = Told { events: terms.into_iter().collect() };
    for player in [1, 2, 3, 4, 5] {
        told.join(player);
    }
    for (player, score) in [(4, 1), (2, 5), (1, 3), (3, 4), (1, 5), (3, 5), (2, 5)] {
        told.score(player, score);
    }
    writer.append(std::mem::take(&mut told.events)).await;
    rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap();
    // 2 was at five first, but that score came anew after the others'.
    let all = [row(1, 1, 5), row(2, 3, 5), row(3, 2, 5), row(4, 4, 1)];
    let top = participations::top(&pool, EVENT, occurrence(), 10).await.unwrap().rows;
    let whole = Leaderboard { places: all.to_vec(), players: 4, is_frozen: false };
    assert_eq!(top, whole);
    let around = |player, each_side| {
        participations::around(&pool, EVENT, occurrence(), PlayerId(player), each_side)
    };
    assert_eq!(around(3, 0).await.unwrap().rows.places, all[1..2]);
    assert_eq!(around(4, 1).await.unwrap().rows.places, all[2..]);
    assert_eq!(around(1, 99).await.unwrap().rows.places, all);
    // Who has no score has no place, but there is a leaderboard.
    let none = Leaderboard { places: vec![], ..whole };
    assert_eq!(around(5, 9).await.unwrap().rows, none);
    assert_eq!(around(99, 9).await.unwrap().rows, none);
    let empty = participations::top(&pool, EVENT, at(77), 10).await.unwrap().rows;
    assert_eq!(empty, Leaderboard { places: vec![], players: 0, is_frozen: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_are_rewarded_keep_the_others_where_they_are() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 1).await;
    let defined =
        writer.history.batch(10).into_iter().filter(|event| {
            event.event_type == "live_event_defined" && &*event.aggregate_id == "2"
        });
    let mut told = Told { events: defined.collect() };
    for player in [1, 2, 3, 4] {
        told.join(player);
        told.score(player, 5);
    }
    let frozen =
        LiveEventEvent::LeaderboardFrozen { at: at(3), occurrence_at: occurrence(), tiers: vec![] };
    told.tell("live_event", EVENT.0, &frozen);
    told.reward(1, 1);
    told.reward(3, 3);
    writer.append(std::mem::take(&mut told.events)).await;
    rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap();
    let due =
        |after, limit| participations::places_to_reward(&pool, EVENT, occurrence(), after, limit);
    assert_eq!(due(0, 10).await.unwrap().rows, [row(2, 2, 5), row(4, 4, 5)]);
    assert_eq!(due(0, 1).await.unwrap().rows, [row(2, 2, 5)]);
    assert_eq!(due(2, 10).await.unwrap().rows, [row(4, 4, 5)]);
    assert_eq!(due(4, 10).await.unwrap().rows, []);
    let top = participations::top(&pool, EVENT, occurrence(), 10).await.unwrap().rows;
    assert!(top.is_frozen);
    let earlier = participations::top(&pool, EVENT, at(-5), 10).await.unwrap().rows;
    let later = participations::top(&pool, EVENT, at(5), 10).await.unwrap().rows;
    assert!(earlier.is_frozen && !later.is_frozen);
}
