//! How often something may be done: by calendar period, or within a sliding window.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A calendar period, in UTC. Weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// All time.
    Ever,
    /// A calendar month.
    Month,
    /// Monday to Sunday.
    Week,
    /// A day.
    Day,
}

/// 1970-01-01 was a Thursday: this many days after a Monday.
const EPOCH_WEEKDAY: i64 = 3;

impl Period {
    /// The number of the period that a moment is in: equal for two moments of one period.
    #[must_use]
    pub fn number(self, at: DateTime<Utc>) -> i64 {
        let day = at.timestamp().div_euclid(86_400);
        match self {
            Self::Ever => 0,
            Self::Month => i64::from(at.year()) * 12 + i64::from(at.month0()),
            Self::Week => (day + EPOCH_WEEKDAY).div_euclid(7),
            Self::Day => day,
        }
    }

    /// The first moment after the period that a moment is in; none for all time.
    #[must_use]
    pub fn ends_at(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let day = at.date_naive();
        let next: NaiveDate = match self {
            Self::Ever => return None,
            Self::Month => day.with_day(1)?.checked_add_months(Months::new(1))?,
            Self::Week => {
                let left = 7 - day.weekday().num_days_from_monday();
                day.checked_add_days(Days::new(left.into()))?
            }
            Self::Day => day.succ_opt()?,
        };
        Some(next.and_time(NaiveTime::MIN).and_utc())
    }
}

/// So many in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UseLimit {
    /// How many.
    pub count: u32,
    /// In each of which period.
    pub per: Period,
}

/// How often something was done in each of the two latest periods: what is decided at the turn of
/// one is not always decided in the order of its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// Of which kind of period, once something was done.
    per: Option<Period>,
    /// The latest one.
    period: i64,
    count: u64,
    /// In the period before it.
    before: u64,
}

impl Uses {
    /// The count in the period that this moment is in.
    #[must_use]
    pub fn in_period(mut self, per: Period, at: DateTime<Utc>) -> u64 {
        self.count_at(per, at).copied().unwrap_or_default()
    }

    /// Done so many times more.
    pub fn add(&mut self, per: Period, at: DateTime<Utc>, count: u64) {
        let number = per.number(at);
        if self.per != Some(per) {
            *self = Self { per: Some(per), period: number, count: 0, before: 0 };
        }
        if number > self.period {
            self.before = if number == self.period + 1 { self.count } else { 0 };
            (self.period, self.count) = (number, 0);
        }
        if let Some(done) = self.count_at(per, at) {
            *done = done.saturating_add(count);
        }
    }

    /// Something done at that moment has been undone.
    pub fn take(&mut self, per: Period, at: DateTime<Utc>, count: u64) {
        if let Some(done) = self.count_at(per, at) {
            *done = done.saturating_sub(count);
        }
    }

    fn count_at(&mut self, per: Period, at: DateTime<Utc>) -> Option<&mut u64> {
        if self.per != Some(per) {
            return None;
        }
        match self.period - per.number(at) {
            0 => Some(&mut self.count),
            1 => Some(&mut self.before),
            _ => None,
        }
    }
}

/// So many within a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: u32,
    /// Within how long.
    pub within: TimeDelta,
}

impl Rate {
    /// When the next one is allowed, if not now. `earlier` are the moments at which it was done, in
    /// order.
    pub fn full_until(
        self,
        earlier: impl DoubleEndedIterator<Item = DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let Some(last_counted) = most.checked_sub(1) else { return Some(at + self.within) };
        let oldest = earlier.rev().nth(last_counted)?;
        let free_at = oldest + self.within;
        (free_at > at).then_some(free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn periods_end_at_midnight_on_mondays_and_on_the_first() {
        let end = |per: Period, at| per.ends_at(moment(at)).unwrap();
        assert_eq!(end(Period::Day, "2026-12-31T23:59:59.999Z"), moment("2027-01-01T00:00:00Z"));
        assert_eq!(end(Period::Week, "2026-11-29T23:59:59Z"), moment("2026-11-30T00:00:00Z"));
        assert_eq!(end(Period::Week, "2026-11-30T00:00:00Z"), moment("2026-12-07T00:00:00Z"));
        assert_eq!(end(Period::Month, "2028-02-29T12:00:00Z"), moment("2028-03-01T00:00:00Z"));
        assert_eq!(Period::Ever.ends_at(moment("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn two_moments_have_one_number_until_the_period_ends() {
        for per in [Period::Day, Period::Week, Period::Month] {
            let at = moment("2026-11-25T18:00:00Z");
            let end = per.ends_at(at).unwrap();
            let last = end - TimeDelta::microseconds(1);
            assert_eq!(per.number(at), per.number(last), "{per:?}");
            assert_eq!(per.number(end), per.number(last) + 1, "{per:?}");
        }
    }

    #[test]
    fn a_new_period_starts_at_zero() {
        let (monday, sunday) = (moment("2026-11-30T00:00:00Z"), moment("2026-11-29T12:00:00Z"));
        let mut uses = Uses::default();
        uses.add(Period::Week, sunday, 2);
        assert_eq!(uses.in_period(Period::Week, sunday), 2);
        assert_eq!(uses.in_period(Period::Week, monday), 0);
        uses.add(Period::Week, monday, 1);
        // What is undone late counts for the period it was done in.
        uses.take(Period::Week, sunday, 2);
        assert_eq!(uses.in_period(Period::Week, monday), 1);
    }

    #[test]
    fn what_is_decided_late_counts_in_its_own_period_and_disturbs_no_other() {
        let (monday, sunday) = (moment("2026-11-30T00:00:00Z"), moment("2026-11-29T23:59:59Z"));
        let counts = |uses: Uses| [sunday, monday].map(|at| uses.in_period(Period::Week, at));
        let mut uses = Uses::default();
        uses.add(Period::Week, monday, 2);
        uses.add(Period::Week, sunday, 1);
        assert_eq!(counts(uses), [1, 2]);
        uses.take(Period::Week, sunday, 1);
        assert_eq!(counts(uses), [0, 2]);
        // Terms that count by another period begin at zero.
        uses.add(Period::Day, monday, 1);
        assert_eq!((counts(uses), uses.in_period(Period::Day, monday)), ([0, 0], 1));
    }

    #[test]
    fn a_full_window_says_when_it_has_room() {
        let rate = Rate { most: 2, within: TimeDelta::seconds(10) };
        let at = |second| crate::testing::at(second);
        let until = |times: &[i64], now| rate.full_until(times.iter().map(|s| at(*s)), at(now));
        assert_eq!(until(&[0], 1), None);
        assert_eq!(until(&[0, 1], 2), Some(at(10)));
        assert_eq!(until(&[0, 1], 10), None);
        assert_eq!(until(&[0, 1, 2], 10), Some(at(11)));
    }
}
