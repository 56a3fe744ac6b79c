//! What an event is, takes and pays.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Counter;
use crate::offer::Rank;
use crate::reward::Rewards;
use crate::schedule::{FOR_GOOD, Occurrence, Recurrence};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiveEventTerms {
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Of which kind players are told that it is.
    pub kind: EventKind,
    /// The first moment at which it can be on.
    pub starts_at: DateTime<Utc>,
    /// The first moment at which it no longer can; never, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// When, within that, it is on; all the time, once, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// Who may join.
    #[serde(default, skip_serializing_if = "Eligibility::is_everybody")]
    pub eligibility: Eligibility,
    /// How many may take part each time; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// What it takes, all of it; nothing but joining, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// What it pays.
    pub rewards: Rewards,
    /// Whether it is claimed as soon as it is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_claim: bool,
    /// Higher ones are shown first.
    pub priority: i32,
    /// For so many hours after its end what is complete can be claimed.
    pub claim_hours: u32,
    /// What is scored, and what places pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaderboard: Option<Leaderboard>,
}

/// Of which kind players are told that an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// On an occasion.
    Special,
    /// For few, or for a short time.
    Limited,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Daily, Self::Weekly, Self::Special, Self::Limited];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Special => "special",
            Self::Limited => "limited",
        }
    }
}

/// Who may join.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Eligibility {
    /// The least rank.
    #[serde(default)]
    pub min_rank: Rank,
    /// Which players.
    #[serde(default)]
    pub segment: Segment,
}

impl Eligibility {
    fn is_everybody(&self) -> bool {
        *self == Self::default()
    }
}

/// Players who have something in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// All.
    #[default]
    Everybody,
    /// Who signed up within the last seven days.
    Newcomers,
    /// Who has bought something for real money.
    Payers,
    /// Who has not.
    NonPayers,
}

impl Segment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Everybody, Self::Newcomers, Self::Payers, Self::NonPayers];
    /// For so many days somebody is new.
    pub const NEW_FOR_DAYS: i64 = 7;

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Newcomers => "newcomers",
            Self::Payers => "payers",
            Self::NonPayers => "non_payers",
        }
    }
}

/// So much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    /// What is counted.
    pub counter: Counter,
    /// How much of it, at least 1.
    pub target: u64,
}

/// A contest within an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leaderboard {
    /// What is scored.
    pub counter: Counter,
    /// What places pay, from the first on, without gaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

/// What some places pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tier {
    /// The last place of it; the first is the one after the tier before.
    pub last_place: u32,
    /// What each of them pays.
    pub rewards: Rewards,
}

/// Why terms cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableTerms {
    /// An event must end.
    #[error("an event that does not come again needs an end")]
    NoEnd,
    /// It ends before it begins.
    #[error("the end must be after the beginning")]
    EndsTooSoon,
    /// More than can be counted.
    #[error("at most {} requirements", LiveEventTerms::MOST_REQUIREMENTS)]
    TooManyRequirements,
    /// Tiers that do not follow each other.
    #[error("the last places of tiers must rise")]
    TiersDoNotRise,
    /// More places than are rewarded.
    #[error("at most {} places are rewarded", Leaderboard::MOST_PLACES)]
    TooManyPlaces,
    /// More items than can be numbered.
    #[error("at most {} items in one reward", Rewards::MOST_ITEMS)]
    TooManyItems,
}

impl LiveEventTerms {
    /// Requirements, at most.
    pub const MOST_REQUIREMENTS: usize = 8;

    /// Whether they can be kept.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), UnusableTerms> {
        if self.ends_at.is_none() && self.recurrence.is_none() {
            return Err(UnusableTerms::NoEnd);
        }
        if self.ends_at.is_some_and(|end| end <= self.starts_at) {
            return Err(UnusableTerms::EndsTooSoon);
        }
        if self.requirements.len() > Self::MOST_REQUIREMENTS {
            return Err(UnusableTerms::TooManyRequirements);
        }
        let tiers = self.leaderboard.iter().flat_map(|board| &board.tiers);
        let mut rewards = tiers.map(|tier| &tier.rewards).chain([&self.rewards]);
        if rewards.any(|rewards| rewards.item_count() > Rewards::MOST_ITEMS) {
            return Err(UnusableTerms::TooManyItems);
        }
        self.leaderboard.as_ref().map_or(Ok(()), Leaderboard::check)
    }

    /// The occurrence that a moment belongs to.
    #[must_use]
    pub fn occurrence_at(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let all = self.all();
        if !all.contains(at) {
            return None;
        }
        let Some(recurrence) = &self.recurrence else { return Some(all) };
        let occurrence = recurrence.occurrence_at(at)?;
        Some(within(occurrence, all))
    }

    /// The last occurrence that has begun by a moment, over or not.
    #[must_use]
    pub fn latest_at(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let all = self.all();
        if at < all.starts_at {
            return None;
        }
        let Some(recurrence) = &self.recurrence else { return Some(all) };
        // Nothing begins at its end or after it.
        let last = all.ends_at - TimeDelta::microseconds(1);
        let latest = recurrence.latest_at(at.min(last))?;
        (all.starts_at < latest.ends_at).then(|| within(latest, all))
    }

    /// The first occurrence that begins after a moment.
    #[must_use]
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let all = self.all();
        let Some(recurrence) = &self.recurrence else {
            return (at < all.starts_at).then_some(all);
        };
        // It may be on already when its time comes.
        if at < all.starts_at && recurrence.occurrence_at(all.starts_at).is_some() {
            return self.occurrence_at(all.starts_at);
        }
        let occurrence = recurrence.next_after(at.max(all.starts_at))?;
        (occurrence.starts_at < all.ends_at).then(|| within(occurrence, all))
    }

    fn all(&self) -> Occurrence {
        let ends_at = self.ends_at.unwrap_or(FOR_GOOD);
        Occurrence { starts_at: self.starts_at, ends_at }
    }
}

fn within(occurrence: Occurrence, all: Occurrence) -> Occurrence {
    Occurrence {
        starts_at: occurrence.starts_at.max(all.starts_at),
        ends_at: occurrence.ends_at.min(all.ends_at),
    }
}

impl Leaderboard {
    /// Places that are rewarded, at most.
    pub const MOST_PLACES: u32 = 10_000;

    fn check(&self) -> Result<(), UnusableTerms> {
        let mut last = 0;
        for tier in &self.tiers {
            if tier.last_place <= last {
                return Err(UnusableTerms::TiersDoNotRise);
            }
            last = tier.last_place;
        }
        if last > Self::MOST_PLACES { Err(UnusableTerms::TooManyPlaces) } else { Ok(()) }
    }
}

/// What a place pays, if anything.
#[must_use]
pub fn reward_of(tiers: &[Tier], place: u32) -> Option<&Rewards> {
    tiers.iter().find(|tier| place <= tier.last_place).map(|tier| &tier.rewards)
}
