//! Whether two generations show the same, at exactly the same position and in one snapshot. Held
//! still for the moment in which the snapshot is taken, the live generation goes on while its
//! picture is compared.

use sqlx::{Connection, PgConnection, PgPool};

use super::{Comparison, RebuildError, fold_page, promote, take_page};
use crate::checkpoint::Checkpoint;
use crate::feed;
use crate::lease::{Link, run};
use crate::position::from_sql;
use crate::read_models;
use crate::tables::Generation;

/// A whole table is read: here the planner is free again.
const SNAPSHOT: &str = "set enable_seqscan = on; set enable_hashjoin = on;
    begin isolation level repeatable read read only";

/// Compares the generation being built with the live one, after bringing both to one position.
pub(super) async fn compare(
    pool: &PgPool,
    link: &mut Link,
    building: &mut Generation,
    live: Option<&Checkpoint>,
) -> Result<Comparison, RebuildError> {
    let not_compared = |reason| Ok(Comparison::NotCompared { reason });
    let Some(live) = live else { return not_compared("there was no live generation") };
    if live.version != building.checkpoint.version {
        return not_compared("the live generation was made by another version");
    }
    if feed::hash_at(link, live.place.position).await? != Some(live.place.hash) {
        return not_compared("the live generation's place has gone from the log");
    }
    let mut snapshot = aligned_snapshot(pool, link, building).await?;
    let position = building.checkpoint.place.position;
    for model in read_models::all() {
        let live = read_models::table(model.name(), live.generation);
        let built = read_models::table(model.name(), building.checkpoint.generation);
        if digest(&mut snapshot, &live).await? != digest(&mut snapshot, &built).await? {
            let position = first_difference(&mut snapshot, &live, &built).await?;
            return Ok(Comparison::Different { model: model.name(), position });
        }
    }
    Ok(Comparison::Equal { position })
}

/// A snapshot in which both generations stand at one position: that of the building one.
async fn aligned_snapshot(
    pool: &PgPool,
    link: &mut Link,
    building: &mut Generation,
) -> Result<Link, RebuildError> {
    let mut holder = Link::open(pool).await?;
    let mut snapshot = Link::open(pool).await?;
    loop {
        let mut holding = holder.begin().await?;
        let live = promote::hold_live(&mut holding).await?.ok_or(RebuildError::Busy)?;
        let position = live.place.position;
        if position < building.checkpoint.place.position {
            // Nobody works for it, or it is a moment behind: do a page of its work.
            let mut live = Generation::new(live, "live");
            let until = building.checkpoint.place.position;
            if let (_, Some(end)) = fold_page(&mut live, &mut holding, until).await? {
                live.bring(&mut holding, &end).await?;
            }
            holding.commit().await?;
            continue;
        }
        while take_page(building, link, position).await? > 0 {}
        if building.checkpoint.place != live.place {
            return Err(RebuildError::Busy);
        }
        run(&mut snapshot, SNAPSHOT).await?;
        // The first statement takes the snapshot.
        run(&mut snapshot, "select 1 from read.followers").await?;
        holding.rollback().await?;
        return Ok(snapshot);
    }
}

/// Rows of a table and a sum over them that does not depend on their order.
async fn digest(
    snapshot: &mut PgConnection,
    table: &str,
) -> Result<(i64, Option<i64>), RebuildError> {
    let sql = format!("select count(*), bit_xor(hash_record_extended(t, 0)) from {table} t");
    Ok(sqlx::query_as(&sql).fetch_one(snapshot).await?)
}

/// The first position whose row is in one table only.
async fn first_difference(
    snapshot: &mut PgConnection,
    live: &str,
    built: &str,
) -> Result<u64, RebuildError> {
    let sql = format!(
        "select coalesce(min(position), 0) from (
           (select * from {live} except select * from {built}) union all
           (select * from {built} except select * from {live})) different"
    );
    let position: i64 = sqlx::query_scalar(&sql).fetch_one(snapshot).await?;
    Ok(from_sql(position).map_err(crate::follower::FollowerError::from)?)
}
