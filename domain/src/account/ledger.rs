//! What events of an account mean in the books, and what they pay.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::AccountEvent;
use crate::id::{LiveEventId, MissionId, ReceiptCode};
use crate::money::{Direction, Movement, Wallet};
use crate::reward::Reward;

/// The other side of a movement of gold: where it came from or went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterAccount {
    /// Gifts that everybody gets.
    Promotion,
    /// Grants by admins.
    Issuance,
    /// Sold for real money.
    Sales,
    /// Gold that left the game.
    Sink,
    /// Taken back because its money was given back.
    Refund,
}

impl CounterAccount {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Issuance => "issuance",
            Self::Sales => "sales",
            Self::Sink => "sink",
            Self::Refund => "refund",
        }
    }
}

/// A movement of gold as books show it: both sides, kind and reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Which kind of movement.
    pub kind: &'static str,
    /// Receipt, or what it was for.
    pub reference: String,
    /// The other side.
    pub counter_account: CounterAccount,
    /// Into or out of the wallet.
    pub direction: Direction,
    /// What moved, and the wallet after it.
    pub movement: Movement,
}

/// A reward that an event of an account pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewardPaid<'a> {
    /// For what.
    pub source: RewardSource,
    /// Its id.
    pub receipt_code: ReceiptCode,
    /// When.
    pub at: DateTime<Utc>,
    /// What it is.
    pub reward: &'a Reward,
}

/// What a reward is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardSource {
    /// An event.
    Event(LiveEventId),
    /// A mission.
    Mission(MissionId),
    /// A place on an event's leaderboard.
    Place(LiveEventId, u32),
    /// The staff's own choice.
    Gift,
}

/// The kinds of movement, and the event that each is: what a statement looks for in an account's stream.
pub const MOVEMENTS: &[(&str, &str)] = &[
    ("sign_up_bonus", "sign_up_bonus_granted"),
    ("grant", "gold_granted"),
    ("spend", "gold_spent"),
    ("purchase", "purchase_completed"),
    ("refund", "purchase_refunded"),
    ("chargeback", "purchase_charged_back"),
    ("item", "benefit_purchased"),
    ("item_refund", "item_refunded"),
    ("streak", "streak_claimed"),
    ("event", "event_claimed"),
    ("mission", "mission_claimed"),
    ("leaderboard", "place_rewarded"),
    ("reward", "reward_gifted"),
    ("grant_undo", "grant_taken_back"),
    ("closing", "account_closed"),
];

impl AccountEvent {
    /// The movement of gold that this event is, if it is one.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: what happened, and how books show it")]
    pub fn ledger_entry(&self) -> Option<LedgerEntry> {
        use CounterAccount::{Issuance, Promotion, Refund, Sales, Sink};
        use Direction::{Credit, Debit};
        let (at, kind, reference, counter_account, direction, movement) = match self {
            Self::SignUpBonusGranted { at, movement } => {
                (at, "sign_up_bonus", "sign_up".to_owned(), Promotion, Credit, movement)
            }
            Self::GoldGranted { at, receipt_code, movement } => {
                (at, "grant", receipt_code.to_string(), Issuance, Credit, movement)
            }
            Self::GoldSpent { at, reference, movement } => {
                (at, "spend", reference.clone(), Sink, Debit, movement)
            }
            Self::PurchaseCompleted { at, receipt_code, movement } => {
                (at, "purchase", receipt_code.to_string(), Sales, Credit, movement)
            }
            Self::PurchaseRefunded { at, receipt_code, movement, .. } => {
                (at, "refund", receipt_code.to_string(), Refund, Debit, movement)
            }
            Self::PurchaseChargedBack { at, receipt_code, movement, .. } => {
                (at, "chargeback", receipt_code.to_string(), Refund, Debit, movement)
            }
            Self::BenefitPurchased { at, receipt_code, movement, .. } => {
                (at, "item", receipt_code.to_string(), Sink, Debit, movement)
            }
            Self::ItemRefunded { at, item_id, movement } => {
                (at, "item_refund", item_id.to_string(), Sink, Credit, movement)
            }
            Self::StreakClaimed { at, day, movement, .. } => {
                (at, "streak", day.to_string(), Promotion, Credit, movement)
            }
            Self::EventClaimed { at, event_id, occurrence_at, reward, .. } => {
                let reference = format!("{event_id}/{}", occurrence_at.date_naive());
                (at, "event", reference, Promotion, Credit, &reward.movement)
            }
            Self::MissionClaimed { at, mission_id, period, reward, .. } => {
                let reference = format!("{mission_id}/{period}");
                (at, "mission", reference, Promotion, Credit, &reward.movement)
            }
            Self::PlaceRewarded { at, event_id, occurrence_at, reward, .. } => {
                let reference = format!("{event_id}/{}", occurrence_at.date_naive());
                (at, "leaderboard", reference, Promotion, Credit, &reward.movement)
            }
            Self::RewardGifted { at, receipt_code, reward } => {
                (at, "reward", receipt_code.to_string(), Issuance, Credit, &reward.movement)
            }
            Self::GrantTakenBack { at, receipt_code, movement } => {
                (at, "grant_undo", receipt_code.to_string(), Issuance, Debit, movement)
            }
            Self::AccountClosed { at, movement } => {
                (at, "closing", "closing".to_owned(), Sink, Debit, movement)
            }
            Self::AccountOpened { .. }
            | Self::VipPointsGranted { .. }
            | Self::VipClaimed { .. }
            | Self::EventJoined { .. }
            | Self::PurchaseRequested { .. }
            | Self::PurchaseFailed { .. }
            | Self::PurchaseVoided { .. }
            | Self::LateCaptureRefunded { .. }
            | Self::RefundRequested { .. }
            | Self::RefundFailed { .. }
            | Self::PurchasesBlocked { .. }
            | Self::ItemUsed { .. }
            | Self::ItemExpired { .. }
            | Self::SpendLimitSet { .. }
            | Self::CoolingOffStarted { .. }
            | Self::SelfExcluded { .. } => return None,
        };
        // A reward may be of other things than gold.
        let has_moved = movement.gold.plus(movement.debt).total() > 0;
        has_moved.then_some(LedgerEntry {
            at: *at,
            kind,
            reference,
            counter_account,
            direction,
            movement: *movement,
        })
    }

    /// The whole wallet after this event, if it changed it.
    #[must_use]
    pub fn wallet_after(&self) -> Option<Wallet> {
        match self {
            Self::VipPointsGranted { balance, .. } | Self::VipClaimed { balance, .. } => {
                Some(*balance)
            }
            Self::SignUpBonusGranted { movement, .. }
            | Self::GoldGranted { movement, .. }
            | Self::GoldSpent { movement, .. }
            | Self::PurchaseCompleted { movement, .. }
            | Self::PurchaseRefunded { movement, .. }
            | Self::PurchaseChargedBack { movement, .. }
            | Self::BenefitPurchased { movement, .. }
            | Self::ItemRefunded { movement, .. }
            | Self::StreakClaimed { movement, .. }
            | Self::GrantTakenBack { movement, .. }
            | Self::AccountClosed { movement, .. } => Some(movement.balance),
            Self::EventClaimed { reward, .. }
            | Self::MissionClaimed { reward, .. }
            | Self::PlaceRewarded { reward, .. }
            | Self::RewardGifted { reward, .. } => Some(reward.movement.balance),
            Self::AccountOpened { .. }
            | Self::EventJoined { .. }
            | Self::PurchaseRequested { .. }
            | Self::PurchaseFailed { .. }
            | Self::PurchaseVoided { .. }
            | Self::LateCaptureRefunded { .. }
            | Self::RefundRequested { .. }
            | Self::RefundFailed { .. }
            | Self::PurchasesBlocked { .. }
            | Self::ItemUsed { .. }
            | Self::ItemExpired { .. }
            | Self::SpendLimitSet { .. }
            | Self::CoolingOffStarted { .. }
            | Self::SelfExcluded { .. } => None,
        }
    }

    /// The reward that this event pays, if it pays one as events and missions do.
    #[must_use]
    pub fn reward(&self) -> Option<RewardPaid<'_>> {
        let (at, receipt_code, reward, source) = match self {
            Self::EventClaimed { at, receipt_code, event_id, reward, .. } => {
                (at, receipt_code, reward, RewardSource::Event(*event_id))
            }
            Self::MissionClaimed { at, receipt_code, mission_id, reward, .. } => {
                (at, receipt_code, reward, RewardSource::Mission(*mission_id))
            }
            Self::PlaceRewarded { at, receipt_code, event_id, place, reward, .. } => {
                (at, receipt_code, reward, RewardSource::Place(*event_id, *place))
            }
            Self::RewardGifted { at, receipt_code, reward } => {
                (at, receipt_code, reward, RewardSource::Gift)
            }
            Self::AccountOpened { .. }
            | Self::SignUpBonusGranted { .. }
            | Self::GoldGranted { .. }
            | Self::VipPointsGranted { .. }
            | Self::GoldSpent { .. }
            | Self::PurchaseRequested { .. }
            | Self::PurchaseCompleted { .. }
            | Self::PurchaseFailed { .. }
            | Self::PurchaseVoided { .. }
            | Self::LateCaptureRefunded { .. }
            | Self::RefundRequested { .. }
            | Self::PurchaseRefunded { .. }
            | Self::RefundFailed { .. }
            | Self::PurchaseChargedBack { .. }
            | Self::PurchasesBlocked { .. }
            | Self::BenefitPurchased { .. }
            | Self::ItemUsed { .. }
            | Self::ItemExpired { .. }
            | Self::ItemRefunded { .. }
            | Self::SpendLimitSet { .. }
            | Self::CoolingOffStarted { .. }
            | Self::SelfExcluded { .. }
            | Self::StreakClaimed { .. }
            | Self::VipClaimed { .. }
            | Self::AccountClosed { .. }
            | Self::EventJoined { .. }
            | Self::GrantTakenBack { .. } => return None,
        };
        Some(RewardPaid { source, receipt_code: *receipt_code, at: *at, reward })
    }

    /// All experience after this event, and what it gave, if it gave any.
    #[must_use]
    pub fn xp_gained(&self) -> Option<(u64, u64)> {
        if let Self::StreakClaimed { xp, xp_after, .. } = self {
            return Some((*xp, *xp_after));
        }
        let reward = self.reward()?.reward;
        (reward.xp > 0).then_some((reward.xp, reward.xp_after))
    }
}
