//! The inventory: every item that was bought or given, and what has become of it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::account::{AccountEvent, RewardPaid};
use domain::event::ClubEvent;
use domain::id::{ItemId, PlayerId, ProductId, ReceiptCode};
use domain::money::GoldParts;
use domain::reward::GivenItem;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, named, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "items";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position     bigint not null,
    ordinal      bigint not null,
    item_id      text   not null,
    receipt_code text   not null,
    player_id    bigint not null,
    product_id   bigint not null,
    sku          text   not null,
    source       text   not null,
    price        bigint not null,
    status       text   not null,
    bought_at    timestamptz not null,
    expires_at   timestamptz,
    changed_at   timestamptz not null
) with (fillfactor = 80)";

/// Items of one purchase or reward, at most.
const MOST_ITEMS: u8 = 99;

/// What has become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It is there. Whether it can still be used, `expires_at` says.
    Purchased,
    /// It was used.
    Used,
    /// Its time is over.
    Expired,
    /// It was taken back and its gold returned.
    Refunded,
}

impl ItemStatus {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchased => "purchased",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
        }
    }
}

/// How somebody came by an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemSource {
    /// It was bought with gold.
    Bought,
    /// It came with a reward.
    Reward,
}

impl ItemSource {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bought => "bought",
            Self::Reward => "reward",
        }
    }
}

/// An item of somebody's inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InventoryItem {
    /// Its id.
    pub item_id: ItemId,
    /// The purchase, or the reward.
    pub receipt_code: ReceiptCode,
    /// Whose.
    pub user_id: PlayerId,
    /// What.
    pub product_id: ProductId,
    /// The catalogue's name of it.
    pub sku: String,
    /// Whether it was bought or given.
    pub source: ItemSource,
    /// The gold that it cost; nothing if it was given.
    pub price_gold: u64,
    /// What has become of it.
    pub status: ItemStatus,
    /// When it was bought or given.
    pub bought_at: DateTime<Utc>,
    /// The first moment at which it can no longer be used; never, if not given.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used, expired or taken back, else when it was bought or given.
    pub changed_at: DateTime<Utc>,
    /// Later ones have higher numbers: the cursor of pages.
    pub ordinal: u64,
}

/// A player's items, newest first: those with an `ordinal` below `before` (all, if `None`), in one
/// status (all, if `None`), `limit` at most. The next page is before the last one's `ordinal`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    player: PlayerId,
    before: Option<u64>,
    status: Option<ItemStatus>,
    limit: u32,
) -> Result<At<Vec<InventoryItem>>, ReadError> {
    let rows = "select * from read.items
                 where player_id = $1 and ordinal < $2 and ($3::text is null or status = $3)
                 order by player_id desc, ordinal desc limit $4";
    let before = bound_to_sql(before);
    let status = status.map(ItemStatus::name);
    read_at(
        pool,
        rows,
        |query| query.bind(player.0).bind(before).bind(status).bind(i64::from(limit)),
        item,
    )
    .await
}

/// One item, whoever's it is.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(pool: &PgPool, id: ItemId) -> Result<At<Option<InventoryItem>>, ReadError> {
    let rows = "select * from read.items where item_id = $1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(id.to_string()), item).await?;
    Ok(At { position, rows: rows.pop() })
}

/// The items that one purchase or reward brought, by number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of_receipt(
    pool: &PgPool,
    receipt: ReceiptCode,
) -> Result<At<Vec<InventoryItem>>, ReadError> {
    let rows = "select * from read.items where item_id = any($1) order by ordinal";
    let number = |number| ItemId { receipt_code: receipt, number }.to_string();
    let ids: Vec<String> = (1..=MOST_ITEMS).map(number).collect();
    read_at(pool, rows, |query| query.bind(ids), item).await
}

/// Items that are there and whose time is over at this moment, those due longest first.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn due(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<At<Vec<InventoryItem>>, ReadError> {
    let rows = "select * from read.items where status = 'purchased' and expires_at <= $1
                 order by expires_at, ordinal limit $2";
    read_at(pool, rows, |query| query.bind(now).bind(i64::from(limit)), item).await
}

fn item(row: &PgRow) -> Result<InventoryItem, ReadError> {
    Ok(InventoryItem {
        item_id: named(row, "item_id")?,
        receipt_code: named(row, "receipt_code")?,
        user_id: PlayerId(row.try_get("player_id")?),
        product_id: ProductId(row.try_get("product_id")?),
        sku: row.try_get("sku")?,
        source: named(row, "source")?,
        price_gold: number(row, "price")?,
        status: named(row, "status")?,
        bought_at: row.try_get("bought_at")?,
        expires_at: row.try_get("expires_at")?,
        changed_at: row.try_get("changed_at")?,
        ordinal: number(row, "ordinal")?,
    })
}

/// Items that came in the events gathered, by receipt, with their ends; and ends of earlier ones.
#[derive(Debug, Default)]
pub(crate) struct Items {
    came: HashMap<ReceiptCode, Came>,
    ended: BTreeMap<ItemId, End>,
}

/// Items that came under one receipt.
#[derive(Debug)]
struct Came {
    position: i64,
    at: DateTime<Utc>,
    player: PlayerId,
    source: ItemSource,
    /// What all of them cost together.
    paid: GoldParts,
    /// Numbered from 1 in this order.
    lots: Vec<Lot>,
    ended: BTreeMap<u8, End>,
}

/// Items that are all the same.
#[derive(Debug)]
struct Lot {
    product: ProductId,
    sku: String,
    quantity: u8,
    expires_at: Option<DateTime<Utc>>,
}

impl From<&GivenItem> for Lot {
    fn from(given: &GivenItem) -> Self {
        Self {
            product: given.product_id,
            sku: given.sku.clone(),
            quantity: given.quantity.into(),
            expires_at: given.expires_at,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct End {
    position: i64,
    status: ItemStatus,
    at: DateTime<Utc>,
}

impl Came {
    fn count(&self) -> u8 {
        self.lots.iter().fold(0, |count, lot| lot.quantity.saturating_add(count))
    }

    fn copy_out(&self, receipt_code: ReceiptCode, rows: &mut CopyRows) {
        let each = self.lots.iter().flat_map(|lot| std::iter::repeat_n(lot, lot.quantity.into()));
        for (number, lot) in (1..=u8::MAX).zip(each) {
            let end = self.ended.get(&number);
            let ordinal = self.position.saturating_mul(i64::from(MOST_ITEMS) + 1);
            rows.row(13)
                .int(end.map_or(self.position, |end| end.position))
                .int(ordinal.saturating_add(number.into()))
                .text(&ItemId { receipt_code, number }.to_string())
                .text(&receipt_code.to_string())
                .int(self.player.0)
                .int(lot.product.0)
                .text(&lot.sku)
                .text(self.source.name())
                .int(amount(self.paid.of_one(number, self.count()).total()))
                .text(end.map_or(ItemStatus::Purchased, |end| end.status).name())
                .time(self.at)
                .optional_time(lot.expires_at)
                .time(end.map_or(self.at, |end| end.at));
        }
    }
}

impl Items {
    fn ends(&mut self, item_id: ItemId, end: End) {
        match self.came.get_mut(&item_id.receipt_code) {
            Some(came) => came.ended.insert(item_id.number, end),
            None => self.ended.insert(item_id, end),
        };
    }

    fn come(
        &mut self,
        position: i64,
        player: PlayerId,
        RewardPaid { at, receipt_code, reward, .. }: RewardPaid<'_>,
    ) {
        if reward.items.is_empty() {
            return;
        }
        let came = Came {
            position,
            at,
            player,
            source: ItemSource::Reward,
            paid: GoldParts::default(),
            lots: reward.items.iter().map(Lot::from).collect(),
            ended: BTreeMap::new(),
        };
        self.came.insert(receipt_code, came);
    }

    fn fold_account(&mut self, position: i64, player: PlayerId, event: &AccountEvent) {
        if let Some(reward) = event.reward() {
            return self.come(position, player, reward);
        }
        let (item_id, status, at) = match event {
            AccountEvent::BenefitPurchased { at, receipt_code, offer, movement } => {
                let lot = Lot {
                    product: offer.product_id,
                    sku: offer.sku.clone(),
                    quantity: offer.quantity.into(),
                    expires_at: offer.expires_at,
                };
                let came = Came {
                    position,
                    at: *at,
                    player,
                    source: ItemSource::Bought,
                    paid: movement.gold,
                    lots: vec![lot],
                    ended: BTreeMap::new(),
                };
                self.came.insert(*receipt_code, came);
                return;
            }
            AccountEvent::ItemUsed { at, item_id } => (item_id, ItemStatus::Used, at),
            AccountEvent::ItemExpired { at, item_id } => (item_id, ItemStatus::Expired, at),
            AccountEvent::ItemRefunded { at, item_id, .. } => (item_id, ItemStatus::Refunded, at),
            // What of these gives items, is a reward.
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchaseRequested { .. }
            | AccountEvent::PurchaseCompleted { .. }
            | AccountEvent::PurchaseFailed { .. }
            | AccountEvent::PurchaseVoided { .. }
            | AccountEvent::LateCaptureRefunded { .. }
            | AccountEvent::RefundRequested { .. }
            | AccountEvent::PurchaseRefunded { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchaseChargedBack { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::StreakClaimed { .. }
            | AccountEvent::VipClaimed { .. }
            | AccountEvent::EventJoined { .. }
            | AccountEvent::EventClaimed { .. }
            | AccountEvent::MissionClaimed { .. }
            | AccountEvent::PlaceRewarded { .. }
            | AccountEvent::RewardGifted { .. }
            | AccountEvent::GrantTakenBack { .. } => return,
        };
        self.ends(*item_id, End { position, status, at: *at });
    }

    async fn end_earlier(
        &mut self,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<(), FollowerError> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        let (mut statuses, mut times) = (Vec::new(), Vec::new());
        for (item_id, end) in std::mem::take(&mut self.ended) {
            ids.push(item_id.to_string());
            positions.push(end.position);
            statuses.push(end.status.name());
            times.push(end.at);
        }
        let sql = format!(
            "update {table} item
                set position = it.position, status = it.status, changed_at = it.at
               from unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[])
                 as it (id, position, status, at)
              where item.item_id = it.id"
        );
        let query = sqlx::query(&sql).bind(ids).bind(positions).bind(statuses).bind(times);
        query.execute(connection).await?;
        Ok(())
    }
}

impl ReadModel for Items {
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
            format!("alter table {table} add primary key (item_id)"),
            format!("create index on {table} (player_id, ordinal)"),
            format!(
                "create index on {table} (expires_at, ordinal)
                  where status = 'purchased' and expires_at is not null"
            ),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Account(player, event) = &entry.event else { return };
        self.fold_account(entry.position, *player, event);
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let mut rows = CopyRows::default();
            for (receipt, came) in self.came.drain() {
                came.copy_out(receipt, &mut rows);
            }
            rows.copy_into(connection, &table).await?;
            self.end_earlier(connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        // What ended without ever having come is no row: `verify` says which.
        let Self { came, .. } = std::mem::take(self);
        came.iter().for_each(|(receipt, came)| came.copy_out(*receipt, rows));
    }
}
