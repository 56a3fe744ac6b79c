//! Where followers stand: the rows of `read.followers`.

use chrono::{DateTime, Utc};
use domain::stored::Place;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use crate::feed::stored_place;
use crate::follower::FollowerError;
use crate::position::{from_sql, to_sql};

/// A generation of a follower as the database has it, for those who look from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredFollower {
    /// Its name.
    pub name: String,
    /// Which generation of its tables.
    pub generation: i32,
    /// The version of the code that fills it.
    pub version: i32,
    /// `building`, `live` or `retired`.
    pub state: String,
    /// The last event it has taken.
    pub position: u64,
    /// Whether the log has that event.
    pub is_in_log: bool,
    /// How many events are behind it in the log.
    pub lag_events: u64,
    /// How long the first of them has been waiting, in milliseconds.
    pub lag_ms: u64,
    /// When it last moved.
    pub updated_at: DateTime<Utc>,
}

impl StoredFollower {
    /// Whether this is the generation that readers see.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == "live"
    }
}

/// All followers that keep their place in the database, by name and generation.
///
/// # Errors
/// If the database does not answer.
pub async fn stored_followers(pool: &PgPool) -> Result<Vec<StoredFollower>, FollowerError> {
    let sql = "select f.name, f.generation, f.version, f.state, f.position, f.updated_at,
                      f.position = 0 or exists
                        (select 1 from events e where e.position = f.position and e.hash = f.hash),
                      coalesce((select max(position) from events), 0),
                      (select (extract(epoch from now() - e.recorded_at) * 1000)::bigint
                         from events e where e.position = f.position + 1)
                 from read.followers f order by f.name, f.generation";
    type Row = (String, i32, i32, String, i64, DateTime<Utc>, bool, i64, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(sql).fetch_all(pool).await?;
    rows.into_iter()
        .map(
            |(
                name,
                generation,
                version,
                state,
                position,
                updated_at,
                is_in_log,
                head,
                waited_ms,
            )| {
                let position = from_sql(position)?;
                Ok(StoredFollower {
                    name,
                    generation,
                    version,
                    state,
                    position,
                    is_in_log,
                    lag_events: from_sql(head)?.saturating_sub(position),
                    lag_ms: u64::try_from(waited_ms.unwrap_or(0)).unwrap_or(0),
                    updated_at,
                })
            },
        )
        .collect()
}

/// One generation of a follower, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which generation of its tables, from 1.
    pub generation: i32,
    /// The version of the code that fills it.
    pub version: i32,
    /// The last event in it.
    pub place: Place,
}

impl Checkpoint {
    /// Of a follower that has no tables of its own: its first generation, for good.
    #[must_use]
    pub fn only(place: Place) -> Self {
        Self { generation: 1, version: 1, place }
    }
}

/// The generation that readers see, if there is one.
///
/// # Errors
/// If the database does not answer.
pub async fn live(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<Checkpoint>, FollowerError> {
    let row: Option<(i32, i32, i64, Vec<u8>)> = sqlx::query_as(
        "select generation, version, position, hash from read.followers
          where name = $1 and state = 'live'",
    )
    .bind(name)
    .fetch_optional(connection)
    .await?;
    row.map(|(generation, version, position, hash)| {
        Ok(Checkpoint { generation, version, place: stored_place(position, &hash)? })
    })
    .transpose()
}

/// Enters a generation in this state: `building` or `live`.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    name: &str,
    checkpoint: &Checkpoint,
    state: &str,
) -> Result<(), FollowerError> {
    sqlx::query(
        "insert into read.followers (name, generation, version, state, position, hash)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(name)
    .bind(checkpoint.generation)
    .bind(checkpoint.version)
    .bind(state)
    .bind(to_sql(checkpoint.place.position)?)
    .bind(&checkpoint.place.hash.0[..])
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a generation at a place, wherever it was.
///
/// # Errors
/// If the database does not answer.
pub async fn put(
    connection: &mut PgConnection,
    name: &str,
    checkpoint: &Checkpoint,
) -> Result<(), FollowerError> {
    sqlx::query(
        "insert into read.followers (name, generation, version, state, position, hash)
         values ($1, $2, $3, 'live', $4, $5)
         on conflict (name, generation) do update
            set position = excluded.position, hash = excluded.hash, updated_at = now()",
    )
    .bind(name)
    .bind(checkpoint.generation)
    .bind(checkpoint.version)
    .bind(to_sql(checkpoint.place.position)?)
    .bind(&checkpoint.place.hash.0[..])
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves a generation from one place to the next, if it is still in this state and stands where
/// its follower believes; otherwise nothing happens and the answer is no. Holds the row until the
/// transaction ends.
///
/// # Errors
/// If the database does not answer.
pub async fn advance(
    connection: &mut PgConnection,
    name: &str,
    state: &str,
    at: &Checkpoint,
    to: &Place,
) -> Result<bool, FollowerError> {
    let moved = sqlx::query(
        "update read.followers set position = $5, hash = $6, updated_at = now()
          where name = $1 and generation = $2 and position = $3 and hash = $4 and state = $7",
    )
    .bind(name)
    .bind(at.generation)
    .bind(to_sql(at.place.position)?)
    .bind(&at.place.hash.0[..])
    .bind(to_sql(to.position)?)
    .bind(&to.hash.0[..])
    .bind(state)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}
