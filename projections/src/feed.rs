//! Reading the log by position: from memory what this process has just seen written, from Postgres
//! everything else.
//!
//! Hand-over in memory is the fast path and promises nothing; a read every [`POLL`] is the promise.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::stored::{Hash, Place, Recorded, StoredEvent};
use futures::future::BoxFuture;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgConnection, PgPool, Row};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::position::{OutOfRange, from_sql, to_sql};

/// Nothing that is in the log stays unread for longer than this.
pub const POLL: Duration = Duration::from_millis(250);

/// What is handed over in the process: events in position order, none missing between them.
pub type Batch = Arc<[Recorded]>;

/// How many batches a hand-over channel should hold: what a follower misses beyond that, it reads
/// from Postgres.
pub const HANDOVER_BATCHES: usize = 4_096;

/// Why the log could not be read on from a place.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The database did not answer as it should.
    #[error("the log could not be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The log's event at this position is another one, or none: it is another history.
    #[error(
        "its place {0} has gone from the log: the database was restored, and docs/operations.md says what to do"
    )]
    PlaceGone(u64),
    /// A number that no log of ours has.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// A hash that is not one.
    #[error("the hash at position {0} is not 32 bytes")]
    NotAHash(u64),
}

/// The log, to be read by position.
#[derive(Debug, Clone)]
pub struct Feed {
    pool: PgPool,
    handover: broadcast::Sender<Batch>,
}

impl Feed {
    /// `handover` carries what this process sees written (its own commits and what it has read of
    /// other nodes'), in position order. Followers open connections of their own, with the pool's
    /// options but without its hooks: a role to work as belongs into the options.
    #[must_use]
    pub fn new(pool: PgPool, handover: broadcast::Sender<Batch>) -> Self {
        Self { pool, handover }
    }

    /// A feed that only ever reads Postgres.
    #[must_use]
    pub fn polling(pool: PgPool) -> Self {
        Self::new(pool, broadcast::channel(1).0)
    }

    /// The database that holds the log.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The place before the first event.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn genesis(&self) -> Result<Place, FeedError> {
        genesis(&mut *self.pool.acquire().await?).await
    }

    /// The place of the last event.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn head(&self) -> Result<Place, FeedError> {
        head(&mut *self.pool.acquire().await?).await
    }

    /// The hash of the event at this position, if there is one; at 0 the genesis hash. Whoever
    /// comes back with a cursor asks here whether its history is ours.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn hash_at(&self, position: u64) -> Result<Option<Hash>, FeedError> {
        hash_at(&mut *self.pool.acquire().await?, position).await
    }

    /// Whether this place is in the log.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn holds(&self, place: &Place) -> Result<bool, FeedError> {
        Ok(self.hash_at(place.position).await? == Some(place.hash))
    }

    /// Up to `limit` events after the place, in order.
    ///
    /// # Errors
    /// `PlaceGone` if the place is not in the log; else if the database does not answer.
    pub async fn page(&self, after: &Place, limit: usize) -> Result<Vec<Recorded>, FeedError> {
        page(&mut *self.pool.acquire().await?, after, limit).await
    }

    /// The event at this position, if there is one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn event(&self, position: u64) -> Result<Option<Recorded>, FeedError> {
        let Ok(position) = to_sql(position) else { return Ok(None) };
        let sql = format!("select {COLUMNS} from events where position = $1");
        let row = sqlx::query(&sql).bind(position).fetch_optional(&self.pool).await?;
        row.as_ref().map(recorded).transpose()
    }

    /// All events of these families up to a position, stream by stream. For families of which there is
    /// little.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn families(
        &self,
        families: &[&str],
        until: u64,
    ) -> Result<Vec<Recorded>, FeedError> {
        let sql = format!(
            "select {COLUMNS} from events where aggregate_type = any($1) and position <= $2
              order by aggregate_type, aggregate_id, sequence"
        );
        let query = sqlx::query(&sql).bind(families).bind(to_sql(until)?);
        query.fetch_all(&self.pool).await?.iter().map(recorded).collect()
    }

    /// Follows the log from a place on.
    pub(crate) fn subscribe(&self, place: Place) -> Subscription {
        Subscription {
            handed_over: self.handover.subscribe(),
            place,
            must_read: true,
            next_read: Instant::now(),
        }
    }
}

/// The place before the first event.
pub(crate) async fn genesis(connection: &mut PgConnection) -> Result<Place, FeedError> {
    let log_id: Uuid =
        sqlx::query_scalar("select log_id from log_head").fetch_one(connection).await?;
    Ok(Place { position: 0, hash: Hash::genesis(log_id.as_bytes()) })
}

/// The place of the last event.
pub(crate) async fn head(connection: &mut PgConnection) -> Result<Place, FeedError> {
    let last: Option<(i64, Vec<u8>)> =
        sqlx::query_as("select position, hash from events order by position desc limit 1")
            .fetch_optional(&mut *connection)
            .await?;
    match last {
        None => genesis(connection).await,
        Some((position, hash)) => stored_place(position, &hash),
    }
}

/// The hash at a position, if there is an event.
pub(crate) async fn hash_at(
    connection: &mut PgConnection,
    position: u64,
) -> Result<Option<Hash>, FeedError> {
    if position == 0 {
        return Ok(Some(genesis(connection).await?.hash));
    }
    // A client's cursor may name any position: one that the log cannot hold is not in it.
    let Ok(stored) = to_sql(position) else { return Ok(None) };
    let hash: Option<Vec<u8>> = sqlx::query_scalar("select hash from events where position = $1")
        .bind(stored)
        .fetch_optional(connection)
        .await?;
    hash.map(|hash| Hash::from_slice(&hash).ok_or(FeedError::NotAHash(position))).transpose()
}

/// A place from its columns.
pub(crate) fn stored_place(position: i64, hash: &[u8]) -> Result<Place, FeedError> {
    let position = from_sql(position)?;
    let hash = Hash::from_slice(hash).ok_or(FeedError::NotAHash(position))?;
    Ok(Place { position, hash })
}

/// Up to `limit` events after the place. The event at the place itself is read along with them, so
/// that no read can go on in another history.
pub(crate) async fn page(
    connection: &mut PgConnection,
    after: &Place,
    limit: usize,
) -> Result<Vec<Recorded>, FeedError> {
    if after.position == 0 && genesis(connection).await?.hash != after.hash {
        return Err(FeedError::PlaceGone(0));
    }
    let with_place = limit.saturating_add(usize::from(after.position > 0));
    let sql =
        format!("select {COLUMNS} from events where position >= $1 order by position limit $2");
    let rows = sqlx::query(&sql)
        .bind(to_sql(after.position)?)
        .bind(i64::try_from(with_place).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    let mut rows = rows.iter();
    if after.position > 0 {
        let at_place = rows.next().map(recorded).transpose()?;
        if at_place.is_none_or(|event| event.place != *after) {
            return Err(FeedError::PlaceGone(after.position));
        }
    }
    rows.map(recorded).collect()
}

/// The events of one stream, in order, none after the position `until`.
///
/// # Errors
/// If the database does not answer.
pub async fn stream(
    pool: &PgPool,
    aggregate_type: &str,
    aggregate_id: &str,
    until: u64,
) -> Result<Vec<Recorded>, FeedError> {
    let sql = format!(
        "select {COLUMNS} from events
          where aggregate_type = $1 and aggregate_id = $2 and position <= $3 order by sequence"
    );
    let rows = sqlx::query(&sql)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .bind(to_sql(until).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter().map(recorded).collect()
}

/// What [`recorded`] reads.
/// What [`recorded`] reads.
pub(crate) const COLUMNS: &str =
    "position, hash, recorded_at, aggregate_type, aggregate_id, sequence,
    event_type, event_version, payload::text, metadata::text";

/// The event that a row is.
pub(crate) fn recorded(row: &PgRow) -> Result<Recorded, FeedError> {
    let place = stored_place(row.try_get("position")?, row.try_get("hash")?)?;
    let recorded_at: DateTime<Utc> = row.try_get("recorded_at")?;
    let event = StoredEvent {
        aggregate_type: Cow::Owned(row.try_get("aggregate_type")?),
        aggregate_id: row.try_get::<&str, _>("aggregate_id")?.into(),
        sequence: from_sql(row.try_get("sequence")?)?,
        event_type: Cow::Owned(row.try_get("event_type")?),
        event_version: Cow::Owned(row.try_get("event_version")?),
        payload: row.try_get::<&str, _>("payload")?.into(),
        metadata: row.try_get::<&str, _>("metadata")?.into(),
    };
    Ok(Recorded { place, recorded_at, event })
}

/// Events in position order, none missing between them, in the parts in which they came.
#[derive(Debug, Default)]
pub(crate) struct Page {
    parts: Vec<(Batch, usize)>,
    events: usize,
}

impl Page {
    /// The parts, each in order and following the one before.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[Recorded]> {
        self.parts.iter().filter_map(|(batch, from)| batch.get(*from..))
    }

    /// All events.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Recorded> {
        self.slices().flatten()
    }

    /// How many events.
    pub(crate) fn len(&self) -> usize {
        self.events
    }

    /// The place of the last event.
    pub(crate) fn end(&self) -> Option<Place> {
        self.slices().last()?.last().map(|event| event.place)
    }

    fn push(&mut self, batch: Batch, from: usize) {
        self.events += batch.len().saturating_sub(from);
        self.parts.push((batch, from));
    }
}

/// One follower's way along the log.
#[derive(Debug)]
pub(crate) struct Subscription {
    handed_over: broadcast::Receiver<Batch>,
    place: Place,
    must_read: bool,
    next_read: Instant,
}

impl Subscription {
    /// Waits for the next page of at most about `limit` events; `None` when a read has found
    /// nothing new (so at least every [`POLL`]). A notification of `wake` makes it look at once.
    /// Not to be used any more after an error or when dropped in the middle.
    pub(crate) fn next<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        limit: usize,
        wake: &'a Notify,
    ) -> BoxFuture<'a, Result<Option<Page>, FeedError>> {
        Box::pin(async move {
            let mut page = Page::default();
            while !self.must_read {
                tokio::select! {
                    biased;
                    batch = self.handed_over.recv() => self.receive(batch, &mut page),
                    () = tokio::time::sleep_until(self.next_read) => self.must_read = true,
                    () = wake.notified() => self.must_read = true,
                }
                if page.len() > 0 {
                    self.gather(&mut page, limit);
                    return Ok(Some(page));
                }
            }
            self.read(connection, limit).await
        })
    }

    /// Adds what has been handed over meanwhile.
    pub(crate) fn gather(&mut self, page: &mut Page, limit: usize) {
        while !self.must_read && page.len() < limit {
            match self.handed_over.try_recv() {
                Ok(batch) => self.accept(batch, page),
                Err(TryRecvError::Lagged(_)) => self.must_read = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn receive(&mut self, batch: Result<Batch, RecvError>, page: &mut Page) {
        match batch {
            Ok(batch) => self.accept(batch, page),
            // Closed cannot be: the feed itself holds a sender.
            Err(RecvError::Lagged(_) | RecvError::Closed) => self.must_read = true,
        }
    }

    /// Takes from a batch what is after the place, if it joins there.
    fn accept(&mut self, batch: Batch, page: &mut Page) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        if last.place.position <= self.place.position {
            return;
        }
        let next = self.place.position + 1;
        let known = next.checked_sub(first.place.position).map(usize::try_from);
        match known {
            Some(Ok(known)) => {
                self.place = last.place;
                page.push(batch, known);
            }
            // A gap: what is missing is in Postgres, and so is this batch.
            _ => self.must_read = true,
        }
    }

    async fn read(
        &mut self,
        connection: &mut PgConnection,
        limit: usize,
    ) -> Result<Option<Page>, FeedError> {
        let events = page(connection, &self.place, limit).await?;
        self.must_read = events.len() >= limit;
        self.next_read = Instant::now() + POLL;
        let Some(last) = events.last() else { return Ok(None) };
        self.place = last.place;
        let mut page = Page::default();
        page.push(events.into(), 0);
        Ok(Some(page))
    }
}
