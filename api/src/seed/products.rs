//! The demo's catalogue: packs of gold for money, benefits for gold.

use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::id::ProductId;
use domain::limit::{Period, UseLimit};
use domain::money::{Cents, Currency, Gold, Percent};
use domain::offer::Rank;
use domain::product::{BenefitTerms, PackTerms, Terms};

/// The end of the discount on the pack for guests of the house: midnight in Seoul.
const VIP_DISCOUNT_ENDS_AT: &str = "2027-12-31T15:00:00Z";

/// A catalogue name with its Korean and English readings.
type Names = (&'static str, &'static str, &'static str);

/// What a benefit costs and how many one player may buy.
const BENEFITS: [(Names, u64, Option<UseLimit>); 9] = [
    (("anti_bankruptcy", "파산 방지", "Bankruptcy protection"), 20_000, None),
    (("attendance_connect", "출석 연결", "Attendance link"), 30_000, limit(3, Period::Month)),
    (("daily_comp_2x", "일일 콤프 2배", "Daily comp ×2"), 40_000, None),
    (
        ("charge_30_percent", "충전 30% 추가", "30 % more on a charge"),
        50_000,
        limit(1, Period::Week),
    ),
    (("early_promotion", "조기 승급", "Early promotion"), 500_000, limit(1, Period::Ever)),
    (("model_30k_voucher", "모델 3만 이용권", "Model voucher 30k"), 30_000, None),
    (("model_105k_voucher", "모델 10만5천 이용권", "Model voucher 105k"), 100_000, None),
    (("model_330k_voucher", "모델 33만 이용권", "Model voucher 330k"), 300_000, None),
    (("model_1150k_voucher", "모델 115만 이용권", "Model voucher 1150k"), 1_000_000, None),
];

const fn limit(count: u32, per: Period) -> Option<UseLimit> {
    Some(UseLimit { count, per })
}

/// All of them.
///
/// # Errors
/// Never: the numbers here are in range.
pub(super) fn all() -> anyhow::Result<Vec<(ProductId, Terms)>> {
    let packs = packs()?.into_iter().map(Terms::Pack);
    let mut all: Vec<_> = (1_001..).map(ProductId).zip(packs).collect();
    for (number, (names, price, user_limit)) in (2_001..).zip(BENEFITS) {
        all.push((ProductId(number), Terms::Benefit(benefit(names, price, user_limit)?)));
    }
    Ok(all)
}

fn packs() -> anyhow::Result<[PackTerms; 4]> {
    let vip_end: DateTime<Utc> = VIP_DISCOUNT_ENDS_AT.parse()?;
    let small = pack(("GOLD_PACK_SMALL", "골드 팩 (소)", "Small gold pack"), 299, 100, 0)?;
    let medium = pack(("GOLD_PACK_MED", "골드 팩 (중)", "Medium gold pack"), 1_299, 550, 8)?;
    let big = pack(("GOLD_PACK_BIG", "골드 팩 (대)", "Big gold pack"), 2_499, 1_200, 12)?;
    let vip = pack(("GOLD_PACK_VIP", "VIP 골드 팩", "VIP gold pack"), 5_999, 3_000, 15)?;
    let vip = PackTerms { min_rank: Rank::Vip, discount_ends_at: Some(vip_end), ..vip };
    Ok([small, medium, big, vip])
}

fn pack(
    (sku, name, name_en): Names,
    cents: u64,
    gold: u64,
    discount: u8,
) -> anyhow::Result<PackTerms> {
    Ok(PackTerms {
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

fn benefit(
    (sku, name, name_en): Names,
    price: u64,
    user_limit: Option<UseLimit>,
) -> anyhow::Result<BenefitTerms> {
    Ok(BenefitTerms {
        sku: sku.to_owned(),
        name: name.to_owned(),
        name_en: name_en.to_owned(),
        price: Gold::new(price).context("price")?,
        user_limit,
        valid_days: None,
        min_rank: Rank::Standard,
        on_sale: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packs_are_those_of_the_price_list() {
        let told = packs().unwrap().map(|terms| (terms.price_cents.0, terms.gold.amount()));
        assert_eq!(told, [(299, 100), (1_299, 550), (2_499, 1_200), (5_999, 3_000)]);
    }

    #[test]
    fn packs_and_benefits_have_numbers_of_their_own() {
        let numbers: Vec<_> = all().unwrap().into_iter().map(|(id, _)| id.0).collect();
        assert_eq!(numbers, (1_001..=1_004).chain(2_001..=2_009).collect::<Vec<_>>());
    }
}
