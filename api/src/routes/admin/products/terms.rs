//! A product's terms, as the staff sends and sees them.

use chrono::{DateTime, Utc};
use domain::id::ProductId;
use domain::money::Currency;
use domain::offer::Rank;
use domain::product::{BenefitTerms, PackTerms, Terms};
use projections::read_models::catalog::{CatalogBenefit, CatalogEntry, CatalogProduct};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::{LimitView, rank_name};
use crate::auth::sign_in::rfc3339;
use crate::body::Fields;
use crate::body::values;
use crate::error::ApiError;

/// What a product is and costs: what is left out is set to its default. A pack of gold (`kind`
/// `gold`) has `price_cents` and `gold`; a benefit (`kind` `item`) has `price_gold`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub struct TermsWish {
    /// When a product is made: its number; the next free one, if left out.
    #[schema(value_type = Option<i64>)]
    id: Option<ProductId>,
    /// `gold` or `item`; `gold`, if left out.
    kind: Option<String>,
    /// The catalogue's own name, such as `GOLD_PACK_SMALL`; a benefit's may have small letters.
    sku: String,
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// Of a pack: price of one, before discount.
    price_cents: Option<u64>,
    /// Of a pack: USD, if left out.
    currency: Option<String>,
    /// Of a pack: gold in one.
    gold: Option<u64>,
    /// Of a pack: 0 to 100; 0, if left out.
    #[schema(maximum = 100)]
    discount_percent: Option<u8>,
    /// Of a pack: from when on the discount no longer counts; never, if left out.
    discount_ends_at: Option<DateTime<Utc>>,
    /// Of a benefit: price of one, in gold.
    price_gold: Option<u64>,
    /// Of a benefit: how many one player may buy; any number, if left out.
    limit: Option<LimitView>,
    /// Of a benefit: for how many days after the purchase it can be used; for ever, if left out.
    valid_days: Option<u16>,
    /// `STANDARD` or `VIP`; `STANDARD`, if left out.
    #[schema(value_type = Option<String>)]
    min_rank: Option<Rank>,
    /// Whether it is on sale; true, if left out.
    on_sale: Option<bool>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// The terms of a body, and the key that came with them.
#[derive(Debug)]
pub(super) struct SentTerms {
    pub(super) terms: Terms,
    pub(super) idempotency_key: Option<String>,
}

/// Which kind of product.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Pack,
    Benefit,
}

impl SentTerms {
    /// From a body, of which the rest has been taken.
    pub(super) fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let kinds = values::one_of(&[("gold", Kind::Pack), ("item", Kind::Benefit)]);
        let kind = fields.nullable("kind", kinds);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        let terms = match kind.unwrap_or(Kind::Pack) {
            Kind::Pack => pack(&mut fields).map(Terms::Pack),
            Kind::Benefit => benefit(&mut fields).map(Terms::Benefit),
        };
        fields.finish(|| Some(Self { terms: terms?, idempotency_key }))
    }
}

fn pack(fields: &mut Fields) -> Option<PackTerms> {
    let sku = fields.required("sku", values::sku);
    let name = fields.required("name", values::line(1, 100));
    let name_en = fields.required("name_en", values::line(1, 100));
    let price_cents = fields.required("price_cents", values::price);
    let gold = fields.required("gold", values::gold);
    let currency = fields.nullable("currency", values::currency);
    let discount_percent = fields.nullable("discount_percent", values::percent);
    let discount_ends_at = fields.nullable("discount_ends_at", values::moment);
    let min_rank = fields.nullable("min_rank", values::rank);
    let on_sale = fields.nullable("on_sale", values::boolean);
    Some(PackTerms {
        sku: sku?,
        name: name?,
        name_en: name_en?,
        price_cents: price_cents?,
        currency: currency.unwrap_or(Currency::USD),
        gold: gold?,
        discount_percent: discount_percent.unwrap_or_default(),
        discount_ends_at,
        min_rank: min_rank.unwrap_or_default(),
        on_sale: on_sale.unwrap_or(true),
    })
}

fn benefit(fields: &mut Fields) -> Option<BenefitTerms> {
    let sku = fields.required("sku", values::benefit_sku);
    let name = fields.required("name", values::line(1, 100));
    let name_en = fields.required("name_en", values::line(1, 100));
    let price = fields.required("price_gold", values::gold);
    let user_limit = fields.nullable("limit", values::use_limit);
    let valid_days = fields.nullable("valid_days", values::days);
    let min_rank = fields.nullable("min_rank", values::rank);
    let on_sale = fields.nullable("on_sale", values::boolean);
    Some(BenefitTerms {
        sku: sku?,
        name: name?,
        name_en: name_en?,
        price: price?,
        user_limit,
        valid_days,
        min_rank: min_rank.unwrap_or_default(),
        on_sale: on_sale.unwrap_or(true),
    })
}

/// A product, on sale or not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind")]
pub enum ProductView {
    /// Gold for real money.
    #[serde(rename = "gold")]
    Pack(PackView),
    /// A benefit for gold.
    #[serde(rename = "item")]
    Benefit(BenefitView),
}

/// A pack of gold.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackView {
    id: i64,
    sku: String,
    name: String,
    name_en: String,
    price_cents: u64,
    currency: String,
    gold: u64,
    discount_percent: u64,
    discount_ends_at: Option<String>,
    min_rank: String,
    on_sale: bool,
    version: u64,
}

/// A benefit.
#[derive(Debug, Serialize, ToSchema)]
pub struct BenefitView {
    id: i64,
    sku: String,
    name: String,
    name_en: String,
    price_gold: u64,
    limit: Option<LimitView>,
    valid_days: Option<u64>,
    min_rank: String,
    on_sale: bool,
    version: u64,
}

impl From<CatalogEntry> for ProductView {
    fn from(entry: CatalogEntry) -> Self {
        match entry {
            CatalogEntry::Pack(product) => Self::Pack(product.into()),
            CatalogEntry::Benefit(benefit) => Self::Benefit(benefit.into()),
        }
    }
}

impl From<CatalogProduct> for PackView {
    fn from(product: CatalogProduct) -> Self {
        Self {
            id: product.id,
            sku: product.sku,
            name: product.name,
            name_en: product.name_en,
            price_cents: product.price_cents,
            currency: product.currency,
            gold: product.gold,
            discount_percent: product.discount_percent,
            discount_ends_at: product.discount_ends_at.map(rfc3339),
            min_rank: product.min_rank,
            on_sale: product.on_sale,
            version: product.version,
        }
    }
}

impl From<CatalogBenefit> for BenefitView {
    fn from(benefit: CatalogBenefit) -> Self {
        Self {
            id: benefit.id,
            sku: benefit.sku,
            name: benefit.name,
            name_en: benefit.name_en,
            price_gold: benefit.price_gold,
            limit: benefit.user_limit.map(LimitView::from),
            valid_days: benefit.valid_days,
            min_rank: benefit.min_rank,
            on_sale: benefit.on_sale,
            version: benefit.version,
        }
    }
}

impl ProductView {
    /// As the log has it.
    pub(super) fn of(id: ProductId, version: u32, terms: &Terms) -> Self {
        match terms {
            Terms::Pack(terms) => Self::Pack(pack_view(id, version, terms)),
            Terms::Benefit(terms) => Self::Benefit(benefit_view(id, version, terms)),
        }
    }

    /// The number of its terms.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Pack(PackView { version, .. }) | Self::Benefit(BenefitView { version, .. }) => {
                *version
            }
        }
    }
}

fn pack_view(id: ProductId, version: u32, terms: &PackTerms) -> PackView {
    PackView {
        id: id.0,
        sku: terms.sku.clone(),
        name: terms.name.clone(),
        name_en: terms.name_en.clone(),
        price_cents: terms.price_cents.0,
        currency: terms.currency.into(),
        gold: terms.gold.amount(),
        discount_percent: u8::from(terms.discount_percent).into(),
        discount_ends_at: terms.discount_ends_at.map(rfc3339),
        min_rank: rank_name(terms.min_rank).to_owned(),
        on_sale: terms.on_sale,
        version: version.into(),
    }
}

fn benefit_view(id: ProductId, version: u32, terms: &BenefitTerms) -> BenefitView {
    BenefitView {
        id: id.0,
        sku: terms.sku.clone(),
        name: terms.name.clone(),
        name_en: terms.name_en.clone(),
        price_gold: terms.price.amount(),
        limit: terms.user_limit.map(LimitView::from),
        valid_days: terms.valid_days.map(u64::from),
        min_rank: rank_name(terms.min_rank).to_owned(),
        on_sale: terms.on_sale,
        version: version.into(),
    }
}
