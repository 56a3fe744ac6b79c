//! What screens are told about the daily streak.

use domain::account::{AccountEvent, StreakReward, level};
use domain::id::PlayerId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Says, moved};
use crate::auth::sign_in::rfc3339;

/// A day of the streak that was claimed: where it stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct StreakData {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    streak_count: u32,
    /// Always true.
    claimed_today: bool,
    today: DayData,
    next: DayData,
    awarded_gold: u64,
    awarded_xp: u64,
    /// All experience, and the level that goes with it.
    xp: u64,
    level: u64,
    claimed_at: String,
}

/// What a day of a streak pays.
#[derive(Serialize, ToSchema)]
struct DayData {
    gold: u64,
    xp: u64,
}

impl Says for StreakData {
    const TYPE: &'static str = "streak_update";
}

impl DayData {
    fn of_day(count: u32) -> Self {
        let StreakReward { gold, xp } = StreakReward::of_day(count);
        Self { gold: gold.amount(), xp }
    }
}

impl StreakData {
    /// What an event says about a streak, if it is about one.
    pub(super) fn of(user_id: PlayerId, event: &AccountEvent) -> Option<Self> {
        let AccountEvent::StreakClaimed { at, streak_count, xp, xp_after, movement, .. } = event
        else {
            return None;
        };
        Some(Self {
            user_id,
            streak_count: *streak_count,
            claimed_today: true,
            today: DayData::of_day(*streak_count),
            next: DayData::of_day(streak_count.saturating_add(1)),
            awarded_gold: moved(movement),
            awarded_xp: *xp,
            xp: *xp_after,
            level: level(*xp_after),
            claimed_at: rfc3339(*at),
        })
    }
}
