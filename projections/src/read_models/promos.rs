//! Promotions: their terms, and how many of their uses are held and used.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::PromoCode;
use domain::promo::{PromoEvent, PromoOff, PromoTerms};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, bring_new, number, optional_number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "promos";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position         bigint not null,
    defined_position bigint not null,
    code             text   not null,
    package_code     text,
    percent_off      bigint,
    cents_off        bigint,
    max_uses         bigint,
    user_limit       bigint,
    starts_at        timestamptz,
    ends_at          timestamptz,
    held             bigint not null,
    used             bigint not null,
    check (num_nonnulls(percent_off, cents_off) = 1)
) with (fillfactor = 50)";

/// A promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promotion {
    /// Its id.
    pub code: String,
    /// The only package it is for; all, if not given.
    pub package_code: Option<String>,
    /// The share that it takes off; otherwise `cents_off` is given.
    pub percent_off: Option<u64>,
    /// The amount that it takes off.
    pub cents_off: Option<u64>,
    /// How often it can be used; any number, if not given. Only then are uses held and counted.
    pub max_uses: Option<u64>,
    /// How often one player can use it; any number, if not given.
    pub user_limit: Option<u64>,
    /// The first moment at which it counts; always, if not given.
    pub starts_at: Option<DateTime<Utc>>,
    /// The first moment at which it no longer does; never, if not given.
    pub ends_at: Option<DateTime<Utc>>,
    /// Uses held for purchases under way.
    pub held: u64,
    /// Uses in completed purchases.
    pub used: u64,
    /// The event that defined it: the cursor of pages.
    pub defined_position: u64,
    /// The event that changed it last.
    pub updated_position: u64,
}

/// Promotions, newest first: those defined before the position `before` (all, if `None`), `limit`
/// at most. The next page is before the last one's `defined_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<Promotion>>, ReadError> {
    let rows = "select * from read.promos where defined_position < $1
                 order by defined_position desc limit $2";
    let before = crate::position::bound_to_sql(before);
    read_at(pool, rows, |query| query.bind(before).bind(i64::from(limit)), promotion).await
}

/// The promotion with this code.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_code(pool: &PgPool, code: PromoCode) -> Result<At<Option<Promotion>>, ReadError> {
    let rows = "select * from read.promos where code = $1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(code.to_string()), promotion).await?;
    Ok(At { position, rows: rows.pop() })
}

fn promotion(row: &PgRow) -> Result<Promotion, ReadError> {
    Ok(Promotion {
        code: row.try_get("code")?,
        package_code: row.try_get("package_code")?,
        percent_off: optional_number(row, "percent_off")?,
        cents_off: optional_number(row, "cents_off")?,
        max_uses: optional_number(row, "max_uses")?,
        user_limit: optional_number(row, "user_limit")?,
        starts_at: row.try_get("starts_at")?,
        ends_at: row.try_get("ends_at")?,
        held: number(row, "held")?,
        used: number(row, "used")?,
        defined_position: number(row, "defined_position")?,
        updated_position: number(row, "position")?,
    })
}

/// Promotions that events have changed.
#[derive(Debug, Default)]
pub(crate) struct Promos(BTreeMap<PromoCode, Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    defined: Option<(i64, PromoTerms)>,
    held: i64,
    used: i64,
}

impl Change {
    fn add(&mut self, held: i64, used: i64) {
        self.held = self.held.saturating_add(held);
        self.used = self.used.saturating_add(used);
    }

    fn copy_out(&self, code: PromoCode, rows: &mut CopyRows) {
        // What happened to a promotion that nobody defined is no row: `verify` says it.
        let Some((defined, terms)) = &self.defined else { return };
        let (percent, cents) = match terms.off {
            PromoOff::Percent(percent) => (Some(i64::from(u8::from(percent))), None),
            PromoOff::Cents(cents) => (None, Some(amount(cents.0))),
        };
        rows.row(12)
            .int(self.position)
            .int(*defined)
            .text(code.as_str())
            .optional_text(terms.package.as_ref().map(|package| package.as_str()))
            .optional_int(percent)
            .optional_int(cents)
            .optional_int(terms.max_uses.map(i64::from))
            .optional_int(terms.user_limit.map(i64::from))
            .optional_time(terms.starts_at)
            .optional_time(terms.ends_at)
            .int(self.held)
            .int(self.used);
    }
}

/// Brings changes into rows that are there.
async fn update(
    changes: BTreeMap<PromoCode, Change>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let mut codes = Vec::new();
    let mut numbers: [Vec<i64>; 3] = Default::default();
    for (code, change) in changes {
        codes.push(code.to_string());
        for (column, number) in numbers.iter_mut().zip([change.position, change.held, change.used])
        {
            column.push(number);
        }
    }
    if codes.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "update {table} promo
            set position = it.position, held = promo.held + it.held, used = promo.used + it.used
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
             as it (code, position, held, used)
          where promo.code = it.code"
    );
    let query = sqlx::query(&sql).bind(codes);
    let query = numbers.into_iter().fold(query, |query, column| query.bind(column));
    query.execute(connection).await?;
    Ok(())
}

impl ReadModel for Promos {
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
            format!("alter table {table} add primary key (code)"),
            format!("create index on {table} (defined_position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Promo(code, event) = &entry.event else { return };
        let change = self.0.entry(*code).or_default();
        change.position = entry.position;
        match event {
            PromoEvent::PromoDefined { terms, .. } => {
                change.defined = Some((entry.position, terms.clone()));
            }
            PromoEvent::PromoHeld { .. } => change.add(1, 0),
            PromoEvent::PromoUsed { .. } => change.add(-1, 1),
            PromoEvent::PromoReturned { .. } => change.add(-1, 0),
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.defined.is_some();
            let new = (is_new, Change::copy_out);
            let changes = bring_new(&mut self.0, new, connection, &table).await?;
            update(changes, connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(code, change)| change.copy_out(*code, rows));
    }
}
