//! What is told of products, packages and events: each whole, and nothing that depends on the time of day.

use domain::id::{LiveEventId, PackageCode, ProductId};
use domain::live_event::{EventStatus, LiveEvent};
use domain::package::Package;
use domain::product::{BenefitTerms, PackTerms, Product, Terms};
use serde::Serialize;

use super::super::topic::{Change, Key};
use crate::auth::sign_in::rfc3339;
use crate::routes::{
    LeaderboardTermsView, LimitView, RecurrenceView, RequirementView, RewardsView, rank_name,
};

/// Something that is no longer there.
#[derive(Serialize)]
struct Gone<I> {
    kind: &'static str,
    id: I,
    on_sale: bool,
}

#[derive(Serialize)]
struct PackData<'a> {
    kind: &'static str,
    id: ProductId,
    on_sale: bool,
    version: u32,
    sku: &'a str,
    name: &'a str,
    name_en: &'a str,
    /// Of one, before discount.
    price_cents: u64,
    currency: String,
    gold: u64,
    discount_percent: u8,
    discount_ends_at: Option<String>,
    min_rank: &'static str,
}

#[derive(Serialize)]
struct BenefitData<'a> {
    kind: &'static str,
    id: ProductId,
    on_sale: bool,
    version: u32,
    sku: &'a str,
    name: &'a str,
    name_en: &'a str,
    price_gold: u64,
    limit: Option<LimitView>,
    valid_days: Option<u16>,
    min_rank: &'static str,
}

#[derive(Serialize)]
struct PackageData<'a> {
    kind: &'static str,
    /// Its code.
    id: PackageCode,
    on_sale: bool,
    name: &'a str,
    name_en: &'a str,
    price_cents: u64,
    currency: String,
    gold: u64,
    starts_at: String,
    ends_at: String,
    limit: Option<LimitView>,
    /// Any number, if `null`.
    remaining_stock: Option<u64>,
}

#[derive(Serialize)]
struct LiveEventData<'a> {
    id: LiveEventId,
    version: u32,
    /// `published`, `paused` or `ended`.
    status: &'static str,
    name: &'a str,
    name_en: &'a str,
    r#type: &'static str,
    starts_at: String,
    ends_at: Option<String>,
    recurrence: Option<RecurrenceView>,
    capacity: Option<u32>,
    /// Of which occurrence seats were taken last, and how many.
    seats: Option<SeatsData>,
    min_rank: &'static str,
    segment: &'static str,
    requirements: Vec<RequirementView>,
    rewards: RewardsView,
    auto_claim: bool,
    priority: i32,
    leaderboard: Option<LeaderboardTermsView>,
}

#[derive(Serialize)]
struct SeatsData {
    occurrence_at: String,
    taken: u32,
}

/// A product as it is now; `None` before it has terms.
#[must_use]
pub fn product(id: ProductId, product: &Product) -> Option<Change> {
    let (version, terms) = product.terms()?;
    let key = ("product", format!("{:020}", id.0));
    Some(match terms {
        Terms::Pack(terms) => change(key, terms.on_sale, || pack(id, version, terms), ("pack", id)),
        Terms::Benefit(terms) => {
            change(key, terms.on_sale, || benefit(id, version, terms), ("benefit", id))
        }
    })
}

fn pack(id: ProductId, version: u32, terms: &PackTerms) -> PackData<'_> {
    PackData {
        kind: "pack",
        id,
        on_sale: true,
        version,
        sku: &terms.sku,
        name: &terms.name,
        name_en: &terms.name_en,
        price_cents: terms.price_cents.0,
        currency: terms.currency.into(),
        gold: terms.gold.amount(),
        discount_percent: terms.discount_percent.into(),
        discount_ends_at: terms.discount_ends_at.map(rfc3339),
        min_rank: rank_name(terms.min_rank),
    }
}

fn benefit(id: ProductId, version: u32, terms: &BenefitTerms) -> BenefitData<'_> {
    BenefitData {
        kind: "benefit",
        id,
        on_sale: true,
        version,
        sku: &terms.sku,
        name: &terms.name,
        name_en: &terms.name_en,
        price_gold: terms.price.amount(),
        limit: terms.user_limit.map(LimitView::from),
        valid_days: terms.valid_days,
        min_rank: rank_name(terms.min_rank),
    }
}

/// A package as it is now; `None` before it has terms.
#[must_use]
pub fn package(id: PackageCode, package: &Package) -> Option<Change> {
    let terms = package.terms()?;
    let data = || PackageData {
        kind: "package",
        id,
        on_sale: true,
        name: &terms.name,
        name_en: &terms.name_en,
        price_cents: terms.price_cents.0,
        currency: terms.currency.into(),
        gold: terms.gold.amount(),
        starts_at: rfc3339(terms.starts_at),
        ends_at: rfc3339(terms.ends_at),
        limit: terms.user_limit.map(LimitView::from),
        remaining_stock: package.left(),
    };
    Some(change(("package", id.to_string()), terms.on_sale, data, ("package", id)))
}

/// An event as it is now; `None` while nobody may see it.
#[must_use]
pub fn live_event(id: LiveEventId, event: &LiveEvent) -> Option<Change> {
    if !is_seen(event) {
        return None;
    }
    let (version, terms) = event.terms()?;
    let seats = |(occurrence_at, taken)| SeatsData { occurrence_at: rfc3339(occurrence_at), taken };
    let data = LiveEventData {
        id,
        version,
        status: event.status().name(),
        name: &terms.name,
        name_en: &terms.name_en,
        r#type: terms.kind.name(),
        starts_at: rfc3339(terms.starts_at),
        ends_at: terms.ends_at.map(rfc3339),
        recurrence: terms.recurrence.as_ref().map(RecurrenceView::from),
        capacity: terms.capacity,
        seats: event.seats().map(seats),
        min_rank: rank_name(terms.eligibility.min_rank),
        segment: terms.eligibility.segment.name(),
        requirements: terms.requirements.iter().map(RequirementView::from).collect(),
        rewards: RewardsView::from(&terms.rewards),
        auto_claim: terms.auto_claim,
        priority: terms.priority,
        leaderboard: LeaderboardTermsView::of(terms),
    };
    Some(Change { key: ("event", format!("{:020}", id.0)), data: json(&data), is_listed: true })
}

/// Whether players see it.
#[must_use]
pub fn is_seen(event: &LiveEvent) -> bool {
    match event.status() {
        EventStatus::Draft => false,
        EventStatus::Published | EventStatus::Paused | EventStatus::Ended => true,
    }
}

/// What is taken off sale tells its name only: nobody learns the terms of what is not offered.
fn change<D: Serialize, I: Serialize>(
    key: Key,
    is_listed: bool,
    data: impl FnOnce() -> D,
    (kind, id): (&'static str, I),
) -> Change {
    let data = if is_listed { json(&data()) } else { json(&Gone { kind, id, on_sale: false }) };
    Change { key, data, is_listed }
}

fn json(data: &impl Serialize) -> String {
    // All of it has a JSON form.
    serde_json::to_string(data).unwrap_or_default()
}
