//! Where followers stand: the rows of `read.followers`.

use domain::stored::Place;
use sqlx::PgConnection;

use crate::feed::stored_place;
use crate::follower::FollowerError;
use crate::position::to_sql;

/// One generation of a follower, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Which generation of its tables, from 1.
    pub generation: i32,
    /// The version of the code that fills it.
    pub version: i32,
    /// The last event in it.
    pub place: Place,
}

/// The generation that readers see, if there is one.
pub(crate) async fn live(
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

/// Moves a generation from one place to the next, if it is still in this state and stands where
/// its follower believes; otherwise nothing happens and the answer is no. Holds the row until the
/// transaction ends.
pub(crate) async fn advance(
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
