//! What a player may have once a UTC day: a streak's gold and experience, and vip points. The only
//! place where these are computed.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Account, AccountEvent, AccountRefusal, Decision};
use crate::money::{Gold, GoldParts, MAX_GOLD, Wallet};

/// What a day's claim adds to the vip points.
pub const DAILY_VIP_POINTS: u64 = 50;
/// How much experience a level takes.
pub const XP_PER_LEVEL: u64 = 500;
/// From this day on, every day of a streak pays the same.
pub const LAST_RISING_DAY: u32 = 10;

/// The level that somebody with so much experience has.
#[must_use]
pub fn level(xp: u64) -> u64 {
    1 + xp / XP_PER_LEVEL
}

/// What a day of a streak pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreakReward {
    /// Gold, of the free kind.
    pub gold: Gold,
    /// Experience.
    pub xp: u64,
}

impl StreakReward {
    /// Of the day with this number, from 1.
    #[must_use]
    pub fn of_day(count: u32) -> Self {
        let day = u64::from(count.min(LAST_RISING_DAY));
        let gold = (800 + 200 * day).min(2_800);
        Self { gold: Gold::new(gold).unwrap_or_default(), xp: (25 + 25 * day).min(275) }
    }
}

/// The number that a day has in a streak whose last claim was that of `last`, a day and its number.
/// `None` if that day was claimed, or a later one. So many missed days as `grace_days` says do not
/// end a streak; they do not count in it either.
#[must_use]
pub fn streak_count(last: Option<(NaiveDate, u32)>, day: NaiveDate, grace_days: u8) -> Option<u32> {
    let Some((last_day, count)) = last else { return Some(1) };
    match (day - last_day).num_days() {
        ..1 => None,
        passed if passed <= 1 + i64::from(grace_days) => Some(count.saturating_add(1)),
        _ => Some(1),
    }
}

/// Where a streak stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreakDay {
    /// The number of the day: what today's claim is, or would be. Never 0.
    pub count: u32,
    /// When it was claimed, if it was.
    pub claimed_at: Option<DateTime<Utc>>,
}

/// What an account remembers of its daily claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daily {
    /// The last day of the streak that was claimed: when, and its number.
    streak: Option<(DateTime<Utc>, u32)>,
    vip_at: Option<DateTime<Utc>>,
    xp: u64,
}

impl Daily {
    /// Where the streak stands at a moment.
    #[must_use]
    pub fn streak_at(&self, at: DateTime<Utc>, grace_days: u8) -> StreakDay {
        match (self.next_count(at, grace_days), self.streak) {
            (None, Some((claimed_at, count))) => StreakDay { count, claimed_at: Some(claimed_at) },
            (next, _) => StreakDay { count: next.unwrap_or(1), claimed_at: None },
        }
    }

    /// When the streak was last claimed, if ever.
    #[must_use]
    pub fn last_streak_claim(&self) -> Option<DateTime<Utc>> {
        self.streak.map(|(at, _)| at)
    }

    /// When the vip points were last claimed, if ever.
    #[must_use]
    pub fn last_vip_claim(&self) -> Option<DateTime<Utc>> {
        self.vip_at
    }

    /// Whether the vip points of a moment's day, or of a later one, were claimed.
    #[must_use]
    pub fn has_vip_of(&self, at: DateTime<Utc>) -> bool {
        self.vip_at.is_some_and(|last| at.date_naive() <= last.date_naive())
    }

    /// All experience so far.
    #[must_use]
    pub fn xp(&self) -> u64 {
        self.xp
    }

    fn next_count(&self, at: DateTime<Utc>, grace_days: u8) -> Option<u32> {
        let last = self.streak.map(|(last, count)| (last.date_naive(), count));
        streak_count(last, at.date_naive(), grace_days)
    }

    pub(super) fn streak_claimed(&mut self, at: DateTime<Utc>, count: u32, xp_after: u64) {
        self.streak = Some((at, count));
        self.xp = xp_after;
    }

    pub(super) fn has_xp(&mut self, xp_after: u64) {
        self.xp = xp_after;
    }

    pub(super) fn vip_claimed(&mut self, at: DateTime<Utc>) {
        self.vip_at = Some(at);
    }
}

impl Account {
    /// The next day of the streak; nothing, if today was claimed.
    pub(super) fn claim_streak(&self, at: DateTime<Utc>, grace_days: u8) -> Decision {
        let Some(streak_count) = self.daily.next_count(at, grace_days) else { return Ok(vec![]) };
        let StreakReward { gold, xp } = StreakReward::of_day(streak_count);
        let movement = self.credit(GoldParts::all_free(gold))?;
        let day = at.date_naive();
        let xp_after = self.daily.xp.saturating_add(xp);
        Ok(vec![AccountEvent::StreakClaimed {
            at,
            day,
            streak_count,
            grace_days,
            xp,
            xp_after,
            movement,
        }])
    }

    /// Today's vip points; nothing, if they were claimed.
    pub(super) fn claim_vip(&self, at: DateTime<Utc>) -> Decision {
        if self.daily.has_vip_of(at) {
            return Ok(vec![]);
        }
        let (day, vip_points) = (at.date_naive(), DAILY_VIP_POINTS);
        let balance = self.with_vip_points(vip_points)?;
        Ok(vec![AccountEvent::VipClaimed { at, day, vip_points, balance }])
    }

    /// The wallet with so many vip points more.
    pub(super) fn with_vip_points(&self, more: u64) -> Result<Wallet, AccountRefusal> {
        let after = self.wallet.vip_points.checked_add(more).filter(|after| *after <= MAX_GOLD);
        let vip_points = after.ok_or(AccountRefusal::BalanceTooLarge)?;
        Ok(Wallet { vip_points, ..self.wallet })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn rewards_rise_until_the_tenth_day_and_then_stay() {
        let reward = |count| {
            let StreakReward { gold, xp } = StreakReward::of_day(count);
            (gold.amount(), xp)
        };
        assert_eq!(reward(1), (1_000, 50));
        assert_eq!(reward(2), (1_200, 75));
        assert_eq!(reward(9), (2_600, 250));
        for count in [10, 11, 100, u32::MAX] {
            assert_eq!(reward(count), (2_800, 275), "{count}");
        }
    }

    #[test]
    fn five_hundred_are_a_level() {
        assert_eq!([0, 499, 500, 999, 1_000].map(level), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn the_next_calendar_day_goes_on_and_any_later_one_begins_anew() {
        let count = |last, next| streak_count(Some((day(last), 4)), day(next), 0);
        for (last, next) in [
            ("2026-11-25", "2026-11-26"),
            ("2026-11-30", "2026-12-01"),
            ("2026-12-31", "2027-01-01"),
            ("2028-02-28", "2028-02-29"),
            ("2028-02-29", "2028-03-01"),
            ("2027-02-28", "2027-03-01"),
        ] {
            assert_eq!(count(last, next), Some(5), "{last} {next}");
        }
        for (last, next) in [
            ("2026-11-25", "2026-11-27"),
            ("2026-12-31", "2027-01-02"),
            ("2028-02-28", "2028-03-01"),
            ("2026-11-25", "2027-11-26"),
        ] {
            assert_eq!(count(last, next), Some(1), "{last} {next}");
        }
        assert_eq!(count("2026-11-25", "2026-11-25"), None);
        assert_eq!(count("2026-11-26", "2026-11-25"), None, "another node's clock was ahead");
        assert_eq!(streak_count(None, day("2026-11-25"), 0), Some(1));
    }

    #[test]
    fn days_of_grace_may_be_missed() {
        let count = |next, grace| streak_count(Some((day("2028-02-27"), 4)), day(next), grace);
        assert_eq!(count("2028-02-29", 1), Some(5));
        assert_eq!(count("2028-03-01", 1), Some(1));
        assert_eq!(count("2028-03-01", 2), Some(5));
        assert_eq!(count("2028-02-27", 2), None);
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc_and_is_never_day_0() {
        let mut daily = Daily::default();
        let before = moment("2026-12-31T23:59:59.999999Z");
        let after = moment("2027-01-01T00:00:00Z");
        assert_eq!(daily.streak_at(before, 0), StreakDay { count: 1, claimed_at: None });
        assert!(!daily.has_vip_of(before));
        daily.streak_claimed(before, 1, 50);
        daily.vip_claimed(before);
        assert_eq!(daily.streak_at(before, 0), StreakDay { count: 1, claimed_at: Some(before) });
        assert_eq!(daily.streak_at(after, 0), StreakDay { count: 2, claimed_at: None });
        assert!(daily.has_vip_of(before) && !daily.has_vip_of(after));
        let later = moment("2027-01-02T00:00:00Z");
        assert_eq!(daily.streak_at(later, 0), StreakDay { count: 1, claimed_at: None });
        assert_eq!(daily.streak_at(later, 1), StreakDay { count: 2, claimed_at: None });
        assert_eq!(daily.xp(), 50);
    }
}
