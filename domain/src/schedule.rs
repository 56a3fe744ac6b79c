//! When something that comes again is on: a pattern of local times in a named time zone.

use chrono::{DateTime, Duration, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The end of what never ends: as late as JSON and SQL agree on.
pub const FOR_GOOD: DateTime<Utc> = DateTime::from_timestamp(253_402_300_799, 0).unwrap();

/// One stretch of time in which something is on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Occurrence {
    /// The first moment that belongs to it; also its name among the others.
    pub starts_at: DateTime<Utc>,
    /// The first moment that no longer does.
    pub ends_at: DateTime<Utc>,
}

impl Occurrence {
    /// Whether a moment belongs to it.
    #[must_use]
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.starts_at <= at && at < self.ends_at
    }
}

/// A pattern that begins again and again. Begins are local times of a named zone; where clocks are
/// put forward over one, it begins at the first moment after the gap, and where they are put back,
/// once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recurrence {
    /// When it begins: minute, hour, day of the month, month, day of the week.
    cron: String,
    /// The zone whose clocks count.
    #[schemars(with = "String")]
    zone: Tz,
    /// How long it is on; until it begins again, if not given, and never longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minutes: Option<u32>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pattern of minute, hour, day, month and weekday, such as 0 20 * * 5: {0}")]
pub struct InvalidPattern(String);

/// A pattern that begins more often than this is refused: nobody could follow it.
const SHORTEST: Duration = TimeDelta::minutes(10);

impl Recurrence {
    /// Of five fields as cron has them; weekdays are 0 (Sunday) to 6, or names.
    ///
    /// # Errors
    /// If the text is no such pattern, never begins, or begins again within ten minutes.
    pub fn new(cron: &str, zone: Tz, minutes: Option<u32>) -> Result<Self, InvalidPattern> {
        let pattern = parse(cron)?;
        let never = |_| InvalidPattern("it never begins".to_owned());
        let epoch = DateTime::UNIX_EPOCH.with_timezone(&zone);
        let first = pattern.find_next_occurrence(&epoch, true).map_err(never)?;
        let second = pattern.find_next_occurrence(&first, false);
        if second.is_ok_and(|second| second - first < SHORTEST) {
            return Err(InvalidPattern("it begins again within ten minutes".to_owned()));
        }
        Ok(Self { cron: cron.to_owned(), zone, minutes })
    }

    /// The pattern's text.
    #[must_use]
    pub fn cron(&self) -> &str {
        &self.cron
    }

    /// The zone whose clocks count.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// How long it is on, if that is said.
    #[must_use]
    pub fn minutes(&self) -> Option<u32> {
        self.minutes
    }

    /// The occurrence that a moment belongs to, if there is one.
    #[must_use]
    pub fn occurrence_at(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        self.latest_at(at).filter(|latest| latest.contains(at))
    }

    /// The last occurrence that has begun by a moment, over or not.
    #[must_use]
    pub fn latest_at(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let pattern = parse(&self.cron).ok()?;
        let start = pattern.find_previous_occurrence(&at.with_timezone(&self.zone), true).ok()?;
        self.beginning(&pattern, &start)
    }

    /// The first occurrence that begins after a moment.
    #[must_use]
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let pattern = parse(&self.cron).ok()?;
        let start = pattern.find_next_occurrence(&at.with_timezone(&self.zone), false).ok()?;
        self.beginning(&pattern, &start)
    }

    fn beginning(&self, pattern: &Cron, start: &DateTime<Tz>) -> Option<Occurrence> {
        let next = pattern.find_next_occurrence(start, false).ok().map(|next| next.to_utc());
        let starts_at = start.to_utc();
        let over = self
            .minutes
            .and_then(|minutes| starts_at.checked_add_signed(TimeDelta::minutes(minutes.into())));
        // What neither ends nor begins again is on for good.
        let end = [over, next].into_iter().flatten().min();
        Some(Occurrence { starts_at, ends_at: end.unwrap_or(FOR_GOOD) })
    }
}

fn parse(cron: &str) -> Result<Cron, InvalidPattern> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(cron).map_err(|error| InvalidPattern(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn on(recurrence: &Recurrence, at: &str) -> Option<(String, String)> {
        let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M").to_string();
        let occurrence = recurrence.occurrence_at(moment(at))?;
        Some((text(occurrence.starts_at), text(occurrence.ends_at)))
    }

    fn recurrence(cron: &str, zone: Tz, minutes: Option<u32>) -> Recurrence {
        Recurrence::new(cron, zone, minutes).unwrap()
    }

    fn between(from: &str, to: &str) -> Option<(String, String)> {
        Some((from.to_owned(), to.to_owned()))
    }

    #[test]
    fn a_day_in_seoul_begins_at_three_in_the_afternoon_in_utc() {
        let daily = recurrence("0 0 * * *", Tz::Asia__Seoul, None);
        let first = between("2026-11-24T15:00", "2026-11-25T15:00");
        assert_eq!(on(&daily, "2026-11-24T15:00:00Z"), first);
        assert_eq!(on(&daily, "2026-11-25T14:59:59.999999Z"), first);
        assert_eq!(on(&daily, "2026-11-25T15:00:00Z").unwrap().0, "2026-11-25T15:00");
    }

    #[test]
    fn a_month_and_a_year_end_are_days_like_others() {
        let daily = recurrence("0 0 * * *", Tz::UTC, None);
        for (at, from, to) in [
            ("2026-11-30T23:59:59Z", "2026-11-30T00:00", "2026-12-01T00:00"),
            ("2026-12-31T23:59:59.999999Z", "2026-12-31T00:00", "2027-01-01T00:00"),
            ("2028-02-29T12:00:00Z", "2028-02-29T00:00", "2028-03-01T00:00"),
        ] {
            assert_eq!(on(&daily, at), between(from, to), "{at}");
        }
    }

    #[test]
    fn a_window_has_its_first_moment_and_not_its_last() {
        let friday = recurrence("0 20 * * 5", Tz::Asia__Seoul, Some(180));
        assert_eq!(on(&friday, "2026-11-27T10:59:59.999999Z"), None);
        let evening = between("2026-11-27T11:00", "2026-11-27T14:00");
        assert_eq!(on(&friday, "2026-11-27T11:00:00Z"), evening);
        assert_eq!(on(&friday, "2026-11-27T13:59:59.999999Z"), evening);
        assert_eq!(on(&friday, "2026-11-27T14:00:00Z"), None);
        let next = friday.next_after(moment("2026-11-27T11:00:00Z")).unwrap();
        assert_eq!(next.starts_at, moment("2026-12-04T11:00:00Z"));
    }

    #[test]
    fn days_are_as_long_as_the_zone_says() {
        let daily = recurrence("0 0 * * *", Tz::America__New_York, None);
        let short = between("2026-03-08T05:00", "2026-03-09T04:00");
        assert_eq!(on(&daily, "2026-03-08T12:00:00Z"), short, "23 hours: clocks go forward");
        let long = between("2026-11-01T04:00", "2026-11-02T05:00");
        assert_eq!(on(&daily, "2026-11-01T12:00:00Z"), long, "25 hours: clocks go back");
    }

    #[test]
    fn a_beginning_that_the_clocks_skip_is_the_first_moment_after_the_gap() {
        let at_half_past_two = recurrence("30 2 * * *", Tz::America__New_York, Some(60));
        let skipped = between("2026-03-08T07:00", "2026-03-08T08:00");
        assert_eq!(on(&at_half_past_two, "2026-03-08T07:30:00Z"), skipped);
        assert_eq!(on(&at_half_past_two, "2026-03-08T06:59:59Z"), None);
    }

    #[test]
    fn a_beginning_that_the_clocks_show_twice_comes_once() {
        let at_half_past_one = recurrence("30 1 * * *", Tz::America__New_York, Some(60));
        let first = at_half_past_one.next_after(moment("2026-11-01T00:00:00Z")).unwrap();
        assert_eq!(first.starts_at, moment("2026-11-01T05:30:00Z"));
        let next = at_half_past_one.next_after(first.starts_at).unwrap();
        assert_eq!(next.starts_at, moment("2026-11-02T06:30:00Z"));
        assert_eq!(on(&at_half_past_one, "2026-11-01T06:45:00Z"), None);
    }

    #[test]
    fn nothing_is_on_twice_at_once() {
        let long = recurrence("0 0 * * *", Tz::UTC, Some(5_000));
        let day = between("2026-11-25T00:00", "2026-11-26T00:00");
        assert_eq!(on(&long, "2026-11-25T23:59:59Z"), day);
    }

    #[test]
    fn texts_that_are_no_patterns_are_refused() {
        for text in ["", "daily", "0 0 * *", "0 0 * * * *", "61 0 * * *", "0 0 30 2 *", "* * * * *"]
        {
            assert!(Recurrence::new(text, Tz::UTC, None).is_err(), "{text}");
        }
    }

    #[test]
    fn it_is_stored_as_texts() {
        let friday = recurrence("0 20 * * 5", Tz::Asia__Seoul, Some(180));
        let json = r#"{"cron":"0 20 * * 5","zone":"Asia/Seoul","minutes":180}"#;
        assert_eq!(serde_json::to_string(&friday).unwrap(), json);
        assert_eq!(serde_json::from_str::<Recurrence>(json).unwrap(), friday);
    }
}
