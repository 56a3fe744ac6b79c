//! The demo's events and missions.

use anyhow::Context;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::id::LiveEventId;
use domain::live_event::{Eligibility, EventKind, Leaderboard, LiveEventTerms, Requirement, Tier};
use domain::mission::{Cadence, MissionTerms};
use domain::money::Gold;
use domain::reward::Rewards;
use domain::schedule::Recurrence;

/// The time of all events: fixed, so that what is there stays the same at every start.
const STARTS_AT: &str = "2026-01-01T00:00:00Z";
const ENDS_AT: &str = "2036-01-01T00:00:00Z";
/// What is complete can be claimed for a week.
const CLAIM_HOURS: u32 = 7 * 24;
/// Saturday and Sunday.
const WEEKEND_MINUTES: u32 = 2 * 24 * 60;

/// All events.
///
/// # Errors
/// Never: the numbers and patterns here are in range.
pub(super) fn events() -> anyhow::Result<[(LiveEventId, LiveEventTerms); 3]> {
    Ok([(LiveEventId(1), login()?), (LiveEventId(2), welcome()?), (LiveEventId(3), weekend()?)])
}

/// Joining completes it.
fn login() -> anyhow::Result<LiveEventTerms> {
    Ok(LiveEventTerms {
        kind: EventKind::Daily,
        recurrence: Some(Recurrence::new("0 0 * * *", Tz::UTC, None)?),
        auto_claim: true,
        priority: 100,
        ..event(("데일리 로그인", "Daily login"), rewards(100, 0)?)?
    })
}

fn welcome() -> anyhow::Result<LiveEventTerms> {
    Ok(LiveEventTerms {
        requirements: vec![needs("play_count", 10)?],
        priority: 50,
        ..event(("환영 이벤트", "Welcome event"), rewards(5_000, 0)?)?
    })
}

fn weekend() -> anyhow::Result<LiveEventTerms> {
    let minutes = Some(WEEKEND_MINUTES);
    let tier = |last_place, gold| anyhow::Ok(Tier { last_place, rewards: rewards(gold, 0)? });
    let tiers = vec![tier(1, 5_000)?, tier(3, 2_000)?, tier(10, 1_000)?];
    Ok(LiveEventTerms {
        kind: EventKind::Weekly,
        recurrence: Some(Recurrence::new("0 0 * * sat", Tz::Asia__Seoul, minutes)?),
        requirements: vec![needs("play_count", 20)?],
        leaderboard: Some(Leaderboard { counter: "win_count".parse()?, tiers }),
        ..event(("주말 이벤트", "Weekend event"), rewards(3_000, 0)?)?
    })
}

fn event((name, name_en): (&str, &str), rewards: Rewards) -> anyhow::Result<LiveEventTerms> {
    let (starts_at, ends_at): (DateTime<Utc>, DateTime<Utc>) =
        (STARTS_AT.parse()?, ENDS_AT.parse()?);
    Ok(LiveEventTerms {
        name: name.to_owned(),
        name_en: name_en.to_owned(),
        kind: EventKind::Special,
        starts_at,
        ends_at: Some(ends_at),
        recurrence: None,
        eligibility: Eligibility::default(),
        capacity: None,
        requirements: vec![],
        rewards,
        auto_claim: false,
        priority: 0,
        claim_hours: CLAIM_HOURS,
        leaderboard: None,
    })
}

fn needs(counter: &str, target: u64) -> anyhow::Result<Requirement> {
    Ok(Requirement { counter: counter.parse()?, target })
}

fn rewards(gold: u64, xp: u64) -> anyhow::Result<Rewards> {
    let gold = Gold::new(gold).context("gold")?;
    Ok(Rewards { gold, xp, ..Rewards::default() })
}

/// All missions, numbered from 1 in this order.
///
/// # Errors
/// Never, as above.
pub(super) fn missions() -> anyhow::Result<[MissionTerms; 4]> {
    let mission = |(name, name_en): (&str, &str), counter: &str, target, cadence, pays| {
        anyhow::Ok(MissionTerms {
            name: name.to_owned(),
            name_en: name_en.to_owned(),
            counter: counter.parse()?,
            target,
            cadence,
            starts_at: None,
            ends_at: None,
            rewards: pays,
            requires: None,
            priority: 0,
            is_active: true,
        })
    };
    use Cadence::{Daily, Weekly};
    Ok([
        mission(("1판 하기", "Play 1"), "play_count", 1, Daily, rewards(100, 10)?)?,
        mission(("5판 하기", "Play 5"), "play_count", 5, Daily, rewards(500, 50)?)?,
        mission(("3승 하기", "Win 3"), "win_count", 3, Daily, rewards(1_000, 100)?)?,
        mission(
            ("이번 주 20판", "Play 20 this week"),
            "play_count",
            20,
            Weekly,
            rewards(5_000, 0)?,
        )?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_missions_can_be_made() {
        for (event, terms) in events().unwrap() {
            assert_eq!(terms.check(), Ok(()), "{event}");
        }
        let told = missions().unwrap().map(|terms| (terms.target, terms.rewards.gold.amount()));
        assert_eq!(told, [(1, 100), (5, 500), (3, 1_000), (20, 5_000)]);
    }
}
