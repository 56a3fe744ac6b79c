//! What is kept in PostgreSQL: the range that is being inserted, what was set aside, and the place, for those who
//! stand by.

use chrono::{DateTime, Utc};
use domain::stored::Place;
use serde::Serialize;
use sqlx::{Connection, PgConnection, PgPool};

use super::NAME;
use super::insert::Refused;
use crate::checkpoint::{self, Checkpoint};
use crate::feed::stored_place;
use crate::follower::FollowerError;
use crate::position::{from_sql, to_sql};

/// A range of positions, all of one month: the first one, and the place of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) to: Place,
}

/// An event that is not in ClickHouse, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Which.
    pub position: u64,
    /// Its stored name.
    pub event_type: String,
    /// What is wrong with it.
    pub reason: String,
    /// Since when.
    pub set_aside_at: DateTime<Utc>,
}

/// All that was set aside, in the order of the log.
///
/// # Errors
/// If the database does not answer.
pub async fn set_aside(pool: &PgPool) -> Result<Vec<SetAside>, FollowerError> {
    let rows: Vec<(i64, String, String, DateTime<Utc>)> = sqlx::query_as(
        "select position, event_type, reason, set_aside_at from olap.set_aside
          where sink = $1 order by position",
    )
    .bind(NAME)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(position, event_type, reason, set_aside_at)| {
            Ok(SetAside { position: from_sql(position)?, event_type, reason, set_aside_at })
        })
        .collect()
}

/// How many were set aside after one position up to another.
pub(super) async fn count_set_aside(
    connection: &mut PgConnection,
    (after, to): (u64, u64),
) -> Result<u64, FollowerError> {
    let sql =
        "select count(*) from olap.set_aside where sink = $1 and position > $2 and position <= $3";
    let count = sqlx::query_scalar(sql).bind(NAME).bind(to_sql(after)?).bind(to_sql(to)?);
    Ok(from_sql(count.fetch_one(connection).await?)?)
}

/// The place as it was stored last.
pub(super) async fn place(connection: &mut PgConnection) -> Result<Option<Place>, FollowerError> {
    Ok(checkpoint::live(connection, NAME).await?.map(|checkpoint| checkpoint.place))
}

/// Puts the place there, wherever it was.
pub(super) async fn put_place(
    connection: &mut PgConnection,
    place: &Place,
) -> Result<(), FollowerError> {
    checkpoint::put(connection, NAME, &Checkpoint::only(*place)).await
}

/// The range that was tried last and may be in or not.
pub(super) async fn pending(connection: &mut PgConnection) -> Result<Option<Range>, FollowerError> {
    let row: Option<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "select from_position, to_position, to_hash from olap.pending where sink = $1",
    )
    .bind(NAME)
    .fetch_optional(connection)
    .await?;
    row.map(|(from, to, hash)| Ok(Range { from: from_sql(from)?, to: stored_place(to, &hash)? }))
        .transpose()
}

/// Writes down what is tried next, so that it outlives a crash of the database: a range that may be in ClickHouse
/// must be tried again as it was.
pub(super) async fn begin(
    connection: &mut PgConnection,
    range: &Range,
) -> Result<(), FollowerError> {
    let mut transaction = connection.begin().await?;
    sqlx::query("set local synchronous_commit = on").execute(&mut *transaction).await?;
    sqlx::query(
        "insert into olap.pending (sink, from_position, to_position, to_hash) values ($1, $2, $3, $4)
         on conflict (sink) do update set from_position = excluded.from_position,
            to_position = excluded.to_position, to_hash = excluded.to_hash",
    )
    .bind(NAME)
    .bind(to_sql(range.from)?)
    .bind(to_sql(range.to.position)?)
    .bind(&range.to.hash.0[..])
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Nothing is tried any more.
pub(super) async fn forget(connection: &mut PgConnection) -> Result<(), FollowerError> {
    sqlx::query("delete from olap.pending where sink = $1").bind(NAME).execute(connection).await?;
    Ok(())
}

/// The range is in, but for these: place, reasons and the end of the try in one.
pub(super) async fn finish(
    connection: &mut PgConnection,
    range: &Range,
    refused: &[Refused],
) -> Result<(), FollowerError> {
    let mut transaction = connection.begin().await?;
    set(&mut transaction, refused).await?;
    put_place(&mut transaction, &range.to).await?;
    forget(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Sets these aside.
pub(super) async fn set(
    connection: &mut PgConnection,
    refused: &[Refused],
) -> Result<(), FollowerError> {
    for (position, event_type, reason) in refused {
        sqlx::query(
            "insert into olap.set_aside (sink, position, event_type, reason) values ($1, $2, $3, $4)
             on conflict (sink, position) do update set reason = excluded.reason",
        )
        .bind(NAME)
        .bind(to_sql(*position)?)
        .bind(event_type)
        .bind(reason)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// These are in ClickHouse after all.
pub(super) async fn taken_up(
    connection: &mut PgConnection,
    positions: &[u64],
) -> Result<(), FollowerError> {
    let positions = positions.iter().map(|p| to_sql(*p)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query("delete from olap.set_aside where sink = $1 and position = any($2)")
        .bind(NAME)
        .bind(positions)
        .execute(connection)
        .await?;
    Ok(())
}
