//! What a screen has missed, read from the log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::stored::{Cursor, DecodeError, Hash, Place, Recorded, StoredEvent};
use projections::feed::{Feed, FeedError};
use projections::position::{OutOfRange, from_sql, to_sql};

use super::messages::{self, FAMILIES, Frame};

/// Events of the log that are read again for one of the staff.
const LOG_PAGE: usize = 1_000;

/// Events that are read again for one screen: first so many, and if that does not reach back far
/// enough, so many. Whoever has missed more gets the state.
const PAGES: [u64; 2] = [50, 1_000];

/// Why what was missed cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log does not answer.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A number that SQL cannot hold.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// An event of another program.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A hash that is none.
    #[error("the hash at position {0} is not 32 bytes")]
    NotAHash(u64),
}

/// A player's events after the cursor, up to `until`, in order; `None` if too much has happened since. The
/// cursor is of this history.
///
/// # Errors
/// If the log does not answer.
pub async fn since(
    feed: &Feed,
    player: PlayerId,
    cursor: &Cursor,
    until: &Place,
) -> Result<Option<Vec<Recorded>>, HistoryError> {
    'pages: for limit in PAGES {
        let mut missed = Vec::new();
        for family in FAMILIES {
            let latest = latest(feed, family, (player, until.position), limit + 1).await?;
            let reaches_back = latest.len() as u64 <= limit
                || latest.last().is_some_and(|last| last.place.position <= cursor.position);
            if !reaches_back {
                continue 'pages;
            }
            missed.extend(latest);
        }
        missed.retain(|recorded| recorded.place.position > cursor.position);
        missed.sort_by_key(|recorded| recorded.place.position);
        return Ok(Some(missed));
    }
    Ok(None)
}

/// The messages about these events, which follow the cursor.
///
/// # Errors
/// If one of them is of another program.
pub fn frames(cursor: &Cursor, missed: &[Recorded]) -> Result<Vec<Frame>, DecodeError> {
    let mut frames = Vec::new();
    let mut before = *cursor;
    for recorded in missed {
        let event = ClubEvent::decode(recorded)?;
        frames.extend(messages::about(&recorded.place, &before, &event));
        before = recorded.place.cursor();
    }
    Ok(frames)
}

/// What the staff is told of the log after the cursor, up to `until`; `None` if it is too much. The cursor
/// is of this history.
///
/// # Errors
/// If the log does not answer.
pub async fn log_since(
    feed: &Feed,
    cursor: &Cursor,
    until: &Place,
) -> Result<Option<Vec<Frame>>, HistoryError> {
    let missed = until.position.saturating_sub(cursor.position);
    if missed > LOG_PAGE as u64 {
        return Ok(None);
    }
    let Some(hash) = feed.hash_at(cursor.position).await? else { return Ok(None) };
    let place = Place { position: cursor.position, hash };
    let events = feed.page(&place, LOG_PAGE).await?;
    let told = events
        .iter()
        .filter(|event| event.place.position <= until.position)
        .filter(|event| messages::is_for_staff(&event.event.aggregate_type));
    Ok(Some(told.map(messages::log_event).collect()))
}

/// The last events of a player's stream up to a position, newest first. By the stream's own numbers:
/// their index is there, and their order is that of positions.
async fn latest(
    feed: &Feed,
    family: &'static str,
    (player, until): (PlayerId, u64),
    limit: u64,
) -> Result<Vec<Recorded>, HistoryError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select position, hash, recorded_at, sequence, event_type, event_version, payload::text
           from events
          where aggregate_type = $1 and aggregate_id = $2 and position <= $3
          order by sequence desc limit $4",
    )
    .bind(family)
    .bind(player.to_string())
    .bind(to_sql(until)?)
    .bind(to_sql(limit)?)
    .fetch_all(feed.pool())
    .await?;
    let id: Arc<str> = player.to_string().into();
    rows.into_iter().map(|row| recorded(row, family, id.clone())).collect()
}

/// Position, hash, time, sequence, type, version, payload.
type Row = (i64, Vec<u8>, DateTime<Utc>, i64, String, String, String);

fn recorded(row: Row, family: &'static str, id: Arc<str>) -> Result<Recorded, HistoryError> {
    let (position, hash, recorded_at, sequence, event_type, event_version, payload) = row;
    let position = from_sql(position)?;
    let hash = Hash::from_slice(&hash).ok_or(HistoryError::NotAHash(position))?;
    let event = StoredEvent {
        aggregate_type: family.into(),
        aggregate_id: id,
        sequence: from_sql(sequence)?,
        event_type: event_type.into(),
        event_version: event_version.into(),
        payload: payload.into(),
        metadata: "{}".into(),
    };
    Ok(Recorded { place: Place { position, hash }, recorded_at, event })
}
