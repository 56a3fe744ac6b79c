//! The catalogue: each product with its present terms, on sale or not. Packs of gold are sold for real
//! money, benefits for gold.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::ProductId;
use domain::limit::{Period, UseLimit};
use domain::offer::Rank;
use domain::product::{BenefitTerms, PackTerms, Terms};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, named, number, optional_number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "catalog";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position         bigint  not null,
    product_id       bigint  not null,
    version          bigint  not null,
    kind             text    not null check (kind in ('pack', 'benefit')),
    sku              text    not null,
    name             text    not null,
    name_en          text    not null,
    price_cents      bigint,
    currency         text,
    gold             bigint,
    discount_percent bigint,
    discount_ends_at timestamptz,
    price_gold       bigint,
    limit_count      bigint,
    limit_period     text,
    valid_days       bigint,
    min_rank         text    not null,
    on_sale          bigint  not null,
    check (kind <> 'pack' or num_nulls(price_cents, currency, gold, discount_percent) = 0),
    check (kind <> 'benefit' or price_gold is not null)
)";

/// A pack of gold with its present terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogProduct {
    /// Its id.
    pub id: i64,
    /// The catalogue's name of it.
    pub sku: String,
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Price of one, before discount, in hundredths of the currency's unit.
    pub price_cents: u64,
    /// ISO 4217.
    pub currency: String,
    /// Gold in one.
    pub gold: u64,
    /// Discount on the price, until it ends.
    pub discount_percent: u64,
    /// From when on the discount no longer counts.
    pub discount_ends_at: Option<DateTime<Utc>>,
    /// The least rank that may buy it: `STANDARD` or `VIP`.
    pub min_rank: String,
    /// Whether it is on sale.
    pub on_sale: bool,
    /// The number of these terms.
    pub version: u64,
}

/// A benefit with its present terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogBenefit {
    /// Its id.
    pub id: i64,
    /// The catalogue's name of it.
    pub sku: String,
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Price of one, in gold.
    pub price_gold: u64,
    /// How many one player may buy, if that is limited.
    pub user_limit: Option<UseLimit>,
    /// For how many days after the purchase it can be used; for ever, if not given.
    pub valid_days: Option<u64>,
    /// The least rank that may buy it: `STANDARD` or `VIP`.
    pub min_rank: String,
    /// Whether it is on sale.
    pub on_sale: bool,
    /// The number of these terms.
    pub version: u64,
}

/// A product of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CatalogEntry {
    /// Gold for real money.
    Pack(CatalogProduct),
    /// A benefit for gold.
    Benefit(CatalogBenefit),
}

impl CatalogEntry {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ProductId {
        match self {
            Self::Pack(CatalogProduct { id, .. }) | Self::Benefit(CatalogBenefit { id, .. }) => {
                ProductId(*id)
            }
        }
    }
}

/// Every pack of gold, by id.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn list(pool: &PgPool) -> Result<At<Vec<CatalogProduct>>, ReadError> {
    let rows = "select * from read.catalog where kind = 'pack' order by product_id";
    read_at(pool, rows, |query| query, pack).await
}

/// Every benefit, by id.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn benefits(pool: &PgPool) -> Result<At<Vec<CatalogBenefit>>, ReadError> {
    let rows = "select * from read.catalog where kind = 'benefit' order by product_id";
    read_at(pool, rows, |query| query, benefit).await
}

/// Every product of both kinds, by id.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn all(pool: &PgPool) -> Result<At<Vec<CatalogEntry>>, ReadError> {
    read_at(pool, "select * from read.catalog order by product_id", |query| query, entry).await
}

/// The product with this catalogue name, on sale or not.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_sku(pool: &PgPool, sku: &str) -> Result<At<Option<CatalogEntry>>, ReadError> {
    let rows = "select * from read.catalog where sku = $1 order by product_id desc limit 1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(sku.to_owned()), entry).await?;
    Ok(At { position, rows: rows.pop() })
}

/// The product with this number, on sale or not.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(pool: &PgPool, id: ProductId) -> Result<At<Option<CatalogEntry>>, ReadError> {
    let rows = "select * from read.catalog where product_id = $1";
    let At { position, mut rows } = read_at(pool, rows, |query| query.bind(id.0), entry).await?;
    Ok(At { position, rows: rows.pop() })
}

fn entry(row: &PgRow) -> Result<CatalogEntry, ReadError> {
    match row.try_get("kind")? {
        "pack" => pack(row).map(CatalogEntry::Pack),
        _ => benefit(row).map(CatalogEntry::Benefit),
    }
}

fn pack(row: &PgRow) -> Result<CatalogProduct, ReadError> {
    Ok(CatalogProduct {
        id: row.try_get("product_id")?,
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        name_en: row.try_get("name_en")?,
        price_cents: number(row, "price_cents")?,
        currency: row.try_get("currency")?,
        gold: number(row, "gold")?,
        discount_percent: number(row, "discount_percent")?,
        discount_ends_at: row.try_get("discount_ends_at")?,
        min_rank: row.try_get("min_rank")?,
        on_sale: number(row, "on_sale")? == 1,
        version: number(row, "version")?,
    })
}

fn benefit(row: &PgRow) -> Result<CatalogBenefit, ReadError> {
    Ok(CatalogBenefit {
        id: row.try_get("product_id")?,
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        name_en: row.try_get("name_en")?,
        price_gold: number(row, "price_gold")?,
        user_limit: user_limit(row)?,
        valid_days: optional_number(row, "valid_days")?,
        min_rank: row.try_get("min_rank")?,
        on_sale: number(row, "on_sale")? == 1,
        version: number(row, "version")?,
    })
}

/// From the columns `limit_count` and `limit_period`.
pub(super) fn user_limit(row: &PgRow) -> Result<Option<UseLimit>, ReadError> {
    let Some(count) = row.try_get::<Option<i64>, _>("limit_count")? else { return Ok(None) };
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Some(UseLimit { count, per: named(row, "limit_period")? }))
}

/// Into these columns.
pub(super) fn copy_user_limit(limit: Option<UseLimit>, rows: &mut CopyRows) {
    rows.optional_int(limit.map(|limit| limit.count.into()))
        .optional_text(limit.map(|limit| period(limit.per)));
}

/// The stored name of a period.
fn period(period: Period) -> &'static str {
    match period {
        Period::Ever => "ever",
        Period::Month => "month",
        Period::Week => "week",
        Period::Day => "day",
    }
}

/// The stored name of a rank.
pub(super) fn rank(rank: Rank) -> &'static str {
    match rank {
        Rank::Standard => "STANDARD",
        Rank::Vip => "VIP",
    }
}

/// The last terms of each product that changed: position, version, terms.
#[derive(Debug, Default)]
pub(crate) struct Catalog(BTreeMap<ProductId, (i64, u32, Terms)>);

impl ReadModel for Catalog {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        vec![
            format!("alter table {table} add primary key (product_id)"),
            format!("create index on {table} (sku)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Product(product, event) = &entry.event else { return };
        let (version, terms) = event.terms();
        self.0.insert(*product, (entry.position, version, terms));
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            if self.0.is_empty() {
                return Ok(());
            }
            let table = table(NAME, generation);
            let ids: Vec<i64> = self.0.keys().map(|product| product.0).collect();
            let sql = format!("delete from {table} where product_id = any($1)");
            sqlx::query(&sql).bind(ids).execute(&mut *connection).await?;
            let mut rows = CopyRows::default();
            self.copy_out(&mut rows);
            Ok(rows.copy_into(connection, &table).await?)
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (product, (position, version, terms)) in std::mem::take(&mut self.0) {
            rows.row(18).int(position).int(product.0).int(i64::from(version));
            match terms {
                Terms::Pack(terms) => copy_pack(&terms, rows),
                Terms::Benefit(terms) => copy_benefit(&terms, rows),
            }
        }
    }
}

fn copy_pack(terms: &PackTerms, rows: &mut CopyRows) {
    rows.text("pack")
        .text(&terms.sku)
        .text(&terms.name)
        .text(&terms.name_en)
        .int(amount(terms.price_cents.0))
        .text(&String::from(terms.currency))
        .int(amount(terms.gold.amount()))
        .int(i64::from(u8::from(terms.discount_percent)))
        .optional_time(terms.discount_ends_at)
        .optional_int(None);
    copy_user_limit(None, rows);
    rows.optional_int(None).text(rank(terms.min_rank)).int(i64::from(terms.on_sale));
}

fn copy_benefit(terms: &BenefitTerms, rows: &mut CopyRows) {
    rows.text("benefit")
        .text(&terms.sku)
        .text(&terms.name)
        .text(&terms.name_en)
        .optional_int(None)
        .optional_text(None)
        .optional_int(None)
        .optional_int(None)
        .optional_time(None)
        .int(amount(terms.price.amount()));
    copy_user_limit(terms.user_limit, rows);
    rows.optional_int(terms.valid_days.map(i64::from))
        .text(rank(terms.min_rank))
        .int(i64::from(terms.on_sale));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_events() {
        for per in [Period::Ever, Period::Month, Period::Week, Period::Day] {
            assert_eq!(serde_json::to_value(per).unwrap(), period(per));
        }
        for standing in [Rank::Standard, Rank::Vip] {
            assert_eq!(serde_json::to_value(standing).unwrap(), rank(standing));
        }
    }
}
