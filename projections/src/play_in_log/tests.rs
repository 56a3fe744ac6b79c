//! Sums and looks into a log that is there.

use std::collections::HashSet;

use chrono::TimeDelta;
use domain::event::ClubEvent;
use domain::live_event::LiveEventTerms;
use domain::stored::Recorded;
use domain::testing::at;

use super::*;
use crate::testing::{Writer, database};

#[tokio::test(flavor = "multi_thread")]
async fn past_play_is_what_was_written_between_two_positions_and_counts() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 40).await;
    let mut told: Vec<Recorded> = Vec::new();
    for _ in 0..6 {
        told.extend(writer.write(500).await);
    }
    let counter: Counter = "play_count".parse().unwrap();
    let noon = at(writer.head.position.cast_signed());
    let mut all = 0;
    for (after, before) in [(0, u64::MAX), (0, 1_000), (700, 2_000), (1_500, 1_501), (9_999, 3)] {
        let mut expected = HashMap::new();
        for recorded in &told {
            let position = recorded.place.position;
            let Ok(ClubEvent::Activity(player, event)) = ClubEvent::decode(recorded) else {
                continue;
            };
            let ActivityEvent::ActionRecorded { at, action, amount, .. } = event else { continue };
            if after < position && position < before && action == counter && at >= noon {
                *expected.entry(player).or_default() += amount;
            }
        }
        let sums = past_play(&pool, counter, after, before, move |at| at >= noon).await.unwrap();
        assert_eq!(sums, expected, "{after} to {before}");
        all += sums.values().sum::<u64>();
    }
    assert!(all > 100, "{all}");
    let none = past_play(&pool, "nothing".parse().unwrap(), 0, u64::MAX, |_| true).await.unwrap();
    assert_eq!(none, HashMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_found_by_its_time() {
    let pool = database().await;
    assert_eq!(position_at(&pool, at(0)).await.unwrap(), 0, "of an empty log");
    let mut writer = Writer::new(&pool, 41).await;
    let mut ends = vec![0];
    for events in [3, 1, 40, 7] {
        writer.write(events).await;
        ends.push(writer.head.position);
    }
    // Each append is recorded a millisecond after the one before.
    for (number, end) in (0..).zip(&ends) {
        let recorded_at = at(0) + TimeDelta::milliseconds(number);
        let after = recorded_at + TimeDelta::microseconds(1);
        assert_eq!(position_at(&pool, after).await.unwrap(), *end);
        let before: usize = usize::try_from(number).unwrap().saturating_sub(1);
        assert_eq!(position_at(&pool, recorded_at).await.unwrap(), ends[before]);
    }
    assert_eq!(position_at(&pool, DateTime::UNIX_EPOCH).await.unwrap(), 0);
    let end = writer.head.position;
    assert_eq!(position_at(&pool, DateTime::<Utc>::MAX_UTC).await.unwrap(), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_reads_the_log_from_where_its_days_begin() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 42).await;
    let told = writer.write(3_000).await;
    // The writer's clock stands nearly still while its players' goes on.
    let now = at(100);
    let mut players = HashSet::new();
    let mut terms: Option<LiveEventTerms> = None;
    for recorded in &told {
        match ClubEvent::decode(recorded).unwrap() {
            ClubEvent::Activity(player, event) if event.at() < now => {
                players.insert(player);
            }
            ClubEvent::LiveEvent(
                _,
                domain::live_event::LiveEventEvent::LiveEventDefined { terms: defined, .. },
            ) if defined.requirements.is_empty() => terms = Some(defined),
            _ => {}
        }
    }
    let terms = LiveEventTerms { recurrence: None, ..terms.unwrap() };
    let shown = preview(&pool, &terms, 1, now, everybody).await.unwrap();
    let count = players.len() as u64;
    assert_eq!((shown.players, shown.completions), (count, count));
    assert_eq!(shown.paid.gold, terms.rewards.gold.amount() * count);
    assert!(count > 1);
    let later = preview(&pool, &terms, 1, now + TimeDelta::days(400), everybody).await.unwrap();
    assert_eq!((later.players, later.occurrences.len()), (0, 1));
}
