//! Building a generation of the read models from the whole log, without downtime.

use sqlx::{Connection, PgPool};

use crate::checkpoint::{self, Checkpoint};
use crate::feed;
use crate::follower::FollowerError;
use crate::lease::Link;
use crate::read_models;

/// How far a rebuild is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Events done.
    pub done: u64,
    /// Events there are.
    pub total: u64,
}

/// Builds.
///
/// # Errors
/// If not.
pub async fn rebuild(
    pool: &PgPool,
    _progress: impl Fn(Progress) + Send + Sync,
) -> Result<(), FollowerError> {
    let mut link = Link::open(pool).await?;
    let generation: i32 = sqlx::query_scalar(
        "select coalesce(max(generation), 0) + 1 from read.followers where name = $1",
    )
    .bind(read_models::NAME)
    .fetch_one(&mut *link)
    .await?;
    let mut transaction = link.begin().await?;
    let place = feed::genesis(&mut transaction).await?;
    for model in read_models::all() {
        let table = read_models::table(&*model, generation);
        let columns = model.columns();
        crate::lease::run(&mut transaction, &format!("create table {table} {columns}")).await?;
        for index in model.indexes(&table) {
            crate::lease::run(&mut transaction, &index).await?;
        }
        let name = model.name();
        crate::lease::run(
            &mut transaction,
            &format!(
                "drop view if exists read.{name}; create view read.{name} as select * from {table}"
            ),
        )
        .await?;
    }
    sqlx::query("update read.followers set state = 'retired' where name = $1 and state = 'live'")
        .bind(read_models::NAME)
        .execute(&mut *transaction)
        .await?;
    checkpoint::insert(
        &mut transaction,
        read_models::NAME,
        &Checkpoint { generation, version: read_models::version(), place },
        "live",
    )
    .await?;
    transaction.commit().await?;
    Ok(())
}
