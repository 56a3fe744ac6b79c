//! The catalogue: each product with its present terms, on sale or not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::ProductId;
use domain::product::{ProductEvent, Rank, Terms};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, number, read_at};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "catalog";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position         bigint  not null,
    product_id       bigint  not null,
    version          bigint  not null,
    sku              text    not null,
    name             text    not null,
    name_en          text    not null,
    price_cents      bigint  not null,
    currency         text    not null,
    gold             bigint  not null,
    discount_percent bigint  not null,
    discount_ends_at timestamptz,
    min_rank         text    not null,
    on_sale          bigint  not null
)";

/// A product with its present terms.
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

/// Every product, by id.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn list(pool: &PgPool) -> Result<At<Vec<CatalogProduct>>, ReadError> {
    read_at(pool, "select * from read.catalog order by product_id", |query| query, product).await
}

/// The product with this catalogue name, on sale or not.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_sku(pool: &PgPool, sku: &str) -> Result<At<Option<CatalogProduct>>, ReadError> {
    let rows = "select * from read.catalog where sku = $1 order by product_id desc limit 1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(sku.to_owned()), product).await?;
    Ok(At { position, rows: rows.pop() })
}

fn product(row: &PgRow) -> Result<CatalogProduct, ReadError> {
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

/// The last terms of each product that changed: position, version, terms.
#[derive(Debug, Default)]
pub(crate) struct Catalog(BTreeMap<ProductId, (i64, u32, Terms)>);

fn rank(rank: Rank) -> &'static str {
    match rank {
        Rank::Standard => "STANDARD",
        Rank::Vip => "VIP",
    }
}

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
        let (version, terms) = match event {
            ProductEvent::ProductDefined { terms, .. } => (1, terms.clone()),
            ProductEvent::ProductRevised { version, terms, .. } => (*version, terms.clone()),
        };
        self.0.insert(*product, (entry.position, version, terms));
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        table: &'a str,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            if self.0.is_empty() {
                return Ok(());
            }
            let ids: Vec<i64> = self.0.keys().map(|product| product.0).collect();
            let sql = format!("delete from {table} where product_id = any($1)");
            sqlx::query(&sql).bind(ids).execute(&mut *connection).await?;
            let mut rows = CopyRows::default();
            self.copy_out(&mut rows);
            Ok(rows.copy_into(connection, table).await?)
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (product, (position, version, terms)) in std::mem::take(&mut self.0) {
            rows.row(13)
                .int(position)
                .int(product.0)
                .int(i64::from(version))
                .text(&terms.sku)
                .text(&terms.name)
                .text(&terms.name_en)
                .int(amount(terms.price_cents.0))
                .text(&String::from(terms.currency))
                .int(amount(terms.gold.amount()))
                .int(i64::from(u8::from(terms.discount_percent)))
                .optional_time(terms.discount_ends_at)
                .text(rank(terms.min_rank))
                .int(i64::from(terms.on_sale));
        }
    }
}
