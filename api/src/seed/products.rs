//! The demo's gold packs.

use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::id::ProductId;
use domain::money::{Cents, Currency, Gold, Percent};
use domain::product::{Rank, Terms};

/// The end of the discount on the pack for guests of the house: midnight in Seoul.
const VIP_DISCOUNT_ENDS_AT: &str = "2027-12-31T15:00:00Z";

/// All of them.
///
/// # Errors
/// Never: the numbers below are in range.
pub(super) fn all() -> anyhow::Result<Vec<(ProductId, Terms)>> {
    let vip_end: DateTime<Utc> = VIP_DISCOUNT_ENDS_AT.parse()?;
    let small = pack(("GOLD_PACK_SMALL", "골드 팩 (소)", "Small gold pack"), 299, 100, 0)?;
    let medium = pack(("GOLD_PACK_MED", "골드 팩 (중)", "Medium gold pack"), 1_299, 550, 8)?;
    let big = pack(("GOLD_PACK_BIG", "골드 팩 (대)", "Big gold pack"), 2_499, 1_200, 12)?;
    let vip = pack(("GOLD_PACK_VIP", "VIP 골드 팩", "VIP gold pack"), 5_999, 3_000, 15)?;
    let vip = Terms { min_rank: Rank::Vip, discount_ends_at: Some(vip_end), ..vip };
    Ok((1_001..).map(ProductId).zip([small, medium, big, vip]).collect())
}

fn pack(
    (sku, name, name_en): (&str, &str, &str),
    cents: u64,
    gold: u64,
    discount: u8,
) -> anyhow::Result<Terms> {
    Ok(Terms {
        sku: sku.to_owned(),
        name: name.to_owned(),
        name_en: name_en.to_owned(),
        price_cents: Cents(cents),
        currency: Currency::USD,
        gold: Gold::new(gold).context("gold")?,
        discount_percent: Percent::new(discount).context("discount")?,
        discount_ends_at: None,
        min_rank: Rank::Standard,
        on_sale: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packs_are_those_of_the_price_list() {
        let told: Vec<_> = all()
            .unwrap()
            .into_iter()
            .map(|(id, terms)| (id.0, terms.price_cents.0, terms.gold.amount()))
            .collect();
        let expected =
            [(1001, 299, 100), (1002, 1_299, 550), (1003, 2_499, 1_200), (1004, 5_999, 3_000)];
        assert_eq!(told, expected);
    }
}
