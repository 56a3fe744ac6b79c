//! Which generation readers see: names, and the one transaction that changes it.

use sqlx::{Connection, PgConnection};

use super::{HOLD, RebuildError, catch_up, fold_page};
use crate::checkpoint::{self, Checkpoint};
use crate::feed;
use crate::follower::FollowerError;
use crate::lease::{Link, run};
use crate::read_models;
use crate::tables::Generation;

/// How often it is tried to take hold of the live generation and its views.
const ATTEMPTS: u32 = 10;

/// The number after the highest there is.
pub(super) async fn next_generation(connection: &mut PgConnection) -> Result<i32, RebuildError> {
    Ok(sqlx::query_scalar(
        "select coalesce(max(generation), 0) + 1 from read.followers where name = $1",
    )
    .bind(read_models::NAME)
    .fetch_one(connection)
    .await?)
}

/// Holds the live generation where it stands until the transaction ends: its follower waits.
pub(super) async fn hold_live(
    transaction: &mut PgConnection,
) -> Result<Option<Checkpoint>, RebuildError> {
    let timeout = format!("set local lock_timeout = '{}ms'", HOLD.as_millis());
    run(transaction, &timeout).await?;
    sqlx::query(
        "select 1 from read.followers where name = $1 and state = 'live' for no key update",
    )
    .bind(read_models::NAME)
    .execute(&mut *transaction)
    .await?;
    // A second statement, which sees what the one who held it before has done.
    Ok(checkpoint::live(transaction, read_models::NAME).await?)
}

/// Makes a generation the live one, at the position of the one before or later, so that no reader
/// goes back in time; then drops all but these two.
pub(super) async fn promote(
    link: &mut Link,
    building: &mut Generation,
) -> Result<(), RebuildError> {
    for _ in 0..ATTEMPTS {
        catch_up(building, link).await?;
        let mut candidate = Generation::new(building.checkpoint, "building");
        match try_promote(link, &mut candidate).await {
            Err(error) if is_lock_timeout(&error) => {}
            Err(error) => return Err(error),
            Ok(before) => {
                building.checkpoint = candidate.checkpoint;
                return drop_all_but(link, building.checkpoint.generation, before).await;
            }
        }
    }
    Err(RebuildError::Busy)
}

/// Answers which generation was live before and is worth keeping: one whose place has gone from
/// the log is nothing to go back to.
async fn try_promote(
    link: &mut Link,
    candidate: &mut Generation,
) -> Result<Option<i32>, RebuildError> {
    let mut transaction = link.begin().await?;
    let live = hold_live(&mut transaction).await?;
    let until = live.map_or(0, |live| live.place.position);
    while let (_, Some(end)) = fold_page(candidate, &mut transaction, until).await? {
        candidate.bring(&mut transaction, &end).await?;
    }
    point_views(&mut transaction, candidate.checkpoint.generation).await?;
    for (from, to) in [("live", "retired"), ("building", "live")] {
        sqlx::query("update read.followers set state = $3 where name = $1 and state = $2")
            .bind(read_models::NAME)
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
    }
    let before = match live {
        Some(Checkpoint { place, generation, .. }) => {
            let hash = feed::hash_at(&mut transaction, place.position).await?;
            (hash == Some(place.hash)).then_some(generation)
        }
        None => None,
    };
    transaction.commit().await?;
    Ok(before)
}

/// Points the names that readers use at this generation. A reader in the middle of a query is
/// waited for, and who comes later waits for us: nobody sees a mixture.
async fn point_views(transaction: &mut PgConnection, generation: i32) -> Result<(), RebuildError> {
    for model in read_models::all() {
        let (name, table) = (model.name(), read_models::table(model.name(), generation));
        let statements = format!(
            "drop view if exists read.{name}; create view read.{name} as select * from {table}"
        );
        run(transaction, &statements).await?;
    }
    Ok(())
}

fn is_lock_timeout(error: &RebuildError) -> bool {
    let RebuildError::Follower(FollowerError::Database(error)) = error else { return false };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}

/// Drops what a rebuild that did not come to its end has left.
pub(super) async fn drop_unfinished(link: &mut Link) -> Result<(), RebuildError> {
    drop_where(link, "state = 'building'").await
}

async fn drop_all_but(link: &mut Link, live: i32, before: Option<i32>) -> Result<(), RebuildError> {
    let kept = before.unwrap_or(live);
    drop_where(link, &format!("generation not in ({live}, {kept})")).await
}

async fn drop_where(link: &mut Link, which: &str) -> Result<(), RebuildError> {
    let mut transaction = link.begin().await?;
    let dropped: Vec<i32> = sqlx::query_scalar(&format!(
        "delete from read.followers where name = $1 and {which} returning generation"
    ))
    .bind(read_models::NAME)
    .fetch_all(&mut *transaction)
    .await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "select quote_ident(tablename) from pg_tables join unnest($1::integer[]) dropped (generation)
             on tablename ~ ('_g' || generation || '$')
          where schemaname = 'read'",
    )
    .bind(dropped)
    .fetch_all(&mut *transaction)
    .await?;
    for table in tables {
        // A view of a model that is no longer in the list goes with its table.
        run(&mut transaction, &format!("drop table read.{table} cascade")).await?;
    }
    transaction.commit().await?;
    Ok(())
}
