//! The rank of each player to whom the staff has given one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::identity::IdentityEvent;
use domain::offer::Rank;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Row};

use super::catalog::rank;
use super::{At, Entry, ReadError, ReadModel, named, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "ranks";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position  bigint not null,
    player_id bigint not null,
    rank      text   not null,
    since     timestamptz not null
)";

/// A player's rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlayerRank {
    /// Whose.
    pub user_id: PlayerId,
    /// Which.
    pub rank: Rank,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// The rank of a player; who was never given one has the lowest.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of(pool: &PgPool, player: PlayerId) -> Result<At<Rank>, ReadError> {
    let At { position, rows } = of_each(pool, &[player]).await?;
    Ok(At { position, rows: rows.first().map_or(Rank::default(), |row| row.rank) })
}

/// The ranks of these players, ordered by player; who was never given one is missing.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of_each(
    pool: &PgPool,
    players: &[PlayerId],
) -> Result<At<Vec<PlayerRank>>, ReadError> {
    let rows = "select * from read.ranks where player_id = any($1) order by player_id";
    let ids: Vec<i64> = players.iter().map(|player| player.0).collect();
    let of_row = |row: &sqlx::postgres::PgRow| {
        let user_id = PlayerId(row.try_get("player_id")?);
        Ok(PlayerRank { user_id, rank: named(row, "rank")?, since: row.try_get("since")? })
    };
    read_at(pool, rows, |query| query.bind(ids), of_row).await
}

/// The last rank of each player who was given one: position, rank, since when.
#[derive(Debug, Default)]
pub(crate) struct Ranks(HashMap<PlayerId, (i64, Rank, DateTime<Utc>)>);

impl ReadModel for Ranks {
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
        let ClubEvent::Identity(player, event) = &entry.event else { return };
        match event {
            IdentityEvent::RankChanged { at, rank } => {
                self.0.insert(*player, (entry.position, *rank, *at));
            }
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
            let table = table(NAME, generation);
            let ids: Vec<i64> = self.0.keys().map(|player| player.0).collect();
            let sql = format!("delete from {table} where player_id = any($1)");
            sqlx::query(&sql).bind(ids).execute(&mut *connection).await?;
            let mut rows = CopyRows::default();
            self.copy_out(&mut rows);
            Ok(rows.copy_into(connection, &table).await?)
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (player, (position, standing, since)) in self.0.drain() {
            rows.row(4).int(position).int(player.0).text(rank(standing)).time(since);
        }
    }
}
