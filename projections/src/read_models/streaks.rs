//! Every day of a streak that a player has claimed.

use chrono::{DateTime, NaiveDate, Utc};
use domain::account::AccountEvent;
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
pub const NAME: &str = "streaks";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position     bigint not null,
    player_id    bigint not null,
    day          date   not null,
    streak_count bigint not null,
    gold         bigint not null,
    xp           bigint not null,
    claimed_at   timestamptz not null
)";

/// A day that was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StreakLine {
    /// The event's number.
    pub position: u64,
    /// Which day, in UTC.
    pub day: NaiveDate,
    /// Its number in the streak.
    pub streak_count: u64,
    /// How much gold it paid, what repaid a debt included.
    pub gold: u64,
    /// How much experience it paid.
    pub xp: u64,
    /// When.
    pub claimed_at: DateTime<Utc>,
}

/// The days that a player has claimed, from `first` on and before `end`, in order.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn between(
    pool: &PgPool,
    player: PlayerId,
    first: NaiveDate,
    end: NaiveDate,
) -> Result<At<Vec<StreakLine>>, ReadError> {
    let rows = "select * from read.streaks where player_id = $1 and day >= $2 and day < $3
                 order by day, position";
    read_at(pool, rows, |query| query.bind(player.0).bind(first).bind(end), line).await
}

fn line(row: &PgRow) -> Result<StreakLine, ReadError> {
    Ok(StreakLine {
        position: number(row, "position")?,
        day: row.try_get("day")?,
        streak_count: number(row, "streak_count")?,
        gold: number(row, "gold")?,
        xp: number(row, "xp")?,
        claimed_at: row.try_get("claimed_at")?,
    })
}

/// Days in the form in which they are copied into the table: nothing about them changes later.
#[derive(Debug, Default)]
pub(crate) struct Streaks(CopyRows);

impl ReadModel for Streaks {
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
        // With the position, so that not even a forged log stops the follower.
        vec![format!("alter table {table} add primary key (player_id, day, position)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Account(player, event) = &entry.event else { return };
        let AccountEvent::StreakClaimed { at, day, streak_count, xp, movement, .. } = event else {
            return;
        };
        self.0
            .row(7)
            .int(entry.position)
            .int(player.0)
            .date(*day)
            .int(i64::from(*streak_count))
            .int(amount(movement.gold.plus(movement.debt).total()))
            .int(amount(*xp))
            .time(*at);
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move { Ok(self.0.copy_into(connection, &table(NAME, generation)).await?) })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        rows.append(&mut self.0);
    }

    fn only_grows(&self) -> bool {
        true
    }
}
