//! Whether daily rewards are claimed once a day and pay what the formula says, whether the days of a
//! streak follow from each other, and whether all experience adds up.

use chrono::{DateTime, NaiveDate, Utc};
use domain::account::{AccountEvent, DAILY_VIP_POINTS, StreakReward, streak_count};
use domain::id::PlayerId;
use domain::money::{GoldParts, Movement};
use domain::reward::Reward;

use super::{Check, Verdict};

/// What a player has claimed last.
#[derive(Default)]
pub(super) struct Daily {
    streak: Option<(NaiveDate, u32)>,
    vip: Option<NaiveDate>,
    xp: u64,
}

/// What a claim of the streak says of itself.
struct Claim {
    at: DateTime<Utc>,
    day: NaiveDate,
    count: u32,
    grace_days: u8,
    xp: u64,
    xp_after: u64,
}

impl Daily {
    pub(super) fn take(&mut self, player: PlayerId, event: &AccountEvent) -> Verdict {
        match event {
            AccountEvent::StreakClaimed {
                at,
                day,
                streak_count: count,
                grace_days,
                xp,
                xp_after,
                movement,
            } => {
                let (at, day, count, grace_days) = (*at, *day, *count, *grace_days);
                let (xp, xp_after) = (*xp, *xp_after);
                let claim = Claim { at, day, count, grace_days, xp, xp_after };
                self.streak(player, &claim, movement)
            }
            AccountEvent::VipClaimed { at, day, vip_points, .. } => {
                self.vip(player, (*at, *day), *vip_points)
            }
            AccountEvent::EventClaimed { reward, .. }
            | AccountEvent::MissionClaimed { reward, .. }
            | AccountEvent::PlaceRewarded { reward, .. }
            | AccountEvent::RewardGifted { reward, .. } => self.reward(player, reward),
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
            | AccountEvent::EventJoined { .. }
            | AccountEvent::GrantTakenBack { .. } => Ok(()),
        }
    }

    fn streak(&mut self, player: PlayerId, claim: &Claim, movement: &Movement) -> Verdict {
        let Claim { at, day, count, grace_days, xp, xp_after } = *claim;
        let before = std::mem::replace(&mut self.xp, xp_after);
        let last = self.streak.replace((day, count));
        of_day(player, at, day)?;
        let Some(expected) = streak_count(last, day, grace_days) else {
            return wrong(format!("player {player} claims the streak of {day} or before it again"));
        };
        if count != expected {
            return wrong(format!(
                "player {player} claims {day} as day {count} of a streak, and it is day {expected}"
            ));
        }
        let (due, paid) = (StreakReward::of_day(count), movement.gold.plus(movement.debt));
        if (GoldParts::all_free(due.gold), due.xp) != (paid, xp) {
            return wrong(format!(
                "day {count} of a streak pays {} free gold and {} xp, and player {player} got {} \
                 paid and {} free gold and {xp} xp",
                due.gold.amount(),
                due.xp,
                paid.paid,
                paid.free
            ));
        }
        adds_up(player, before, xp, xp_after).or_else(wrong)
    }

    /// A reward that gives no experience says how much there is, too.
    fn reward(&mut self, player: PlayerId, reward: &Reward) -> Verdict {
        let before = std::mem::replace(&mut self.xp, reward.xp_after);
        adds_up(player, before, reward.xp, reward.xp_after).map_err(|it| (Check::Reward, it))
    }

    fn vip(
        &mut self,
        player: PlayerId,
        (at, day): (DateTime<Utc>, NaiveDate),
        vip_points: u64,
    ) -> Verdict {
        let last = self.vip.replace(day);
        of_day(player, at, day)?;
        if last.is_some_and(|last| day <= last) {
            return wrong(format!(
                "player {player} claims the vip points of {day} or before it again"
            ));
        }
        if vip_points != DAILY_VIP_POINTS {
            return wrong(format!(
                "a day pays {DAILY_VIP_POINTS} vip points, and player {player} got {vip_points}"
            ));
        }
        Ok(())
    }
}

fn adds_up(player: PlayerId, before: u64, xp: u64, after: u64) -> Result<(), String> {
    if after == before.saturating_add(xp) {
        return Ok(());
    }
    Err(format!("player {player} had {before} xp, got {xp} and has {after}"))
}

fn of_day(player: PlayerId, at: DateTime<Utc>, day: NaiveDate) -> Verdict {
    if at.date_naive() == day {
        return Ok(());
    }
    wrong(format!("player {player} claims {day} at {at}, which is another day"))
}

fn wrong(message: String) -> Verdict {
    Err((Check::Daily, message))
}
