//! The experience of each player who has any.

use std::collections::HashMap;

use domain::event::ClubEvent;
use domain::id::PlayerId;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "levels";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position  bigint not null,
    player_id bigint not null,
    xp        bigint not null check (xp >= 0)
) with (fillfactor = 60)";

/// A player's experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlayerLevel {
    /// Whose.
    pub user_id: PlayerId,
    /// How much.
    pub xp: u64,
}

impl PlayerLevel {
    /// The level that goes with it.
    #[must_use]
    pub fn level(&self) -> u64 {
        domain::account::level(self.xp)
    }
}

/// The experience of these players, ordered by player; who has none is missing.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of_each(
    pool: &PgPool,
    players: &[PlayerId],
) -> Result<At<Vec<PlayerLevel>>, ReadError> {
    let rows = "select * from read.levels where player_id = any($1) order by player_id";
    let ids: Vec<i64> = players.iter().map(|player| player.0).collect();
    let of_row = |row: &PgRow| {
        let user_id = PlayerId(row.try_get("player_id")?);
        Ok(PlayerLevel { user_id, xp: number(row, "xp")? })
    };
    read_at(pool, rows, |query| query.bind(ids), of_row).await
}

/// What each player has gained, and the event that gave the last of it.
#[derive(Debug, Default)]
pub(crate) struct Levels(HashMap<PlayerId, (i64, i64)>);

impl ReadModel for Levels {
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
        let Some((_, xp_after)) = event.xp_gained() else { return };
        self.0.insert(*player, (entry.position, amount(xp_after)));
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
            let mut columns: [Vec<i64>; 3] = Default::default();
            for (player, (position, xp)) in self.0.drain() {
                for (column, value) in columns.iter_mut().zip([position, player.0, xp]) {
                    column.push(value);
                }
            }
            let table = table(NAME, generation);
            let sql = format!(
                "insert into {table} (position, player_id, xp)
                 select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])
                 on conflict (player_id) do update set
                    position = excluded.position, xp = excluded.xp"
            );
            let query = columns.into_iter().fold(sqlx::query(&sql), |query, it| query.bind(it));
            query.execute(connection).await?;
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (player, (position, xp)) in self.0.drain() {
            rows.row(3).int(position).int(player.0).int(xp);
        }
    }
}
