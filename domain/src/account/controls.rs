//! What a player has set against spending too much.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::command::{AccountRefusal, SpendLock};
use super::event::AccountEvent;
use crate::limit::{Period, Uses};
use crate::money::Cents;

/// How long a higher limit waits before it counts.
pub const RAISE_WAITS: TimeDelta = TimeDelta::hours(24);

/// A monthly limit; no limit, if not given.
type Limit = Option<Cents>;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls {
    limit: Limit,
    /// The limit to come, and when.
    next: Option<(Limit, DateTime<Utc>)>,
    cooling_off: Option<DateTime<Utc>>,
    excluded: Option<Exclusion>,
    /// What months have cost, in cents.
    spent: Uses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Exclusion {
    until: Option<DateTime<Utc>>,
}

impl Controls {
    /// The monthly limit at a moment.
    #[must_use]
    pub fn limit_at(&self, at: DateTime<Utc>) -> Option<Cents> {
        match self.next {
            Some((next, from)) if at >= from => next,
            _ => self.limit,
        }
    }

    /// The limit that will count, and from when on.
    #[must_use]
    pub fn next_limit(&self, at: DateTime<Utc>) -> Option<(Option<Cents>, DateTime<Utc>)> {
        self.next.filter(|(_, from)| at < *from)
    }

    /// What the month of this moment has cost so far, purchases under way included.
    #[must_use]
    pub fn spent_in_month(&self, at: DateTime<Utc>) -> Cents {
        Cents(self.spent.in_period(Period::Month, at))
    }

    /// The pause in force, if one is.
    #[must_use]
    pub fn pause_at(&self, at: DateTime<Utc>) -> Option<SpendLock> {
        if let Some(Exclusion { until }) = self.excluded
            && until.is_none_or(|until| at < until)
        {
            return Some(SpendLock::SelfExclusion(until));
        }
        self.cooling_off.filter(|until| at < *until).map(SpendLock::CoolingOff)
    }

    /// Whether so much more may be spent on real money's purchases.
    pub(super) fn allow(&self, at: DateTime<Utc>, more: Cents) -> Result<(), AccountRefusal> {
        let Some(limit) = self.limit_at(at) else { return Ok(()) };
        let left = limit.minus(self.spent_in_month(at));
        if more <= left {
            return Ok(());
        }
        let until = Period::Month.ends_at(at).unwrap_or(at);
        Err(AccountRefusal::SpendLimitReached { limit_cents: limit.0, left_cents: left.0, until })
    }

    /// A lower limit counts at once, a higher one later.
    pub(super) fn set_limit(&self, at: DateTime<Utc>, monthly_cents: Limit) -> Vec<AccountEvent> {
        let present = self.limit_at(at);
        let is_set = monthly_cents == present && self.next_limit(at).is_none();
        let is_raise = match (present, monthly_cents) {
            (Some(present), Some(wanted)) => wanted > present,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_set || self.next_limit(at).is_some_and(|(next, _)| next == monthly_cents) {
            return vec![];
        }
        let effective_at = if is_raise { at + RAISE_WAITS } else { at };
        vec![AccountEvent::SpendLimitSet { at, monthly_cents, effective_at }]
    }

    pub(super) fn cool_off(
        &self,
        at: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<AccountEvent>, AccountRefusal> {
        match self.cooling_off {
            Some(present) if until == present => Ok(vec![]),
            Some(present) if until < present => Err(AccountRefusal::PauseCannotBeShortened),
            _ => Ok(vec![AccountEvent::CoolingOffStarted { at, until }]),
        }
    }

    pub(super) fn exclude(
        &self,
        at: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Vec<AccountEvent>, AccountRefusal> {
        let is_shorter = |present: Exclusion| match (present.until, until) {
            (None, wanted) => wanted.is_some(),
            (Some(present), Some(wanted)) => wanted < present,
            (Some(_), None) => false,
        };
        match self.excluded {
            Some(present) if present.until == until => Ok(vec![]),
            Some(present) if is_shorter(present) => Err(AccountRefusal::PauseCannotBeShortened),
            _ => Ok(vec![AccountEvent::SelfExcluded { at, until }]),
        }
    }

    pub(super) fn spent(&mut self, at: DateTime<Utc>, cents: Cents) {
        self.spent.add(Period::Month, at, cents.0);
    }

    /// A purchase of that moment was not paid after all.
    pub(super) fn unspent(&mut self, at: DateTime<Utc>, cents: Cents) {
        self.spent.take(Period::Month, at, cents.0);
    }

    pub(super) fn limit_is_set(
        &mut self,
        at: DateTime<Utc>,
        monthly_cents: Limit,
        effective_at: DateTime<Utc>,
    ) {
        self.limit = self.limit_at(at);
        self.next = Some((monthly_cents, effective_at));
    }

    pub(super) fn cools_off(&mut self, until: DateTime<Utc>) {
        self.cooling_off = Some(until);
    }

    pub(super) fn is_excluded(&mut self, until: Option<DateTime<Utc>>) {
        self.excluded = Some(Exclusion { until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn set(controls: &mut Controls, when: i64, cents: Option<u64>) -> Option<DateTime<Utc>> {
        match controls.set_limit(at(when), cents.map(Cents)).pop()? {
            AccountEvent::SpendLimitSet { at, monthly_cents, effective_at } => {
                controls.limit_is_set(at, monthly_cents, effective_at);
                Some(effective_at)
            }
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_lower_limit_counts_at_once_and_a_higher_one_after_a_day() {
        let mut controls = Controls::default();
        assert_eq!(set(&mut controls, 0, Some(1_000)), Some(at(0)));
        assert_eq!(set(&mut controls, 1, Some(2_000)), Some(at(1) + RAISE_WAITS));
        assert_eq!(controls.limit_at(at(2)), Some(Cents(1_000)));
        // Asking again does not start the day anew, nor does it end it.
        assert_eq!(set(&mut controls, 100, Some(2_000)), None);
        assert_eq!(controls.limit_at(at(1) + RAISE_WAITS), Some(Cents(2_000)));
        // To have no limit at all is a raise, too.
        assert_eq!(set(&mut controls, 90_000, None), Some(at(90_000) + RAISE_WAITS));
        // And changing one's mind downwards ends the wait.
        assert_eq!(set(&mut controls, 90_001, Some(500)), Some(at(90_001)));
        assert_eq!(controls.limit_at(at(90_000) + RAISE_WAITS), Some(Cents(500)));
    }

    #[test]
    fn a_pause_is_never_made_shorter() {
        let mut controls = Controls::default();
        controls.cools_off(at(100));
        assert_eq!(controls.cool_off(at(1), at(99)), Err(AccountRefusal::PauseCannotBeShortened));
        assert_eq!(controls.cool_off(at(1), at(100)), Ok(vec![]));
        controls.is_excluded(None);
        let shorter = controls.exclude(at(1), Some(at(1_000_000)));
        assert_eq!(shorter, Err(AccountRefusal::PauseCannotBeShortened));
        assert_eq!(controls.pause_at(at(1_000_000)), Some(SpendLock::SelfExclusion(None)));
    }

    #[test]
    fn what_was_not_paid_after_all_does_not_count() {
        let mut controls = Controls::default();
        set(&mut controls, 0, Some(1_000));
        controls.spent(at(1), Cents(900));
        assert!(controls.allow(at(2), Cents(101)).is_err());
        controls.unspent(at(1), Cents(900));
        assert_eq!(controls.allow(at(2), Cents(1_000)), Ok(()));
    }
}
