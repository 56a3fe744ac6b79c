//! What takes two members of the staff.

use chrono::TimeDelta;
use commands::approvals::ApprovalPolicy;
use domain::money::{Gold, MAX_GOLD};

use super::variables::{InvalidSetting, Setting, Variables};

/// An amount of gold.
struct Threshold(Gold);

impl Setting for Threshold {
    const EXPECTED: &'static str = "a whole number of gold from 1 to 1000000000000000";

    fn from_text(text: &str) -> Option<Self> {
        let amount = text.parse().ok().filter(|amount| (1..=MAX_GOLD).contains(amount))?;
        Gold::new(amount).map(Self)
    }
}

/// A whole number of hours.
struct Hours(TimeDelta);

impl Setting for Hours {
    const EXPECTED: &'static str = "a whole number of hours from 1 to 720";

    fn from_text(text: &str) -> Option<Self> {
        let hours = text.parse().ok().filter(|hours| (1..=720).contains(hours))?;
        Some(Self(TimeDelta::hours(hours)))
    }
}

/// Reads both settings.
pub(super) fn read(variables: &Variables) -> Result<ApprovalPolicy, InvalidSetting> {
    let default = ApprovalPolicy::default();
    let threshold = variables.parse("CLUB_APPROVAL_THRESHOLD", Threshold(default.threshold))?;
    let valid_for = variables.parse("CLUB_APPROVAL_HOURS", Hours(default.valid_for))?;
    Ok(ApprovalPolicy { threshold: threshold.0, valid_for: valid_for.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(pairs: &[(&str, &str)]) -> Option<(u64, i64)> {
        let policy = read(&pairs.iter().copied().collect()).ok()?;
        Some((policy.threshold.amount(), policy.valid_for.num_hours()))
    }

    #[test]
    fn a_hundred_thousand_gold_take_two_within_a_day_unless_it_is_set() {
        assert_eq!(read_from(&[]), Some((100_000, 24)));
        let set = [("CLUB_APPROVAL_THRESHOLD", "500"), ("CLUB_APPROVAL_HOURS", "2")];
        assert_eq!(read_from(&set), Some((500, 2)));
    }

    #[test]
    fn what_nobody_could_mean_is_refused() {
        for bad in ["0", "-1", "1000000000000001", "a lot"] {
            assert_eq!(read_from(&[("CLUB_APPROVAL_THRESHOLD", bad)]), None, "{bad}");
        }
        for bad in ["0", "721", "24h"] {
            assert_eq!(read_from(&[("CLUB_APPROVAL_HOURS", bad)]), None, "{bad}");
        }
    }
}
