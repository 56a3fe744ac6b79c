//! Catching up with a long log: read by COPY on a connection of its own, in large ranges, the next one while the
//! last one goes in.

use domain::stored::{Place, Recorded};
use sqlx::PgPool;
use tokio::sync::mpsc;

use super::follower::Follower;
use crate::feed;
use crate::follower::{FollowerError, FollowerHandle, FollowerState};
use crate::lease::{Link, run};
use crate::position::to_sql;
use crate::scan::{self, EventReader, FoldError};

/// Whoever is so far behind does not read page by page.
const FAR_BEHIND: u64 = 20_000;
/// Events in one insert.
const RANGE: usize = 50_000;
/// Events in one COPY, which holds a snapshot.
const COPY: u64 = 1_000_000;

/// Whether so much is left to do.
pub(super) async fn is_far_behind(link: &mut Link, place: &Place) -> Result<bool, FollowerError> {
    let head = feed::head(link).await?;
    Ok(head.position.saturating_sub(place.position) > FAR_BEHIND)
}

/// Brings everything in that it is far behind with; the place after it.
pub(super) async fn catch_up(
    follower: &Follower,
    link: &mut Link,
    mut place: Place,
    handle: &FollowerHandle,
) -> Result<Place, FollowerError> {
    while is_far_behind(link, &place).await? {
        handle.is_now(FollowerState::Building);
        let to = feed::head(link).await?.position.min(place.position.saturating_add(COPY));
        let mut ranges = read(follower.feed.pool(), (place.position, to), RANGE);
        while let Some(range) = ranges.recv().await {
            let range = range.map_err(FollowerError::handler)?;
            follower.bring(link, &range).await?;
            if let Some(last) = range.last() {
                place = last.place;
                handle.stands_at(place.position);
            }
        }
    }
    Ok(place)
}

/// The events after one position up to another, so many at once.
pub(super) fn read(
    pool: &PgPool,
    (after, to): (u64, u64),
    size: usize,
) -> mpsc::Receiver<Result<Vec<Recorded>, FoldError>> {
    let (sender, receiver) = mpsc::channel(1);
    let pool = pool.clone();
    tokio::spawn(async move {
        if let Err(error) = copy(&pool, (after, to), size, &sender).await {
            // Whoever asked may have gone.
            let _ = sender.send(Err(error)).await;
        }
    });
    receiver
}

async fn copy(
    pool: &PgPool,
    (after, to): (u64, u64),
    size: usize,
    sender: &mpsc::Sender<Result<Vec<Recorded>, FoldError>>,
) -> Result<(), FoldError> {
    let statement = scan::events_statement(
        to_sql(after).map_err(scan::RowError::from)?,
        to_sql(to).map_err(scan::RowError::from)?,
    );
    let mut connection = pool.begin().await?;
    run(&mut connection, &scan::SCAN_SESSION.replace("set ", "set local ")).await?;
    let (out, mut rows) = scan::chunks();
    let sender = sender.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut reader, mut range) = (EventReader::new(), Vec::with_capacity(size));
        while let Some(chunk) = rows.blocking_recv() {
            for row in chunk.iter() {
                if let Some(recorded) = reader.read(row)? {
                    range.push(recorded.clone());
                }
                if range.len() == size {
                    let full = std::mem::replace(&mut range, Vec::with_capacity(size));
                    if sender.blocking_send(Ok(full)).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        if !range.is_empty() {
            let _ = sender.blocking_send(Ok(range));
        }
        Ok(())
    });
    scan::copy_out(&mut connection, &statement, &[out]).await?;
    reading.await.map_err(|_| FoldError::Cancelled)?
}
