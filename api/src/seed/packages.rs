//! The demo's limited packages, and a promotion for them.

use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::id::{PackageCode, PromoCode};
use domain::limit::{Period, UseLimit};
use domain::money::{Cents, Currency, Gold, Percent};
use domain::package::PackageTerms;
use domain::promo::{PromoOff, PromoTerms};

/// The window of both: fixed, so that what is there stays the same at every start.
const STARTS_AT: &str = "2026-01-01T00:00:00Z";
const ENDS_AT: &str = "2036-01-01T00:00:00Z";

/// All packages.
///
/// # Errors
/// Never: the numbers and codes here are in range.
pub(super) fn all() -> anyhow::Result<[(PackageCode, PackageTerms); 2]> {
    let starter = package(("주말 스타터", "Weekend starter"), 499, 600, Some(1_000), 1)?;
    let blitz = package(("VIP 블리츠", "VIP blitz"), 1_999, 2_600, None, 2)?;
    Ok([("WEEKEND_STARTER".parse()?, starter), ("VIP_BLITZ".parse()?, blitz)])
}

fn package(
    (name, name_en): (&str, &str),
    cents: u64,
    gold: u64,
    stock_total: Option<u32>,
    per_user: u32,
) -> anyhow::Result<PackageTerms> {
    let (starts_at, ends_at): (DateTime<Utc>, _) = (STARTS_AT.parse()?, ENDS_AT.parse()?);
    Ok(PackageTerms {
        name: name.to_owned(),
        name_en: name_en.to_owned(),
        price_cents: Cents(cents),
        currency: Currency::USD,
        gold: Gold::new(gold).context("gold")?,
        stock_total,
        user_limit: Some(UseLimit { count: per_user, per: Period::Ever }),
        starts_at,
        ends_at,
        on_sale: true,
    })
}

/// All promotions: ten percent off a package, once for each player.
///
/// # Errors
/// Never, as above.
pub(super) fn promos() -> anyhow::Result<[(PromoCode, PromoTerms); 1]> {
    let terms = PromoTerms {
        package: None,
        off: PromoOff::Percent(Percent::new(10).context("percent")?),
        max_uses: None,
        user_limit: Some(1),
        starts_at: None,
        ends_at: None,
    };
    Ok([("WELCOME10".parse()?, terms)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_promotions_can_be_made() {
        let told = all().unwrap().map(|(code, terms)| (code.to_string(), terms.stock_total));
        let expected = [("WEEKEND_STARTER", Some(1_000)), ("VIP_BLITZ", None)];
        assert_eq!(told, expected.map(|(code, stock)| (code.to_owned(), stock)));
        assert_eq!(promos().unwrap()[0].0.as_str(), "WELCOME10");
    }
}
