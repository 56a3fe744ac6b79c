//! What a screen has missed, read from the log.

use domain::account::{Account, AccountEvent};
use domain::aggregate::Aggregate;
use domain::id::PlayerId;
use domain::stored::{self, Cursor, DecodeError, Place};
use projections::feed::{Feed, FeedError};
use projections::position::{OutOfRange, from_sql, to_sql};

use super::messages::{self, Frame};

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

/// The messages about a player's events after the cursor, up to `until`; `None` if they cannot be
/// given without a gap: the cursor is from another history, or too much has happened since.
///
/// # Errors
/// If the log does not answer.
pub async fn since(
    feed: &Feed,
    player: PlayerId,
    cursor: &Cursor,
    until: &Place,
) -> Result<Option<Vec<Frame>>, HistoryError> {
    let hash = feed.hash_at(cursor.position).await?;
    if !hash.is_some_and(|hash| cursor.is_at(&hash)) {
        return Ok(None);
    }
    for limit in PAGES {
        let latest = latest(feed, player, until.position, limit + 1).await?;
        let reaches_back = latest.len() as u64 <= limit
            || latest.last().is_some_and(|(place, _)| place.position <= cursor.position);
        if reaches_back {
            return Ok(Some(frames(player, cursor, latest)));
        }
    }
    Ok(None)
}

/// Messages about these events, which are given newest first, as far as they are after the cursor.
fn frames(player: PlayerId, cursor: &Cursor, latest: Vec<(Place, AccountEvent)>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut before = *cursor;
    let missed = latest.into_iter().rev().filter(|(place, _)| place.position > cursor.position);
    for (place, event) in missed {
        frames.extend(messages::about(player, &place, &before, &event));
        before = place.cursor();
    }
    frames
}

/// A player's last events up to a position, newest first. By the stream's own numbers: their index
/// is there, and their order is that of positions.
async fn latest(
    feed: &Feed,
    player: PlayerId,
    until: u64,
    limit: u64,
) -> Result<Vec<(Place, AccountEvent)>, HistoryError> {
    let rows: Vec<(i64, Vec<u8>, String, String, String)> = sqlx::query_as(
        "select position, hash, event_type, event_version, payload::text from events
          where aggregate_type = $1 and aggregate_id = $2 and position <= $3
          order by sequence desc limit $4",
    )
    .bind(Account::TYPE)
    .bind(player.to_string())
    .bind(to_sql(until)?)
    .bind(to_sql(limit)?)
    .fetch_all(feed.pool())
    .await?;
    let event =
        |(position, hash, kind, version, payload): (i64, Vec<u8>, String, String, String)| {
            let position = from_sql(position)?;
            let hash = stored::Hash::from_slice(&hash).ok_or(HistoryError::NotAHash(position))?;
            Ok((Place { position, hash }, stored::decode(&kind, &version, &payload)?))
        };
    rows.into_iter().map(event).collect()
}
