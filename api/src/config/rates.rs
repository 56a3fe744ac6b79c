//! How fast anybody may ask, and which proxies are believed about who asks.

use chrono::TimeDelta;
use domain::limit::Rate;

use super::variables::{self, InvalidSetting, Setting, Variables};
use crate::limits::{Class, Network};

/// See the module.
#[derive(Debug, Clone)]
pub struct RateConfig {
    /// `CLUB_RATE_ENTRANCE`, `CLUB_RATE_PUBLIC`, `CLUB_RATE_READS`, `CLUB_RATE_COMMANDS`,
    /// `CLUB_RATE_STAFF`, `CLUB_RATE_SERVICES`: requests of a class, in how many seconds, for each player
    /// or address ([`Class`] says which, and the defaults). In the order of [`Class::ALL`]; empty with
    /// `CLUB_LIMITS=off`.
    rates: Vec<Rate>,
    /// `CLUB_TRUSTED_PROXIES`: networks of reverse proxies, separated by commas; default none. What one
    /// of them says last in `X-Forwarded-For` is taken for the address of whoever asks.
    pub trusted_proxies: Vec<Network>,
    /// `CLUB_LIMIT_SIGN_IN_FAILURES`, default `5/600`: wrong passwords for one name, in how many
    /// seconds; for as long nobody signs in under it. `None` with `CLUB_LIMITS=off`.
    pub sign_in_failures: Option<Rate>,
}

/// So many in so many seconds.
struct Quota(Rate);

impl Setting for Quota {
    const EXPECTED: &'static str =
        "a number of times from 1 to 1000000, '/', and seconds from 1 to 86400, such as 300/60";

    fn from_text(text: &str) -> Option<Self> {
        let (most, seconds) = text.split_once('/')?;
        let (most, seconds): (u32, i64) = (most.parse().ok()?, seconds.parse().ok()?);
        let is_usable = (1..=1_000_000).contains(&most) && (1..=86_400).contains(&seconds);
        is_usable.then_some(Self(Rate { most, within: TimeDelta::seconds(seconds) }))
    }
}

impl Setting for Network {
    const EXPECTED: &'static str = "addresses or networks, such as 10.0.0.0/8";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl RateConfig {
    /// Reads all of it; without limits, nothing is counted.
    pub(super) fn read(variables: &Variables, limits: bool) -> Result<Self, InvalidSetting> {
        let rate = |name, most, seconds| -> Result<Rate, InvalidSetting> {
            let default = Quota(Rate { most, within: TimeDelta::seconds(seconds) });
            Ok(variables.parse(name, default)?.0)
        };
        let of_class = |class: Class| rate(class.setting(), class.default_per_minute(), 60);
        let rates: Vec<Rate> = Class::ALL.into_iter().map(of_class).collect::<Result<_, _>>()?;
        let failures = rate("CLUB_LIMIT_SIGN_IN_FAILURES", 5, 600)?;
        let proxies = variables.list("CLUB_TRUSTED_PROXIES", "");
        let network = |text: &String| variables::parse("CLUB_TRUSTED_PROXIES", text);
        Ok(Self {
            rates: if limits { rates } else { vec![] },
            trusted_proxies: proxies.iter().map(network).collect::<Result<_, _>>()?,
            sign_in_failures: Some(failures).filter(|_| limits),
        })
    }

    /// The quota of a class, if it has one.
    #[must_use]
    pub fn rate(&self, class: Class) -> Option<Rate> {
        let index = Class::ALL.iter().position(|one| *one == class)?;
        self.rates.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)], limits: bool) -> Result<RateConfig, InvalidSetting> {
        RateConfig::read(&pairs.iter().copied().collect(), limits)
    }

    #[test]
    fn every_class_has_its_quota_unless_all_are_off() {
        let set = [("CLUB_RATE_READS", "5/10")];
        let most = |limits, class| read(&set, limits).unwrap().rate(class).map(|rate| rate.most);
        assert_eq!(most(true, Class::Reads), Some(5));
        assert_eq!(most(true, Class::Entrance), Some(300));
        assert!(Class::ALL.iter().all(|class| most(false, *class).is_none()));
        assert_eq!(read(&set, true).unwrap().sign_in_failures.unwrap().most, 5);
        assert_eq!(read(&set, false).unwrap().sign_in_failures, None);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for text in ["5", "0/10", "5/0", "1000001/10", "5/86401", "-5/10"] {
            assert!(read(&[("CLUB_RATE_STAFF", text)], true).is_err(), "{text}");
        }
        assert!(read(&[("CLUB_TRUSTED_PROXIES", "10.0.0.0/8, ::1")], true).is_ok());
        assert!(read(&[("CLUB_TRUSTED_PROXIES", "everybody")], true).is_err());
    }
}
