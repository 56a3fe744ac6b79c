//! Limited packages: their terms, and what of their stock is held and sold.
//!
//! Whoever confirms or returns stock names the purchase it was held for; how many that is, the
//! purchase says, if the reservation is not among the events gathered.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::{PackageCode, ReceiptCode};
use domain::limit::UseLimit;
use domain::package::{PackageEvent, PackageTerms};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::catalog::{copy_user_limit, user_limit};
use super::{
    At, Entry, ReadError, ReadModel, bring_new, number, optional_number, purchases, read_at, table,
};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "packages";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position         bigint not null,
    defined_position bigint not null,
    code             text   not null,
    name             text   not null,
    name_en          text   not null,
    price_cents      bigint not null,
    currency         text   not null,
    gold             bigint not null,
    stock_total      bigint,
    limit_count      bigint,
    limit_period     text,
    starts_at        timestamptz not null,
    ends_at          timestamptz not null,
    on_sale          bigint not null,
    reserved         bigint not null,
    sold             bigint not null
) with (fillfactor = 50)";

/// A limited package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogPackage {
    /// Its id.
    pub code: String,
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Price of one, in hundredths of the currency's unit.
    pub price_cents: u64,
    /// ISO 4217.
    pub currency: String,
    /// Gold in one.
    pub gold: u64,
    /// How many there are; any number, if not given. Only then is anything held of it.
    pub stock_total: Option<u64>,
    /// How many one player may buy, if that is limited.
    pub user_limit: Option<UseLimit>,
    /// The first moment at which it can be bought.
    pub starts_at: DateTime<Utc>,
    /// The first moment at which it no longer can.
    pub ends_at: DateTime<Utc>,
    /// Whether it can be bought within its window.
    pub on_sale: bool,
    /// How many are held for purchases under way.
    pub reserved: u64,
    /// How many of the stock were sold. Without a stock nobody counts: see
    /// [`purchases::sums`].
    pub sold: u64,
    /// The event that defined it.
    pub defined_position: u64,
    /// The event that changed it last.
    pub updated_position: u64,
}

impl CatalogPackage {
    /// How many can be had; `None` for any number.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let total = self.stock_total?;
        Some(total.saturating_sub(self.reserved).saturating_sub(self.sold))
    }

    /// Whether it can be bought at this moment, if there are any left.
    #[must_use]
    pub fn is_sold_at(&self, at: DateTime<Utc>) -> bool {
        self.on_sale && at >= self.starts_at && at < self.ends_at
    }
}

/// Every package, in the order in which they were defined.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn list(pool: &PgPool) -> Result<At<Vec<CatalogPackage>>, ReadError> {
    read_at(pool, "select * from read.packages order by defined_position", |query| query, package)
        .await
}

/// The package with this code.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_code(
    pool: &PgPool,
    code: PackageCode,
) -> Result<At<Option<CatalogPackage>>, ReadError> {
    let rows = "select * from read.packages where code = $1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(code.to_string()), package).await?;
    Ok(At { position, rows: rows.pop() })
}

fn package(row: &PgRow) -> Result<CatalogPackage, ReadError> {
    Ok(CatalogPackage {
        code: row.try_get("code")?,
        name: row.try_get("name")?,
        name_en: row.try_get("name_en")?,
        price_cents: number(row, "price_cents")?,
        currency: row.try_get("currency")?,
        gold: number(row, "gold")?,
        stock_total: optional_number(row, "stock_total")?,
        user_limit: user_limit(row)?,
        starts_at: row.try_get("starts_at")?,
        ends_at: row.try_get("ends_at")?,
        on_sale: number(row, "on_sale")? == 1,
        reserved: number(row, "reserved")?,
        sold: number(row, "sold")?,
        defined_position: number(row, "defined_position")?,
        updated_position: number(row, "position")?,
    })
}

/// Packages that events have changed, and the reservations among these events.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    changed: BTreeMap<PackageCode, Change>,
    held: HashMap<ReceiptCode, i64>,
    /// Ends of reservations from before: which, and whether they were confirmed.
    ended: Vec<(PackageCode, ReceiptCode, bool)>,
}

#[derive(Debug, Default)]
struct Change {
    position: i64,
    defined: Option<(i64, PackageTerms)>,
    on_sale: Option<bool>,
    reserved: i64,
    sold: i64,
}

impl Change {
    /// The reservation of so many ends.
    fn end(&mut self, count: i64, is_confirmed: bool) {
        self.reserved = self.reserved.saturating_sub(count);
        if is_confirmed {
            self.sold = self.sold.saturating_add(count);
        }
    }

    fn copy_out(&self, code: PackageCode, rows: &mut CopyRows) {
        // What happened to a package that nobody defined is no row: `verify` says it.
        let Some((defined, terms)) = &self.defined else { return };
        rows.row(16)
            .int(self.position)
            .int(*defined)
            .text(code.as_str())
            .text(&terms.name)
            .text(&terms.name_en)
            .int(amount(terms.price_cents.0))
            .text(&String::from(terms.currency))
            .int(amount(terms.gold.amount()))
            .optional_int(terms.stock_total.map(i64::from));
        copy_user_limit(terms.user_limit, rows);
        rows.time(terms.starts_at)
            .time(terms.ends_at)
            .int(i64::from(self.on_sale.unwrap_or(terms.on_sale)))
            .int(self.reserved)
            .int(self.sold);
    }
}

impl Packages {
    fn ends(&mut self, code: PackageCode, receipt: ReceiptCode, is_confirmed: bool) {
        match self.held.remove(&receipt) {
            Some(count) => self.changed.entry(code).or_default().end(count, is_confirmed),
            None => self.ended.push((code, receipt, is_confirmed)),
        }
    }

    /// Counts the ends of reservations from before.
    async fn end_earlier(
        &mut self,
        connection: &mut PgConnection,
        generation: i32,
    ) -> Result<(), FollowerError> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let receipts: Vec<String> =
            self.ended.iter().map(|(_, receipt, _)| receipt.to_string()).collect();
        let sql = format!(
            "select receipt_code, quantity from {} where receipt_code = any($1)",
            table(purchases::NAME, generation)
        );
        let found: Vec<(String, i64)> =
            sqlx::query_as(&sql).bind(&receipts).fetch_all(connection).await?;
        let found: HashMap<String, i64> = found.into_iter().collect();
        for ((code, _, is_confirmed), receipt) in self.ended.drain(..).zip(&receipts) {
            let count = found.get(receipt).copied().unwrap_or(0);
            self.changed.entry(code).or_default().end(count, is_confirmed);
        }
        Ok(())
    }
}

/// Brings changes into rows that are there.
async fn update(
    changes: BTreeMap<PackageCode, Change>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let (mut codes, mut on_sale) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<i64>; 3] = Default::default();
    for (code, change) in changes {
        codes.push(code.to_string());
        on_sale.push(change.on_sale.map(i64::from));
        let changed = [change.position, change.reserved, change.sold];
        for (column, number) in numbers.iter_mut().zip(changed) {
            column.push(number);
        }
    }
    if codes.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "update {table} package
            set position = it.position, on_sale = coalesce(it.on_sale, package.on_sale),
                reserved = package.reserved + it.reserved, sold = package.sold + it.sold
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
             as it (code, on_sale, position, reserved, sold)
          where package.code = it.code"
    );
    let query = sqlx::query(&sql).bind(codes).bind(on_sale);
    let query = numbers.into_iter().fold(query, |query, column| query.bind(column));
    query.execute(connection).await?;
    Ok(())
}

impl ReadModel for Packages {
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
        vec![format!("alter table {table} add primary key (code)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Package(code, event) = &entry.event else { return };
        let change = self.changed.entry(*code).or_default();
        change.position = entry.position;
        match event {
            PackageEvent::PackageDefined { terms, .. } => {
                change.defined = Some((entry.position, terms.clone()));
            }
            PackageEvent::PackageEnabled { .. } => change.on_sale = Some(true),
            PackageEvent::PackageDisabled { .. } => change.on_sale = Some(false),
            PackageEvent::StockReserved { receipt_code, quantity, .. } => {
                let count = i64::from(u8::from(*quantity));
                change.reserved = change.reserved.saturating_add(count);
                self.held.insert(*receipt_code, count);
            }
            PackageEvent::StockConfirmed { receipt_code, .. } => {
                self.ends(*code, *receipt_code, true);
            }
            PackageEvent::StockReturned { receipt_code, .. } => {
                self.ends(*code, *receipt_code, false);
            }
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            self.end_earlier(connection, generation).await?;
            self.held.clear();
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.defined.is_some();
            let new = (is_new, Change::copy_out);
            let changes = bring_new(&mut self.changed, new, connection, &table).await?;
            update(changes, connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let Self { changed, .. } = std::mem::take(self);
        changed.iter().for_each(|(code, change)| change.copy_out(*code, rows));
    }
}
