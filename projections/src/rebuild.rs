//! Building a generation of the read models from the whole log, without downtime.
//!
//! Generation n+1 is folded in memory and copied in bulk ([`fold`]), catches up by pages, is
//! compared with the live one at one position ([`compare`]), and promoted in one transaction
//! ([`promote`]). The live generation serves readers and follows the log all the while; the one
//! before it is dropped.

use std::time::{Duration, Instant};

use domain::stored::Place;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use crate::checkpoint::{self, Checkpoint};
use crate::feed::{self, FeedError};
use crate::follower::FollowerError;
use crate::lease::Link;
use crate::read_models::{self, Entry};
use crate::scan::RowError;
use crate::tables::Generation;

mod compare;
mod fold;
mod promote;

/// The lease of whoever builds: one at a time, beside the follower itself.
const LEASE: &str = "read_models rebuild";
/// Events in a page of the catch-up.
const PAGE_EVENTS: usize = 10_000;
/// Closer than this to the head, the rest is caught up while the live generation stands still.
const NEAR: usize = 500;

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events folded.
    pub done: u64,
    /// Events there are to fold.
    pub total: u64,
}

/// What to do with a generation that shows something else than the live one of the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfDifferent {
    /// Leave the live one: one of the two is wrong, and `verify` says which.
    Stop,
    /// Promote the new one, which follows from the log.
    Promote,
}

/// How the new generation compared with the live one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Both show the same at this position.
    Equal {
        /// Where they were compared.
        position: u64,
    },
    /// They differ; the new one was promoted because that was asked for.
    Different {
        /// Which read model.
        model: &'static str,
        /// The first event whose row differs.
        position: u64,
    },
    /// There was nothing to compare with.
    NotCompared {
        /// Why.
        reason: &'static str,
    },
}

/// A finished rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// The generation that is live now.
    pub generation: i32,
    /// The last event in it when it was promoted.
    pub position: u64,
    /// Events folded from the log in one go; the rest came by pages.
    pub folded: u64,
    /// How it compared with the one that was live before.
    pub comparison: Comparison,
    /// Folding and copying, in milliseconds.
    pub fold_ms: u64,
    /// Primary keys and indexes.
    pub index_ms: u64,
    /// Catching up and comparing.
    pub compare_ms: u64,
    /// Promoting, and dropping what is no longer kept.
    pub promote_ms: u64,
}

/// Why there is no new generation; the live one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// As for any follower.
    #[error(transparent)]
    Follower(#[from] FollowerError),
    /// The log is not whole.
    #[error("the log has no event at position {0}: run verify")]
    Gap(u64),
    /// A row that is none.
    #[error("the event after position {after} cannot be read: {source}")]
    Row {
        /// The last one that could be.
        after: u64,
        /// What is wrong with it.
        source: RowError,
    },
    /// The new generation shows something else than the live one.
    #[error(
        "{model} of the new generation differs from the live one at position {position}: \
         run verify to see which is right, then rebuild and replace"
    )]
    Different {
        /// Which read model.
        model: &'static str,
        /// The first event whose row differs.
        position: u64,
    },
    /// Readers or the follower did not let go of the live generation for long.
    #[error("the live generation could not be taken hold of: try again when there is less load")]
    Busy,
    /// A task of this process ended without a result.
    #[error("a part of the rebuild was cancelled")]
    Cancelled,
}

impl From<sqlx::Error> for RebuildError {
    fn from(error: sqlx::Error) -> Self {
        Self::Follower(error.into())
    }
}

impl From<FeedError> for RebuildError {
    fn from(error: FeedError) -> Self {
        Self::Follower(error.into())
    }
}

/// Builds the next generation of all read models and makes it the live one. Waits for another
/// rebuild to end first. `progress` is told now and then, from another thread.
///
/// # Errors
/// If the log cannot be read or is not whole, or the new generation differs from the live one and
/// `if_different` says to stop. The live generation is untouched then.
pub async fn rebuild(
    pool: &PgPool,
    if_different: IfDifferent,
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<Rebuilt, RebuildError> {
    let mut link = Link::open(pool).await?;
    link.lease(LEASE).await?;
    promote::drop_unfinished(&mut link).await?;
    let live = checkpoint::live(&mut link, read_models::NAME).await?;
    let generation = promote::next_generation(&mut link).await?;
    let version = read_models::version();

    let started = Instant::now();
    let place = feed::head(&mut link).await?;
    let checkpoint = Checkpoint { generation, version, place };
    let index_ms = fold::fold(pool, &mut link, checkpoint, progress).await?;
    let fold_ms = ms(started).saturating_sub(index_ms);

    let started = Instant::now();
    let mut building = Generation::new(checkpoint, "building");
    catch_up(&mut building, &mut link).await?;
    let comparison = compare::compare(pool, &mut link, &mut building, live.as_ref()).await?;
    if let (Comparison::Different { model, position }, IfDifferent::Stop) =
        (&comparison, if_different)
    {
        return Err(RebuildError::Different { model, position: *position });
    }
    let compare_ms = ms(started);

    let started = Instant::now();
    promote::promote(&mut link, &mut building).await?;
    let position = building.checkpoint.place.position;
    let promote_ms = ms(started);
    let folded = place.position;
    Ok(Rebuilt {
        generation,
        position,
        folded,
        comparison,
        fold_ms,
        index_ms,
        compare_ms,
        promote_ms,
    })
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Takes pages until the generation is near the head.
async fn catch_up(
    generation: &mut Generation,
    connection: &mut PgConnection,
) -> Result<(), RebuildError> {
    while take_page(generation, connection, u64::MAX).await? >= NEAR {}
    Ok(())
}

/// Takes one page of events, none after `until`, in a transaction of its own. Answers how many.
async fn take_page(
    generation: &mut Generation,
    connection: &mut PgConnection,
    until: u64,
) -> Result<usize, RebuildError> {
    let (count, Some(end)) = fold_page(generation, connection, until).await? else { return Ok(0) };
    generation.commit(connection, &end).await?;
    Ok(count)
}

/// Gathers one page of events, none after `until`: how many, and the last one's place.
async fn fold_page(
    generation: &mut Generation,
    connection: &mut PgConnection,
    until: u64,
) -> Result<(usize, Option<Place>), RebuildError> {
    let page = feed::page(connection, &generation.checkpoint.place, PAGE_EVENTS).await?;
    let count = page.partition_point(|event| event.place.position <= until);
    let mut end = None;
    for recorded in page.iter().take(count) {
        generation.fold(&Entry::read(recorded)?);
        end = Some(recorded.place);
    }
    Ok((count, end))
}

/// How long the live generation may be held, and waited for.
const HOLD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
