//! Every purchase, from request to end, and what was given back of it: packs and packages of gold for
//! real money, benefits for gold.

mod fold;

use chrono::{DateTime, NaiveDate, Utc};
use domain::id::{PlayerId, ReceiptCode};
use domain::offer::Ware;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{At, ReadError, named, number, read_at};
use crate::position::bound_to_sql;

pub(crate) use fold::Purchases;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "purchases";
/// Raise it with any change of what these files make of an event.
pub const VERSION: i32 = 2;

/// What a purchase is paid with and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Gold, for real money.
    Gold,
    /// Items, for gold.
    Item,
}

impl Kind {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gold => "gold",
            Self::Item => "item",
        }
    }
}

/// Where a purchase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has begun; nothing has been charged, as far as is known.
    Requested,
    /// Paid and credited. Part of it may have been given back since.
    Completed,
    /// The provider declined.
    Failed,
    /// Given up, at the provider first.
    Voided,
    /// Completed, and all of it was given back since.
    Refunded,
    /// Completed, and the bank took back what was left of the money.
    ChargedBack,
}

impl Status {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Voided => "voided",
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged_back",
        }
    }
}

/// One purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Purchase {
    /// Its id, and the player's proof.
    pub receipt_code: String,
    /// Its name at the payment provider; benefits have none.
    pub charge_id: Option<String>,
    /// Whose.
    pub user_id: PlayerId,
    /// What was bought, if it is a product.
    pub product_id: Option<i64>,
    /// What was bought, if it is a limited package.
    pub package_code: Option<String>,
    /// The number of the terms it was made under.
    pub product_version: u64,
    /// The catalogue's name of it; the code of a package.
    pub sku: String,
    /// Gold for money, or items for gold.
    pub kind: Kind,
    /// How many.
    pub quantity: u64,
    /// How the player pays, as the player named it.
    pub payment_method: Option<String>,
    /// The discount that was counted.
    pub discount_percent: u64,
    /// What is charged, in hundredths of the currency's unit; nothing for benefits.
    pub amount_cents: u64,
    /// ISO 4217; none for benefits.
    pub currency: Option<String>,
    /// Gold that it credits, all in all; nothing for benefits.
    pub gold: u64,
    /// Gold that it costs, all in all; nothing for packs and packages.
    pub gold_spent: u64,
    /// The promotion that made it cheaper.
    pub promo_code: Option<String>,
    /// What that took off; `amount_cents` is without it already.
    pub promo_off_cents: u64,
    /// Where it stands. Partly refunded it stays completed.
    pub status: Status,
    /// Why it failed or was voided.
    pub reason_code: Option<String>,
    /// Of a refund that the provider has been asked for and has not answered: how much is to come.
    pub refund_pending_cents: u64,
    /// What the provider has given back, all in all.
    pub refunded_cents: u64,
    /// What the bank has taken back.
    pub charged_back_cents: u64,
    /// Gold that went the other way: of packs and packages taken back along with the money, what
    /// became a debt included; of benefits returned for items that were taken back.
    pub gold_reversed: u64,
    /// What the provider had taken although the purchase had failed or was voided, and has given
    /// back.
    pub late_capture_cents: u64,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When it was completed, failed or was voided.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub changed_at: DateTime<Utc>,
    /// The event that requested it: the cursor of pages.
    pub requested_position: u64,
    /// The event that changed it last.
    pub updated_position: u64,
}

/// A player's purchases, newest first: those requested before the position `before` (all, if
/// `None`), `limit` at most. The next page is before the last one's `requested_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    player: PlayerId,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<Purchase>>, ReadError> {
    let rows = "select * from read.purchases where player_id = $1 and requested_position < $2
                 order by player_id desc, requested_position desc limit $3";
    let before = bound_to_sql(before);
    read_at(pool, rows, |query| query.bind(player.0).bind(before).bind(i64::from(limit)), purchase)
        .await
}

/// The purchase with this receipt, whoever's it is.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_receipt(
    pool: &PgPool,
    receipt: ReceiptCode,
) -> Result<At<Option<Purchase>>, ReadError> {
    let rows = "select * from read.purchases where receipt_code = $1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(receipt.to_string()), purchase).await?;
    Ok(At { position, rows: rows.pop() })
}

/// Which purchases the staff wants to see. What is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Where they stand.
    pub status: Option<Status>,
    /// For money or for gold.
    pub kind: Option<Kind>,
    /// Whose.
    pub player: Option<PlayerId>,
    /// Of which product or package.
    pub ware: Option<Ware>,
    /// With this receipt.
    pub receipt: Option<ReceiptCode>,
    /// Requested at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Requested before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Whether only those are wanted that have a refund under way.
    pub refund_pending: bool,
}

/// The purchases of all players that are wanted, newest first, in pages as [`page`] has them.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn search(
    pool: &PgPool,
    wanted: &Wanted,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<Purchase>>, ReadError> {
    // What is not asked for falls away when the statement is planned, which is done each time: no
    // plan is good for all of them.
    let rows = "select * from read.purchases
                 where requested_position < $1
                   and ($3::text is null or status = $3)
                   and ($4::text is null or kind = $4)
                   and ($5::bigint is null or player_id = $5)
                   and ($6::text is null or ware = $6)
                   and ($7::text is null or receipt_code = $7)
                   and ($8::timestamptz is null or created_at >= $8)
                   and ($9::timestamptz is null or created_at < $9)
                   and (not $10 or refund_pending_cents > 0)
                 order by requested_position desc limit $2";
    let (status, kind) = (wanted.status.map(Status::name), wanted.kind.map(Kind::name));
    read_at(
        pool,
        rows,
        |query| {
            query
                .persistent(false)
                .bind(bound_to_sql(before))
                .bind(i64::from(limit))
                .bind(status)
                .bind(kind)
                .bind(wanted.player.map(|player| player.0))
                .bind(wanted.ware.map(|ware| ware.to_string()))
                .bind(wanted.receipt.map(|receipt| receipt.to_string()))
                .bind(wanted.from)
                .bind(wanted.until)
                .bind(wanted.refund_pending)
        },
        purchase,
    )
    .await
}

/// What was bought of one product or package on one day. A purchase belongs to the day, in UTC, on
/// which it was requested, and so does what is given back of it, whenever that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaySums {
    /// The day.
    pub day: NaiveDate,
    /// Gold for money, or items for gold.
    pub kind: Kind,
    /// What, if it is a product.
    pub product_id: Option<i64>,
    /// What, if it is a limited package.
    pub package_code: Option<String>,
    /// The catalogue's name of it.
    pub sku: String,
    /// Of the money; none for benefits.
    pub currency: Option<String>,
    /// Purchases requested, however they ended.
    pub requested: u64,
    /// Purchases paid, whatever was given back since. What follows is of these only.
    pub completed: u64,
    /// Money charged.
    pub amount_cents: u64,
    /// Money given back by the provider.
    pub refunded_cents: u64,
    /// Money taken back by banks.
    pub charged_back_cents: u64,
    /// Gold credited.
    pub gold: u64,
    /// Gold spent, on benefits.
    pub gold_spent: u64,
    /// Gold that went the other way again, see [`Purchase::gold_reversed`].
    pub gold_reversed: u64,
}

/// Sums by day and product over all players, of what was requested from one moment until before
/// another; by day, then by kind and product.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn sums(
    pool: &PgPool,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<At<Vec<DaySums>>, ReadError> {
    let rows = "select (created_at at time zone 'UTC')::date as day, kind, ware, product_id,
                       max(sku) as sku, currency, count(*) as requested,
                       count(*) filter (where is_paid) as completed,
                       coalesce(sum(amount_cents) filter (where is_paid), 0)::bigint
                         as amount_cents,
                       sum(refunded_cents)::bigint as refunded_cents,
                       sum(charged_back_cents)::bigint as charged_back_cents,
                       coalesce(sum(gold) filter (where is_paid), 0)::bigint as gold,
                       coalesce(sum(gold_spent) filter (where is_paid), 0)::bigint as gold_spent,
                       sum(gold_reversed)::bigint as gold_reversed
                  from (select *, status in ('completed', 'refunded', 'charged_back') as is_paid
                          from read.purchases
                         where created_at >= coalesce($1, '-infinity'::timestamptz)
                           and created_at < coalesce($2, 'infinity'::timestamptz)) bought
                 group by 1, kind, ware, product_id, currency
                 order by 1, kind, ware, currency";
    read_at(pool, rows, |query| query.bind(from).bind(until), day_sums).await
}

fn day_sums(row: &PgRow) -> Result<DaySums, ReadError> {
    let (product_id, package_code) = ware(row)?;
    Ok(DaySums {
        day: row.try_get("day")?,
        kind: named(row, "kind")?,
        product_id,
        package_code,
        sku: row.try_get("sku")?,
        currency: row.try_get("currency")?,
        requested: number(row, "requested")?,
        completed: number(row, "completed")?,
        amount_cents: number(row, "amount_cents")?,
        refunded_cents: number(row, "refunded_cents")?,
        charged_back_cents: number(row, "charged_back_cents")?,
        gold: number(row, "gold")?,
        gold_spent: number(row, "gold_spent")?,
        gold_reversed: number(row, "gold_reversed")?,
    })
}

/// A product's number, or a package's code.
fn ware(row: &PgRow) -> Result<(Option<i64>, Option<String>), ReadError> {
    let product_id: Option<i64> = row.try_get("product_id")?;
    let package_code = match product_id {
        Some(_) => None,
        None => Some(row.try_get("ware")?),
    };
    Ok((product_id, package_code))
}

fn purchase(row: &PgRow) -> Result<Purchase, ReadError> {
    let (product_id, package_code) = ware(row)?;
    Ok(Purchase {
        receipt_code: row.try_get("receipt_code")?,
        charge_id: row.try_get("charge_id")?,
        user_id: PlayerId(row.try_get("player_id")?),
        product_id,
        package_code,
        product_version: number(row, "product_version")?,
        sku: row.try_get("sku")?,
        kind: named(row, "kind")?,
        quantity: number(row, "quantity")?,
        payment_method: row.try_get("payment_method")?,
        discount_percent: number(row, "discount_percent")?,
        amount_cents: number(row, "amount_cents")?,
        currency: row.try_get("currency")?,
        gold: number(row, "gold")?,
        gold_spent: number(row, "gold_spent")?,
        promo_code: row.try_get("promo_code")?,
        promo_off_cents: number(row, "promo_off_cents")?,
        status: named(row, "status")?,
        reason_code: row.try_get("reason_code")?,
        refund_pending_cents: number(row, "refund_pending_cents")?,
        refunded_cents: number(row, "refunded_cents")?,
        charged_back_cents: number(row, "charged_back_cents")?,
        gold_reversed: number(row, "gold_reversed")?,
        late_capture_cents: number(row, "late_capture_cents")?,
        created_at: row.try_get("created_at")?,
        ended_at: row.try_get("ended_at")?,
        changed_at: row.try_get("changed_at")?,
        requested_position: number(row, "requested_position")?,
        updated_position: number(row, "position")?,
    })
}
