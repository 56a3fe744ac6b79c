//! How long one key signs access tokens.

use chrono::TimeDelta;

use super::variables::{InvalidSetting, Setting, Variables};

const DEFAULT_DAYS: i64 = 90;

/// A whole number of days.
struct Days(i64);

impl Setting for Days {
    const EXPECTED: &'static str = "a whole number of days from 0 to 3650; 0 is never";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|days| (0..=3_650).contains(days)).map(Self)
    }
}

/// Reads the setting; `None` is for ever.
pub(super) fn read(variables: &Variables) -> Result<Option<TimeDelta>, InvalidSetting> {
    let Days(days) = variables.parse("CLUB_SIGNING_KEY_DAYS", Days(DEFAULT_DAYS))?;
    Ok((days > 0).then(|| TimeDelta::days(days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(text: &str) -> Option<Option<i64>> {
        let age = read(&[("CLUB_SIGNING_KEY_DAYS", text)].into_iter().collect()).ok()?;
        Some(age.map(|age| age.num_days()))
    }

    #[test]
    fn a_key_signs_for_ninety_days_unless_it_is_set() {
        assert_eq!([days(""), days("7"), days("0")], [Some(Some(90)), Some(Some(7)), Some(None)]);
        assert_eq!(["-1", "3651", "1.5", "a year"].map(days), [None; 4]);
    }
}
