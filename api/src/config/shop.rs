//! How the shop sells: limits against fraud and haste, deadlines, which gold is spent first.

use chrono::TimeDelta;
use commands::shop::ShopPolicy;
use domain::account::{LONGEST_LOOK, PurchaseRules};
use domain::limit::Rate;
use domain::money::SpendOrder;

use super::variables::{InvalidSetting, Setting, Variables};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct ShopConfig {
    /// `CLUB_LIMIT_LIMITED_PURCHASES`, default `5/10`: limited packages that one player may buy, in
    /// how many seconds. `CLUB_LIMIT_PURCHASES`, default `20/300`, and `CLUB_LIMIT_CARDS`, default
    /// `3/300`: purchases of any kind, and different cards; one more stops all buying for as long.
    /// `CLUB_SPEND_ORDER`: `free_first` (default) or `paid_first`. `CLUB_CHECKOUT_GRACE_MS`, default
    /// 10,000: how long a purchase is left to whoever accepted it. `CLUB_PENDING_SECONDS`, default
    /// 300, and `CLUB_PENDING_STOCKED_SECONDS`, default 120: how long the provider may take to
    /// decide, the latter where stock is held.
    pub policy: ShopPolicy,
    /// `CLUB_LIMIT_GRANTS`, default `30/60`: grants by one admin, in how many seconds.
    pub grants: Option<Rate>,
}

/// So many in so many seconds.
struct Pace(Rate);

impl Setting for Pace {
    const EXPECTED: &'static str =
        "a number of times from 1 to 64, '/', and seconds from 1 to 86400, such as 5/10";

    fn from_text(text: &str) -> Option<Self> {
        let (most, seconds) = text.split_once('/')?;
        let (most, seconds): (u32, i64) = (most.parse().ok()?, seconds.parse().ok()?);
        let is_usable = (1..=LONGEST_LOOK).contains(&usize::try_from(most).ok()?)
            && (1..=86_400).contains(&seconds);
        is_usable.then_some(Self(Rate { most, within: TimeDelta::seconds(seconds) }))
    }
}

/// A whole number of seconds.
struct Seconds(TimeDelta);

impl Setting for Seconds {
    const EXPECTED: &'static str = "a whole number of seconds from 1 to 86400";

    fn from_text(text: &str) -> Option<Self> {
        let seconds = text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds))?;
        Some(Self(TimeDelta::seconds(seconds)))
    }
}

impl Setting for SpendOrder {
    const EXPECTED: &'static str = "'free_first' or 'paid_first'";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "free_first" => Some(Self::FreeFirst),
            "paid_first" => Some(Self::PaidFirst),
            _ => None,
        }
    }
}

impl ShopConfig {
    /// Reads all of it; without limits, no rate is looked at.
    pub(super) fn read(variables: &Variables, limits: bool) -> Result<Self, InvalidSetting> {
        let default = ShopPolicy::default();
        let rate = |name, default: Option<Rate>| -> Result<_, InvalidSetting> {
            let set = variables.optional::<Pace>(name)?.map(|Pace(rate)| rate);
            Ok(set.or(default).filter(|_| limits))
        };
        let seconds = |name, default| -> Result<_, InvalidSetting> {
            Ok(variables.parse(name, Seconds(default))?.0)
        };
        let rules = PurchaseRules {
            limited: rate("CLUB_LIMIT_LIMITED_PURCHASES", default.rules.limited)?,
            purchases: rate("CLUB_LIMIT_PURCHASES", default.rules.purchases)?,
            cards: rate("CLUB_LIMIT_CARDS", default.rules.cards)?,
        };
        let grace = variables.parse::<u64>("CLUB_CHECKOUT_GRACE_MS", 10_000)?;
        let grace = i64::try_from(grace).map_or(default.grace, TimeDelta::milliseconds);
        Ok(Self {
            policy: ShopPolicy {
                rules,
                spend_order: variables.parse("CLUB_SPEND_ORDER", default.spend_order)?,
                grace,
                pending: seconds("CLUB_PENDING_SECONDS", default.pending)?,
                pending_with_stock: seconds(
                    "CLUB_PENDING_STOCKED_SECONDS",
                    default.pending_with_stock,
                )?,
            },
            grants: rate(
                "CLUB_LIMIT_GRANTS",
                Some(Rate { most: 30, within: TimeDelta::seconds(60) }),
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)], limits: bool) -> Result<ShopConfig, InvalidSetting> {
        ShopConfig::read(&pairs.iter().copied().collect(), limits)
    }

    #[test]
    fn limits_are_those_of_the_price_list_unless_they_are_set_or_off() {
        let most = |rate: Option<Rate>| rate.map(|rate| (rate.most, rate.within.num_seconds()));
        let default = read(&[], true).unwrap();
        assert_eq!(most(default.policy.rules.limited), Some((5, 10)));
        assert_eq!(most(default.grants), Some((30, 60)));
        let set = read(&[("CLUB_LIMIT_CARDS", "2/60")], true).unwrap();
        assert_eq!(most(set.policy.rules.cards), Some((2, 60)));
        let off = read(&[("CLUB_LIMIT_CARDS", "2/60")], false).unwrap();
        assert_eq!(off.policy.rules, PurchaseRules::default());
    }

    #[test]
    fn what_cannot_be_a_limit_is_refused() {
        for text in ["5", "0/10", "65/10", "5/0", "5/10/1", "-5/10", "5/86401"] {
            assert!(read(&[("CLUB_LIMIT_PURCHASES", text)], true).is_err(), "{text}");
        }
        assert!(read(&[("CLUB_SPEND_ORDER", "first")], true).is_err());
    }
}
