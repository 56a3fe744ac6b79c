//! Every purchase, from request to end.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::account::{AccountEvent, FailureReason, VoidReason};
use domain::event::ClubEvent;
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::product::Offer;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, number, read_at};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "purchases";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position     bigint not null,
    requested_position bigint not null,
    player_id    bigint not null,
    receipt_code text   not null,
    charge_id    text   not null,
    product_id   bigint not null,
    sku          text   not null,
    kind         text   not null,
    quantity     bigint not null,
    amount_cents bigint not null,
    currency     text   not null,
    gold         bigint not null,
    status       text   not null,
    reason_code  text,
    created_at   timestamptz not null,
    ended_at     timestamptz
) with (fillfactor = 80)";

/// What every purchase of a gold pack is; items bought with gold will be another kind.
const KIND_GOLD: &str = "gold";

/// One purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Purchase {
    /// Its id, and the player's proof.
    pub receipt_code: String,
    /// Its name at the payment provider.
    pub charge_id: String,
    /// Whose.
    pub user_id: PlayerId,
    /// What was bought.
    pub product_id: i64,
    /// The catalogue's name of it.
    pub sku: String,
    /// `gold` or `item`.
    pub kind: String,
    /// How many.
    pub quantity: u64,
    /// What is charged, in hundredths of the currency's unit.
    pub amount_cents: u64,
    /// ISO 4217.
    pub currency: String,
    /// Gold that it credits, all in all.
    pub gold: u64,
    /// `requested`, `completed`, `failed` or `voided`.
    pub status: String,
    /// Why it failed or was voided.
    pub reason_code: Option<String>,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
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

fn purchase(row: &PgRow) -> Result<Purchase, ReadError> {
    Ok(Purchase {
        receipt_code: row.try_get("receipt_code")?,
        charge_id: row.try_get("charge_id")?,
        user_id: PlayerId(row.try_get("player_id")?),
        product_id: row.try_get("product_id")?,
        sku: row.try_get("sku")?,
        kind: row.try_get("kind")?,
        quantity: number(row, "quantity")?,
        amount_cents: number(row, "amount_cents")?,
        currency: row.try_get("currency")?,
        gold: number(row, "gold")?,
        status: row.try_get("status")?,
        reason_code: row.try_get("reason_code")?,
        created_at: row.try_get("created_at")?,
        ended_at: row.try_get("ended_at")?,
        requested_position: number(row, "requested_position")?,
        updated_position: number(row, "position")?,
    })
}

/// Purchases requested in the events gathered, with their ends; and ends of earlier ones.
#[derive(Debug, Default)]
pub(crate) struct Purchases {
    requested: HashMap<ReceiptCode, Requested>,
    ended: Vec<(ReceiptCode, End)>,
}

#[derive(Debug)]
struct Requested {
    position: i64,
    player: PlayerId,
    charge_id: ChargeId,
    offer: Offer,
    at: DateTime<Utc>,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    position: i64,
    status: &'static str,
    reason: Option<&'static str>,
    at: DateTime<Utc>,
}

fn failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::PaymentDeclined => "PAYMENT_DECLINED",
    }
}

fn void(reason: VoidReason) -> &'static str {
    match reason {
        VoidReason::Abandoned => "ABANDONED",
    }
}

impl Purchases {
    fn fold_account(&mut self, position: i64, player: PlayerId, event: &AccountEvent) {
        let (code, end) = match event {
            AccountEvent::PurchaseRequested { at, receipt_code, charge_id, offer, .. } => {
                let (at, charge_id, offer) = (*at, *charge_id, offer.clone());
                let requested = Requested { position, player, charge_id, offer, at, end: None };
                self.requested.insert(*receipt_code, requested);
                return;
            }
            AccountEvent::PurchaseCompleted { at, receipt_code, .. } => {
                (*receipt_code, End { position, status: "completed", reason: None, at: *at })
            }
            AccountEvent::PurchaseFailed { at, receipt_code, reason } => {
                let reason = Some(failure(*reason));
                (*receipt_code, End { position, status: "failed", reason, at: *at })
            }
            AccountEvent::PurchaseVoided { at, receipt_code, reason } => {
                let reason = Some(void(*reason));
                (*receipt_code, End { position, status: "voided", reason, at: *at })
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. } => return,
        };
        match self.requested.get_mut(&code) {
            Some(requested) => requested.end = Some(end),
            None => self.ended.push((code, end)),
        }
    }

    async fn insert(
        &mut self,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<(), FollowerError> {
        let mut rows = CopyRows::default();
        for (code, requested) in std::mem::take(&mut self.requested) {
            requested.copy_out(code, &mut rows);
        }
        Ok(rows.copy_into(connection, table).await?)
    }

    async fn end(
        &mut self,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<(), FollowerError> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let (mut codes, mut positions, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reasons, mut times) = (Vec::new(), Vec::new());
        for (code, end) in self.ended.drain(..) {
            codes.push(code.to_string());
            positions.push(end.position);
            statuses.push(end.status);
            reasons.push(end.reason);
            times.push(end.at);
        }
        let sql = format!(
            "update {table} purchase set position = ended.position, status = ended.status,
                    reason_code = ended.reason, ended_at = ended.at
               from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
                 as ended (code, position, status, reason, at)
              where purchase.receipt_code = ended.code"
        );
        sqlx::query(&sql)
            .bind(codes)
            .bind(positions)
            .bind(statuses)
            .bind(reasons)
            .bind(times)
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl Requested {
    fn copy_out(&self, code: ReceiptCode, rows: &mut CopyRows) {
        let (offer, end) = (&self.offer, self.end.as_ref());
        rows.row(16)
            .int(end.map_or(self.position, |end| end.position))
            .int(self.position)
            .int(self.player.0)
            .text(&code.to_string())
            .text(&self.charge_id.to_string())
            .int(offer.product_id.0)
            .text(&offer.sku)
            .text(KIND_GOLD)
            .int(i64::from(u8::from(offer.quantity)))
            .int(amount(offer.total_cents.0))
            .text(&String::from(offer.currency))
            .int(amount(offer.gold.amount()))
            .text(end.map_or("requested", |end| end.status))
            .optional_text(end.and_then(|end| end.reason))
            .time(self.at)
            .optional_time(end.map(|end| end.at));
    }
}

impl ReadModel for Purchases {
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
            format!("alter table {table} add primary key (receipt_code)"),
            format!("create index on {table} (player_id, requested_position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            ClubEvent::Account(player, event) => self.fold_account(entry.position, *player, event),
            ClubEvent::Product(..) => {}
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        table: &'a str,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            self.insert(connection, table).await?;
            self.end(connection, table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (code, requested) in std::mem::take(&mut self.requested) {
            requested.copy_out(code, rows);
        }
        // What ended without ever having been requested is no row: `verify` says which.
        self.ended.clear();
    }
}
