//! Reading a long stretch of the log, or of a table, as fast as the server can give it: COPY on
//! one task, and whoever works with the rows on another.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::id::InvalidId;
use domain::stored::{DecodeError, Hash, Place, Recorded, StoredEvent};
use futures::TryStreamExt;
use sqlx::PgConnection;
use tokio::sync::mpsc;

use crate::copy::{CopiedRow, MalformedRow};
use crate::feed::FeedError;
use crate::position::{OutOfRange, from_sql};

/// Rows that travel together, to one who works with them or to several.
pub(crate) type Chunk = Arc<Vec<Bytes>>;

/// Rows in a chunk: enough that handing it over costs nothing, few enough that both sides work.
const CHUNK_ROWS: usize = 512;
/// Chunks on their way: what one side may be ahead of the other.
const CHUNKS_AHEAD: usize = 8;

/// A channel for [`copy_out`].
pub(crate) fn chunks() -> (mpsc::Sender<Chunk>, mpsc::Receiver<Chunk>) {
    mpsc::channel(CHUNKS_AHEAD)
}

/// Sends every row of a COPY, in chunks, to each receiver. Ends early, without an error, if one of
/// them has gone: it has a reason, and tells it.
pub(crate) async fn copy_out(
    connection: &mut PgConnection,
    statement: &str,
    to: &[mpsc::Sender<Chunk>],
) -> Result<(), sqlx::Error> {
    let mut rows = connection.copy_out_raw(statement).await?;
    let mut is_last = false;
    while !is_last {
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        while chunk.len() < CHUNK_ROWS && !is_last {
            match rows.try_next().await? {
                Some(row) => chunk.push(row),
                None => is_last = true,
            }
        }
        let chunk = Arc::new(chunk);
        for receiver in to {
            if receiver.send(Arc::clone(&chunk)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The COPY of the events after one position up to another, in order.
pub(crate) fn events_statement(after: i64, to: i64) -> String {
    format!(
        "copy (select position, hash, recorded_at, sequence, aggregate_type, aggregate_id,
                      event_type, event_version, payload, metadata
                 from events where position > {after} and position <= {to} order by position)
           to stdout (format binary)"
    )
}

/// The COPY of an aggregate's events of some types, after one position up to another, in order.
pub(crate) fn events_of_types_statement(
    aggregate_type: &str,
    types: &[&str],
    (after, to): (i64, i64),
) -> String {
    let types = types.join("', '");
    format!(
        "copy (select position, hash, recorded_at, sequence, aggregate_type, aggregate_id,
                      event_type, event_version, payload, metadata
                 from events where position > {after} and position <= {to}
                  and aggregate_type = '{aggregate_type}' and event_type in ('{types}')
                order by position)
           to stdout (format binary)"
    )
}

/// The planner's hand: an ordered read of the log is a walk along its primary key, and neither a
/// sort nor several processes make it faster than the one reader can take it.
pub(crate) const SCAN_SESSION: &str = "set enable_seqscan = off; set enable_bitmapscan = off;
    set enable_sort = off; set max_parallel_workers_per_gather = 0; set jit = off";

/// Folds the events that a COPY gives, on a thread of its own, for as long as `take` does not fail.
pub(crate) async fn fold<S: Send + 'static>(
    connection: &mut PgConnection,
    statement: &str,
    mut state: S,
    take: impl Fn(&mut S, &Recorded) -> Result<(), FoldError> + Send + 'static,
) -> Result<S, FoldError> {
    let (out, mut rows) = chunks();
    let folding = tokio::task::spawn_blocking(move || {
        let mut reader = EventReader::new();
        while let Some(chunk) = rows.blocking_recv() {
            for row in chunk.iter() {
                if let Some(recorded) = reader.read(row)? {
                    take(&mut state, recorded)?;
                }
            }
        }
        Ok(state)
    });
    copy_out(connection, statement, &[out]).await?;
    folding.await.map_err(|_| FoldError::Cancelled)?
}

/// Why what the log says all in all is not known.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The database did not answer as it should.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A row that is none.
    #[error(transparent)]
    Row(#[from] RowError),
    /// An event that this program cannot read.
    #[error("the event at position {position} cannot be read: {source}")]
    Decode {
        /// Where.
        position: u64,
        /// Why.
        source: DecodeError,
    },
    /// A stream that is not a player's.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A task of this process ended without a result.
    #[error("reading the log was cancelled")]
    Cancelled,
}

impl From<sqlx::Error> for FoldError {
    fn from(error: sqlx::Error) -> Self {
        Self::Feed(error.into())
    }
}

/// Why a row of the log could not be taken from COPY.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The bytes make no row.
    #[error(transparent)]
    Malformed(#[from] MalformedRow),
    /// A number that no log of ours has.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// Reads events out of COPY rows, one after the other into the same space.
#[derive(Debug)]
pub(crate) struct EventReader(Recorded);

impl EventReader {
    pub(crate) fn new() -> Self {
        let event = StoredEvent {
            aggregate_type: Cow::Borrowed(""),
            aggregate_id: "".into(),
            sequence: 0,
            event_type: Cow::Borrowed(""),
            event_version: Cow::Borrowed(""),
            payload: "".into(),
            metadata: "".into(),
        };
        let place = Place { position: 0, hash: Hash([0; 32]) };
        Self(Recorded { place, recorded_at: DateTime::<Utc>::UNIX_EPOCH, event })
    }

    /// The next event; `None` for the end of the COPY.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Option<&Recorded>, RowError> {
        let Some(mut row) = CopiedRow::new(message)? else { return Ok(None) };
        let Self(recorded) = self;
        recorded.place.position = from_sql(row.int()?)?;
        recorded.place.hash = Hash::from_slice(row.bytes()?).ok_or(MalformedRow)?;
        recorded.recorded_at = row.time()?;
        let event = &mut recorded.event;
        event.sequence = from_sql(row.int()?)?;
        keep(&mut event.aggregate_type, row.text()?);
        event.aggregate_id = row.text()?.into();
        keep(&mut event.event_type, row.text()?);
        keep(&mut event.event_version, row.text()?);
        event.payload = row.text()?.into();
        let metadata = row.text()?;
        if *event.metadata != *metadata {
            event.metadata = metadata.into();
        }
        Ok(Some(recorded))
    }
}

/// Names repeat from event to event.
fn keep(name: &mut Cow<'static, str>, read: &str) {
    if name.as_ref() != read {
        *name = Cow::Owned(read.to_owned());
    }
}
