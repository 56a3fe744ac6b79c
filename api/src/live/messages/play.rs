//! What screens are told about missions, events and rewards.

use domain::account::{AccountEvent, RewardPaid, RewardSource, level};
use domain::activity::{ActivityEvent, Advance, Goal, MissionPeriod};
use domain::id::{ItemId, LiveEventId, MissionId, PlayerId, ProductId, ReceiptCode};
use domain::reward::Reward;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Data, Says};
use crate::auth::sign_in::rfc3339;

/// How far a mission is: what is not there, the message does not say.
#[derive(Serialize, ToSchema)]
pub(super) struct MissionData {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    #[schema(value_type = i64)]
    mission_id: MissionId,
    /// When its period began, or `once`.
    #[schema(value_type = String)]
    period: MissionPeriod,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progress: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<u64>,
    completed: bool,
    claimed: bool,
}

/// How a player stands in an event: what is not there, the message does not say.
#[derive(Serialize, ToSchema)]
pub(super) struct EventData {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    #[schema(value_type = i64)]
    event_id: LiveEventId,
    occurrence_at: String,
    /// Always true.
    joined: bool,
    /// Which of its requirements, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    requirement: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progress: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<u64>,
    /// On its leaderboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    score: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    claimed: Option<bool>,
}

/// A reward that was paid.
#[derive(Serialize, ToSchema)]
pub(super) struct RewardData {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    kind: RewardKind,
    /// Of which event or mission.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<i64>,
    #[schema(value_type = String)]
    receipt_code: ReceiptCode,
    gold: u64,
    vip_points: u64,
    /// Experience that it gave.
    xp: u64,
    /// All experience after it, and the level that goes with it.
    xp_after: u64,
    level: u64,
    items: Vec<RewardItemData>,
}

/// What a reward was for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RewardKind {
    Event,
    Mission,
    Leaderboard,
    Gift,
}

/// An item of a reward.
#[derive(Serialize, ToSchema)]
pub(super) struct RewardItemData {
    #[schema(value_type = String)]
    item_id: ItemId,
    #[schema(value_type = i64)]
    product_id: ProductId,
}

impl Says for MissionData {
    const TYPE: &'static str = "mission_progress";
}

impl Says for EventData {
    const TYPE: &'static str = "event_progress";
}

impl Says for RewardData {
    const TYPE: &'static str = "reward_granted";
}

/// The messages about what somebody did.
pub(super) fn about(player: PlayerId, event: &ActivityEvent) -> Vec<Data> {
    event.advanced().iter().map(|advance| advanced(player, advance)).collect()
}

fn advanced(user_id: PlayerId, advance: &Advance) -> Data {
    let Advance { goal, progress, target } = *advance;
    match goal {
        Goal::Mission { mission, period } => {
            let data = MissionData {
                user_id,
                mission_id: mission,
                period,
                progress: Some(progress),
                target,
                completed: advance.is_complete(),
                claimed: false,
            };
            Data::Mission(data)
        }
        Goal::Requirement { event, occurrence, number } => {
            let data = EventData {
                requirement: Some(number),
                progress: Some(progress),
                target,
                ..EventData::joined(user_id, event, rfc3339(occurrence))
            };
            Data::Event(data)
        }
        Goal::Score { event, occurrence } => {
            let score = Some(progress);
            let data =
                EventData { score, ..EventData::joined(user_id, event, rfc3339(occurrence)) };
            Data::Event(data)
        }
    }
}

/// The messages about joining and claiming, without the balance.
pub(super) fn about_account(user_id: PlayerId, event: &AccountEvent) -> Vec<Data> {
    let standing = match event {
        AccountEvent::EventJoined { event_id, occurrence, .. } => {
            let data = EventData::joined(user_id, *event_id, rfc3339(occurrence.starts_at));
            Some(Data::Event(data))
        }
        AccountEvent::EventClaimed { event_id, occurrence_at, .. } => {
            let claimed = Some(true);
            let joined = EventData::joined(user_id, *event_id, rfc3339(*occurrence_at));
            Some(Data::Event(EventData { claimed, ..joined }))
        }
        AccountEvent::MissionClaimed { mission_id, period, .. } => {
            let data = MissionData {
                user_id,
                mission_id: *mission_id,
                period: *period,
                progress: None,
                target: None,
                completed: true,
                claimed: true,
            };
            Some(Data::Mission(data))
        }
        AccountEvent::AccountOpened { .. }
        | AccountEvent::SignUpBonusGranted { .. }
        | AccountEvent::GoldGranted { .. }
        | AccountEvent::VipPointsGranted { .. }
        | AccountEvent::GoldSpent { .. }
        | AccountEvent::PurchaseRequested { .. }
        | AccountEvent::PurchaseCompleted { .. }
        | AccountEvent::PurchaseFailed { .. }
        | AccountEvent::PurchaseVoided { .. }
        | AccountEvent::LateCaptureRefunded { .. }
        | AccountEvent::RefundRequested { .. }
        | AccountEvent::PurchaseRefunded { .. }
        | AccountEvent::RefundFailed { .. }
        | AccountEvent::PurchaseChargedBack { .. }
        | AccountEvent::PurchasesBlocked { .. }
        | AccountEvent::BenefitPurchased { .. }
        | AccountEvent::ItemUsed { .. }
        | AccountEvent::ItemExpired { .. }
        | AccountEvent::ItemRefunded { .. }
        | AccountEvent::SpendLimitSet { .. }
        | AccountEvent::CoolingOffStarted { .. }
        | AccountEvent::AccountClosed { .. }
        | AccountEvent::SelfExcluded { .. }
        | AccountEvent::StreakClaimed { .. }
        | AccountEvent::VipClaimed { .. }
        | AccountEvent::PlaceRewarded { .. }
        | AccountEvent::RewardGifted { .. }
        | AccountEvent::GrantTakenBack { .. } => None,
    };
    standing.into_iter().chain(reward(user_id, event)).collect()
}

fn reward(user_id: PlayerId, event: &AccountEvent) -> Option<Data> {
    let RewardPaid { source, receipt_code, reward, .. } = event.reward()?;
    let (kind, id) = match source {
        RewardSource::Event(event) => (RewardKind::Event, Some(event.0)),
        RewardSource::Mission(mission) => (RewardKind::Mission, Some(mission.0)),
        RewardSource::Place(event, _) => (RewardKind::Leaderboard, Some(event.0)),
        RewardSource::Gift => (RewardKind::Gift, None),
    };
    let Reward { vip_points, xp, xp_after, .. } = *reward;
    let data = RewardData {
        user_id,
        kind,
        id,
        receipt_code,
        gold: reward.gold(),
        vip_points,
        xp,
        xp_after,
        level: level(xp_after),
        items: items(receipt_code, reward),
    };
    Some(Data::Reward(Box::new(data)))
}

fn items(receipt_code: ReceiptCode, reward: &Reward) -> Vec<RewardItemData> {
    let each = reward
        .items
        .iter()
        .flat_map(|item| std::iter::repeat_n(item.product_id, u8::from(item.quantity).into()));
    let numbered = (1..=u8::MAX).zip(each);
    let item = |(number, product_id)| RewardItemData {
        item_id: ItemId { receipt_code, number },
        product_id,
    };
    numbered.map(item).collect()
}

impl EventData {
    fn joined(user_id: PlayerId, event_id: LiveEventId, occurrence_at: String) -> Self {
        Self {
            user_id,
            event_id,
            occurrence_at,
            joined: true,
            requirement: None,
            progress: None,
            target: None,
            score: None,
            claimed: None,
        }
    }
}
