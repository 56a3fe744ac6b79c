//! What each player has.

use std::collections::HashMap;

use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::money::Wallet;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::{At, Entry, ReadError, ReadModel, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "balances";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

/// Room in each page for new versions of a row, so that an update stays in its page.
const COLUMNS: &str = "(
    position   bigint not null,
    player_id  bigint not null,
    gold_paid  bigint not null check (gold_paid >= 0),
    gold_free  bigint not null check (gold_free >= 0),
    vip_points bigint not null check (vip_points >= 0),
    debt       bigint not null check (debt >= 0)
) with (fillfactor = 60)";

/// A player's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Whose.
    pub user_id: PlayerId,
    /// Spendable gold.
    pub gold: u64,
    /// How much of it was bought.
    pub gold_paid: u64,
    /// How much of it was given.
    pub gold_free: u64,
    /// The second currency.
    pub vip_points: u64,
    /// Gold owed.
    pub debt: u64,
    /// The event that changed it last.
    pub changed_at: u64,
}

/// A player's balance, `None` if the player has no account yet.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of(pool: &PgPool, player: PlayerId) -> Result<At<Option<Balance>>, ReadError> {
    let At { position, mut rows } = of_each(pool, &[player]).await?;
    Ok(At { position, rows: rows.pop() })
}

/// The balances of these players, ordered by player; who has no account yet is missing.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of_each(pool: &PgPool, players: &[PlayerId]) -> Result<At<Vec<Balance>>, ReadError> {
    let rows = "select * from read.balances where player_id = any($1) order by player_id";
    let ids: Vec<i64> = players.iter().map(|player| player.0).collect();
    read_at(pool, rows, |query| query.bind(ids), balance).await
}

fn balance(row: &PgRow) -> Result<Balance, ReadError> {
    let (gold_paid, gold_free) = (number(row, "gold_paid")?, number(row, "gold_free")?);
    Ok(Balance {
        user_id: PlayerId(row.try_get("player_id")?),
        gold: gold_paid.saturating_add(gold_free),
        gold_paid,
        gold_free,
        vip_points: number(row, "vip_points")?,
        debt: number(row, "debt")?,
        changed_at: number(row, "position")?,
    })
}

/// The last wallet of each player who had one changed.
#[derive(Debug, Default)]
pub(crate) struct Balances(HashMap<PlayerId, (i64, Wallet)>);

/// Amounts end at [`domain::money::MAX_GOLD`]; one that does not fit would show as a row that
/// differs from the log, never as money.
pub(super) fn amount(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

impl ReadModel for Balances {
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
        vec![format!("alter table {table} add primary key (player_id)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Account(player, event) = &entry.event else { return };
        if let Some(wallet) = event.wallet_after() {
            self.0.insert(*player, (entry.position, wallet));
        }
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
            let mut columns: [Vec<i64>; 6] = Default::default();
            for (player, (position, wallet)) in self.0.drain() {
                for (column, value) in columns.iter_mut().zip(values(player, position, wallet)) {
                    column.push(value);
                }
            }
            let table = table(NAME, generation);
            let sql = format!(
                "insert into {table} (position, player_id, gold_paid, gold_free, vip_points, debt)
                 select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],
                                      $5::bigint[], $6::bigint[])
                 on conflict (player_id) do update set
                    position = excluded.position, gold_paid = excluded.gold_paid,
                    gold_free = excluded.gold_free, vip_points = excluded.vip_points,
                    debt = excluded.debt"
            );
            let query = columns.into_iter().fold(sqlx::query(&sql), |query, it| query.bind(it));
            query.execute(connection).await?;
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (player, (position, wallet)) in self.0.drain() {
            rows.row(6);
            for value in values(player, position, wallet) {
                rows.int(value);
            }
        }
    }
}

/// The columns, in the table's order.
fn values(player: PlayerId, position: i64, wallet: Wallet) -> [i64; 6] {
    let Wallet { paid, free, debt, vip_points } = wallet;
    [position, player.0, amount(paid), amount(free), amount(vip_points), amount(debt)]
}
