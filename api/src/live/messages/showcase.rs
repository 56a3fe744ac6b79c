//! What is told of products, packages and events: each whole, and nothing that depends on the time of day.

use domain::id::{LiveEventId, PackageCode, ProductId};
use domain::live_event::{EventStatus, LiveEvent};
use domain::offer::Ware;
use domain::package::Package;
use domain::product::{BenefitTerms, PackTerms, Product, Terms};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::topic::{Change, Key};
use super::Says;
use super::always::Is;
use super::purchase::product_or_package;
use crate::auth::sign_in::rfc3339;
use crate::routes::{
    LeaderboardTermsView, LimitView, RecurrenceView, RequirementView, RewardsView, rank_name,
};

/// What is offered, or is not any more.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum CatalogData<'a> {
    /// It is on sale: all of it.
    OnSale(CatalogItem<'a>),
    /// It is not: its name only. Nobody learns the terms of what is not offered.
    Gone(GoneItem),
}

/// Something that is no longer there.
#[derive(Serialize, ToSchema)]
pub struct GoneItem {
    kind: CatalogKind,
    /// The product's number, or the package's code.
    #[schema(schema_with = product_or_package)]
    id: Ware,
    #[schema(inline)]
    on_sale: Is<false>,
}

/// What can be on sale.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatalogKind {
    /// Gold for real money.
    Pack,
    /// Something for gold.
    Benefit,
    /// Gold for real money, for a while or as long as there is some.
    Package,
}

/// What is on sale.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CatalogItem<'a> {
    /// Gold for real money.
    Pack {
        #[schema(value_type = i64)]
        id: ProductId,
        #[schema(inline)]
        on_sale: Is<true>,
        version: u32,
        sku: &'a str,
        name: &'a str,
        name_en: &'a str,
        /// Of one, before discount.
        price_cents: u64,
        currency: String,
        gold: u64,
        discount_percent: u8,
        #[schema(required = true)]
        discount_ends_at: Option<String>,
        min_rank: &'static str,
    },
    /// Something for gold.
    Benefit {
        #[schema(value_type = i64)]
        id: ProductId,
        #[schema(inline)]
        on_sale: Is<true>,
        version: u32,
        sku: &'a str,
        name: &'a str,
        name_en: &'a str,
        price_gold: u64,
        #[schema(required = true)]
        limit: Option<LimitView>,
        #[schema(required = true)]
        valid_days: Option<u16>,
        min_rank: &'static str,
    },
    /// Gold for real money, for a while or as long as there is some.
    Package {
        /// Its code.
        #[schema(value_type = String)]
        id: PackageCode,
        #[schema(inline)]
        on_sale: Is<true>,
        name: &'a str,
        name_en: &'a str,
        price_cents: u64,
        currency: String,
        gold: u64,
        starts_at: String,
        ends_at: String,
        #[schema(required = true)]
        limit: Option<LimitView>,
        /// Any number, if `null`.
        #[schema(required = true)]
        remaining_stock: Option<u64>,
    },
}

/// An event that players join.
#[derive(Serialize, ToSchema)]
pub struct LiveEventData<'a> {
    #[schema(value_type = i64)]
    id: LiveEventId,
    version: u32,
    /// `published`, `paused` or `ended`.
    status: &'static str,
    name: &'a str,
    name_en: &'a str,
    r#type: &'static str,
    starts_at: String,
    #[schema(required = true)]
    ends_at: Option<String>,
    #[schema(required = true)]
    recurrence: Option<RecurrenceView>,
    #[schema(required = true)]
    capacity: Option<u32>,
    /// Of which occurrence seats were taken last, and how many.
    #[schema(required = true)]
    seats: Option<SeatsData>,
    min_rank: &'static str,
    segment: &'static str,
    requirements: Vec<RequirementView>,
    rewards: RewardsView,
    auto_claim: bool,
    priority: i32,
    #[schema(required = true)]
    leaderboard: Option<LeaderboardTermsView>,
}

/// Seats that are taken.
#[derive(Serialize, ToSchema)]
pub struct SeatsData {
    occurrence_at: String,
    taken: u32,
}

impl Says for CatalogData<'_> {
    const TYPE: &'static str = "catalog_update";
}

impl Says for LiveEventData<'_> {
    const TYPE: &'static str = "event_update";
}

/// A product as it is now; `None` before it has terms.
#[must_use]
pub fn product(id: ProductId, product: &Product) -> Option<Change> {
    let (version, terms) = product.terms()?;
    let key = ("product", format!("{:020}", id.0));
    let (kind, item, is_listed) = match terms {
        Terms::Pack(terms) => (CatalogKind::Pack, pack(id, version, terms), terms.on_sale),
        Terms::Benefit(terms) => (CatalogKind::Benefit, benefit(id, version, terms), terms.on_sale),
    };
    Some(change(key, is_listed, item, (kind, Ware::Product(id))))
}

fn pack(id: ProductId, version: u32, terms: &PackTerms) -> CatalogItem<'_> {
    CatalogItem::Pack {
        id,
        on_sale: Is,
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

fn benefit(id: ProductId, version: u32, terms: &BenefitTerms) -> CatalogItem<'_> {
    CatalogItem::Benefit {
        id,
        on_sale: Is,
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
    let item = CatalogItem::Package {
        id,
        on_sale: Is,
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
    let key = ("package", id.to_string());
    Some(change(key, terms.on_sale, item, (CatalogKind::Package, Ware::Package(id))))
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

/// What is taken off sale is told once more, by its name.
fn change(
    key: Key,
    is_listed: bool,
    item: CatalogItem<'_>,
    (kind, id): (CatalogKind, Ware),
) -> Change {
    let update = if is_listed {
        CatalogData::OnSale(item)
    } else {
        CatalogData::Gone(GoneItem { kind, id, on_sale: Is })
    };
    Change { key, data: json(&update), is_listed }
}

fn json(data: &impl Serialize) -> String {
    // All of it has a JSON form.
    serde_json::to_string(data).unwrap_or_default()
}
