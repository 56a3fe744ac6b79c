//! What the club itself sees its players do counts as play, too: spending gold and buying.

use chrono::{DateTime, Utc};

use super::AccountEvent;
use crate::id::Counter;

/// What is counted when gold is spent: how much.
pub const SPEND_GOLD: &str = "spend_gold";
/// What is counted when a purchase for real money is completed: one.
pub const PURCHASE_COUNT: &str = "purchase_count";

/// Something that the club saw a player do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: DateTime<Utc>,
    /// As what it is counted.
    pub action: Counter,
    /// How often, or how much.
    pub amount: u64,
}

impl AccountEvent {
    /// The stored names of the events that are deeds.
    pub const DEEDS: [&str; 3] = ["gold_spent", "benefit_purchased", "purchase_completed"];

    /// The deed that it is, if it is one: those that are named in [`Self::DEEDS`].
    #[must_use]
    pub fn deed(&self) -> Option<Deed> {
        let (at, action, amount) = self.counted()?;
        // The names are counters'.
        action.parse().ok().map(|action| Deed { at, action, amount })
    }

    fn counted(&self) -> Option<(DateTime<Utc>, &'static str, u64)> {
        match self {
            Self::GoldSpent { at, movement, .. } | Self::BenefitPurchased { at, movement, .. } => {
                Some((*at, SPEND_GOLD, movement.gold.total()))
            }
            Self::PurchaseCompleted { at, .. } => Some((*at, PURCHASE_COUNT, 1)),
            Self::AccountOpened { .. }
            | Self::SignUpBonusGranted { .. }
            | Self::GoldGranted { .. }
            | Self::VipPointsGranted { .. }
            | Self::PurchaseRequested { .. }
            | Self::PurchaseFailed { .. }
            | Self::PurchaseVoided { .. }
            | Self::LateCaptureRefunded { .. }
            | Self::RefundRequested { .. }
            | Self::PurchaseRefunded { .. }
            | Self::RefundFailed { .. }
            | Self::PurchaseChargedBack { .. }
            | Self::PurchasesBlocked { .. }
            | Self::ItemUsed { .. }
            | Self::ItemExpired { .. }
            | Self::ItemRefunded { .. }
            | Self::SpendLimitSet { .. }
            | Self::CoolingOffStarted { .. }
            | Self::AccountClosed { .. }
            | Self::SelfExcluded { .. }
            | Self::StreakClaimed { .. }
            | Self::VipClaimed { .. }
            | Self::EventJoined { .. }
            | Self::EventClaimed { .. }
            | Self::MissionClaimed { .. }
            | Self::PlaceRewarded { .. }
            | Self::RewardGifted { .. }
            | Self::GrantTakenBack { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::stored::decode;

    /// One of every kind of event of accounts.
    const ACCOUNTS: &str = include_str!("../../fixtures/account.jsonl");

    #[test]
    fn deeds_are_told_by_their_names() {
        let mut found = 0;
        for line in ACCOUNTS.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| line[field].as_str().unwrap();
            let (name, version) = (text("event_type"), text("event_version"));
            let event: AccountEvent = decode(name, version, &line["payload"].to_string()).unwrap();
            assert_eq!(event.deed().is_some(), AccountEvent::DEEDS.contains(&name), "{name}");
            found += usize::from(event.deed().is_some());
        }
        assert!(found >= AccountEvent::DEEDS.len(), "a name in DEEDS is of no event");
    }
}
