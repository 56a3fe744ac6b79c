//! What is sold: gold packs, a package of which there are few, one without end, a promotion with few
//! uses, benefits.

use commands::Commands;
use commands::context::Caller;
use commands::shop::{Buy, BuyBenefit};
use domain::id::{PackageCode, PlayerId, ProductId, PromoCode};
use domain::limit::{Period, UseLimit};
use domain::money::{Cents, Currency, Gold, Percent, Quantity};
use domain::offer::{Rank, Ware};
use domain::package::PackageTerms;
use domain::product::{BenefitTerms, PackTerms, Terms};
use domain::promo::{PromoOff, PromoTerms};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::players::card;

const SMALL_PACK: ProductId = ProductId(1001);
const BIG_PACK: ProductId = ProductId(1002);
const TICKET: ProductId = ProductId(2001);
const VOUCHER: ProductId = ProductId(2002);

pub fn few() -> PackageCode {
    "WEEKEND_STARTER".parse().unwrap()
}

fn endless() -> PackageCode {
    "VIP_BLITZ".parse().unwrap()
}

pub fn save() -> PromoCode {
    "SAVE".parse().unwrap()
}

fn gold(amount: u64) -> Gold {
    Gold::new(amount).unwrap()
}

/// Puts everything on sale; how much there is of it is a matter of chance.
pub async fn define(commands: &Commands, dice: &mut StdRng) {
    let caller = Caller::system("test");
    let small = domain::testing::small_pack();
    let big = PackTerms {
        sku: "GOLD_PACK_MED".into(),
        price_cents: Cents(1_299),
        gold: gold(550),
        discount_percent: Percent::new(8).unwrap(),
        ..small.clone()
    };
    for (id, terms) in [
        (SMALL_PACK, Terms::Pack(small)),
        (BIG_PACK, Terms::Pack(big)),
        (TICKET, benefit("ticket", 150, some_limit(dice), Some(1))),
        (VOUCHER, benefit("voucher", 700, None, None)),
    ] {
        commands.define_product(&caller, id, terms).await.unwrap();
    }
    let stock = Some(dice.random_range(2..7));
    let terms = package(499, 600, stock, some_limit(dice));
    commands.define_package(&caller, few(), terms).await.unwrap();
    let terms = package(1_999, 2_600, None, some_limit(dice));
    commands.define_package(&caller, endless(), terms).await.unwrap();
    commands.define_promo(&caller, save(), promo(dice)).await.unwrap();
}

fn some_limit(dice: &mut StdRng) -> Option<UseLimit> {
    let per = *[Period::Ever, Period::Month, Period::Week, Period::Day].choose(dice).unwrap();
    dice.random_bool(0.8).then(|| UseLimit { count: dice.random_range(1..4), per })
}

fn benefit(sku: &str, price: u64, user_limit: Option<UseLimit>, valid_days: Option<u16>) -> Terms {
    Terms::Benefit(BenefitTerms {
        sku: sku.into(),
        name: sku.into(),
        name_en: sku.into(),
        price: gold(price),
        user_limit,
        valid_days,
        min_rank: Rank::Standard,
        on_sale: true,
    })
}

fn package(
    cents: u64,
    coins: u64,
    stock_total: Option<u32>,
    user_limit: Option<UseLimit>,
) -> PackageTerms {
    PackageTerms {
        name: "package".into(),
        name_en: "package".into(),
        price_cents: Cents(cents),
        currency: Currency::USD,
        gold: gold(coins),
        stock_total,
        user_limit,
        starts_at: "2026-11-01T00:00:00Z".parse().unwrap(),
        ends_at: "2027-11-01T00:00:00Z".parse().unwrap(),
        on_sale: true,
    }
}

fn promo(dice: &mut StdRng) -> PromoTerms {
    let off = match dice.random_bool(0.5) {
        true => PromoOff::Percent(Percent::new(dice.random_range(1..=100)).unwrap()),
        false => PromoOff::Cents(Cents(dice.random_range(1..600))),
    };
    PromoTerms {
        package: dice.random_bool(0.3).then(few),
        off,
        max_uses: dice.random_bool(0.8).then(|| dice.random_range(1..5)),
        user_limit: dice.random_bool(0.7).then(|| dice.random_range(1..3)),
        starts_at: None,
        ends_at: None,
    }
}

pub fn some_purchase(player: PlayerId, dice: &mut StdRng) -> Buy {
    let ware = match dice.random_range(0..10) {
        0..5 => Ware::Package(few()),
        5..7 => Ware::Package(endless()),
        7..9 => Ware::Product(SMALL_PACK),
        _ => Ware::Product(BIG_PACK),
    };
    Buy {
        player,
        ware,
        sku: None,
        quantity: some_quantity(dice),
        promo: dice.random_bool(0.4).then(save),
        payment_method: None,
        card: card(dice.random_range(0..3)),
    }
}

pub fn some_benefit(player: PlayerId, dice: &mut StdRng) -> BuyBenefit {
    let product = *[TICKET, VOUCHER].choose(dice).unwrap();
    BuyBenefit { player, product, sku: None, quantity: some_quantity(dice) }
}

/// One, mostly.
fn some_quantity(dice: &mut StdRng) -> Quantity {
    Quantity::new(*[1, 1, 1, 2, 3].choose(dice).unwrap()).unwrap()
}
