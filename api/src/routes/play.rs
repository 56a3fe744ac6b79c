//! What answers about events, missions and rewards have in common.

use commands::rewards::Paid;
use domain::account::RewardSource;
use domain::id::ItemId;
use domain::live_event::{LiveEventTerms, Requirement};
use domain::reward::{Reward, Rewards};
use domain::schedule::Recurrence;
use serde::Serialize;
use utoipa::ToSchema;

/// What is promised, or was paid.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RewardsView {
    pub gold: u64,
    pub vip_points: u64,
    /// Experience.
    pub xp: u64,
    /// Benefits for the inventory.
    pub items: Vec<RewardItemView>,
}

/// Some of one benefit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RewardItemView {
    pub product_id: i64,
    pub quantity: u8,
    /// In the inventory, once they were paid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub item_ids: Vec<ItemId>,
}

impl From<&Rewards> for RewardsView {
    fn from(rewards: &Rewards) -> Self {
        let item = |item: &domain::reward::RewardItem| RewardItemView {
            product_id: item.product_id.0,
            quantity: item.quantity.into(),
            item_ids: vec![],
        };
        Self {
            gold: rewards.gold.amount(),
            vip_points: rewards.vip_points,
            xp: rewards.xp,
            items: rewards.items.iter().map(item).collect(),
        }
    }
}

impl RewardsView {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::from(&Rewards::default())
    }

    /// What was paid.
    pub fn paid(paid: &Paid) -> Self {
        let Paid { receipt_code, reward, .. } = paid;
        let mut numbers = 1..=u8::MAX;
        let item = |item: &domain::reward::GivenItem| {
            let quantity = item.quantity.into();
            let mine = numbers.by_ref().take(usize::from(quantity));
            let item_ids = mine.map(|number| ItemId { receipt_code: *receipt_code, number });
            let item_ids = item_ids.collect();
            RewardItemView { product_id: item.product_id.0, quantity, item_ids }
        };
        let items = reward.items.iter().map(item).collect();
        Self { gold: reward.gold(), vip_points: reward.vip_points, xp: reward.xp, items }
    }

    /// Several rewards added up.
    pub fn sum(paid: &[Paid]) -> Self {
        let gold = paid.iter().map(|paid| paid.reward.gold()).sum();
        let of = |amount: fn(&Reward) -> u64| paid.iter().map(|paid| amount(&paid.reward)).sum();
        let items = paid.iter().flat_map(|paid| Self::paid(paid).items).collect();
        Self { gold, vip_points: of(|it| it.vip_points), xp: of(|it| it.xp), items }
    }
}

/// What is needed of something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RequirementView {
    /// What is counted.
    pub counter: String,
    /// How much of it.
    pub target: u64,
}

impl From<&Requirement> for RequirementView {
    fn from(requirement: &Requirement) -> Self {
        Self { counter: requirement.counter.to_string(), target: requirement.target }
    }
}

/// When an event comes again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecurrenceView {
    /// When it begins: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// The zone whose clocks count, such as `Asia/Seoul`.
    pub time_zone: String,
    /// How long it is on; until it begins again, if `null`.
    pub minutes: Option<u32>,
}

impl From<&Recurrence> for RecurrenceView {
    fn from(recurrence: &Recurrence) -> Self {
        Self {
            cron: recurrence.cron().to_owned(),
            time_zone: recurrence.zone().to_string(),
            minutes: recurrence.minutes(),
        }
    }
}

/// A contest within an event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LeaderboardTermsView {
    /// What is scored.
    pub counter: String,
    /// What places pay.
    pub tiers: Vec<TierView>,
}

/// What some places pay.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TierView {
    /// The last place of the tier.
    pub last_place: u32,
    pub rewards: RewardsView,
}

impl LeaderboardTermsView {
    /// Of an event, if it has one.
    pub fn of(terms: &LiveEventTerms) -> Option<Self> {
        let board = terms.leaderboard.as_ref()?;
        let tier = |tier: &domain::live_event::Tier| TierView {
            last_place: tier.last_place,
            rewards: RewardsView::from(&tier.rewards),
        };
        let tiers = board.tiers.iter().map(tier).collect();
        Some(Self { counter: board.counter.to_string(), tiers })
    }
}

/// The answer to a claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct Claimed {
    success: bool,
    /// Always true.
    reward_claimed: bool,
    /// The mission or event that was claimed.
    id: Option<i64>,
    receipt_code: String,
    rewards: RewardsView,
    /// The gold after the claim, at `position`.
    new_gold_balance: u64,
    new_vip_points: u64,
    /// All experience after it, and the level that goes with it.
    xp: u64,
    level: u64,
    position: u64,
}

impl Claimed {
    /// Of a reward that was paid.
    pub fn of(paid: &Paid, position: u64) -> Self {
        let id = match paid.source {
            RewardSource::Event(event) | RewardSource::Place(event, _) => Some(event.0),
            RewardSource::Mission(mission) => Some(mission.0),
            RewardSource::Gift => None,
        };
        let wallet = paid.wallet();
        Self {
            success: true,
            reward_claimed: true,
            id,
            receipt_code: paid.receipt_code.to_string(),
            rewards: RewardsView::paid(paid),
            new_gold_balance: wallet.gold(),
            new_vip_points: wallet.vip_points,
            xp: paid.reward.xp_after,
            level: domain::account::level(paid.reward.xp_after),
            position,
        }
    }
}
