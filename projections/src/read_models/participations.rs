//! Who takes part in which occurrence of which event, under which terms, how far they are, and what
//! it has paid.

mod board;
mod fold;

use chrono::{DateTime, Utc};
use domain::id::{LiveEventId, PlayerId, ReceiptCode};
use domain::live_event::{Entry, LiveEventTerms};
use domain::schedule::Occurrence;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::live_events::{LiveEventRow, live_event};
use super::{At, ReadError, json, named, number, optional_number, read_at};
use crate::position::bound_to_sql;

pub use board::{Leaderboard, PlaceRow, around, boards_to_freeze, places_to_reward, top};
pub(crate) use fold::Participations;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "participations";
/// Raise it with any change of what these files make of an event.
pub const VERSION: i32 = 1;

/// How a player takes part in an occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParticipationRow {
    /// In which event.
    pub event_id: LiveEventId,
    /// Who.
    pub user_id: PlayerId,
    /// In which occurrence.
    pub occurrence: Occurrence,
    /// When it was joined.
    pub joined_at: DateTime<Utc>,
    /// Under which terms.
    pub entry: Entry,
    /// How far each of its requirements is, in their order.
    pub progress: Vec<u64>,
    /// When all of them were met.
    pub completed_at: Option<DateTime<Utc>>,
    /// When what it pays was claimed.
    pub claimed_at: Option<DateTime<Utc>>,
    /// Whether the staff gave that, complete or not.
    pub forced: bool,
    /// The receipt of what it paid.
    pub receipt_code: Option<ReceiptCode>,
    /// The score; nothing where nothing is scored.
    pub score: u64,
    /// The event that changed the score last.
    pub scored_position: Option<u64>,
    /// The place that was rewarded.
    pub place: Option<u64>,
    /// The receipt of what that paid.
    pub place_receipt_code: Option<ReceiptCode>,
    /// The event by which it was joined: the cursor of pages.
    pub joined_position: u64,
}

/// An event as a player sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventOfPlayer {
    /// The event.
    pub event: LiveEventRow,
    /// How the player takes part in the latest occurrence that was joined.
    pub participation: Option<ParticipationRow>,
}

/// The latest occurrence of each event that a player has joined, by event.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn of_player(
    pool: &PgPool,
    player: PlayerId,
) -> Result<At<Vec<ParticipationRow>>, ReadError> {
    let rows = "select distinct on (event_id) * from read.participations where player_id = $1
                 order by event_id, occurrence_at desc";
    read_at(pool, rows, |query| query.bind(player.0), participation).await
}

/// What players see: all events but drafts, those with the highest priority first, and how this
/// player takes part in each.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn events_of(
    pool: &PgPool,
    player: Option<PlayerId>,
) -> Result<At<Vec<EventOfPlayer>>, ReadError> {
    let rows = "select event.*, joined.player_id, joined.occurrence_at, joined.occurrence_ends_at,
                       joined.joined_at, joined.joined_position, joined.entry, joined.progress_0,
                       joined.progress_1, joined.progress_2, joined.progress_3, joined.progress_4,
                       joined.progress_5, joined.progress_6, joined.progress_7,
                       joined.completed_at, joined.claimed_at, joined.forced, joined.receipt_code,
                       joined.score, joined.scored_position, joined.rewarded_place,
                       joined.place_receipt_code
                  from read.live_events event
                  left join lateral (
                       select * from read.participations
                        where player_id = $1 and event_id = event.event_id
                        order by occurrence_at desc limit 1) joined on true
                 where event.status <> 'draft'
                 order by event.event_id";
    let player = player.map(|player| player.0);
    let mut events = read_at(pool, rows, |query| query.bind(player), event_of_player).await?;
    events.rows.sort_by_key(|shown| std::cmp::Reverse(shown.event.terms.priority));
    Ok(events)
}

fn event_of_player(row: &PgRow) -> Result<EventOfPlayer, ReadError> {
    let has_joined = row.try_get::<Option<i64>, _>("player_id")?.is_some();
    let participation = if has_joined { Some(participation(row)?) } else { None };
    Ok(EventOfPlayer { event: live_event(row)?, participation })
}

/// Who takes part in an event, newest first: in one occurrence (in all, if `None`), who joined before
/// the position `before` (all, if `None`), `limit` at most. The next page is before the last one's
/// `joined_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    event: LiveEventId,
    occurrence: Option<DateTime<Utc>>,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<ParticipationRow>>, ReadError> {
    // Planned each time: which index is the better one depends on whether there is an occurrence.
    let rows = "select * from read.participations
                 where event_id = $1 and ($2::timestamptz is null or occurrence_at = $2)
                   and joined_position < $3
                 order by event_id desc, joined_position desc limit $4";
    let (before, limit) = (bound_to_sql(before), i64::from(limit));
    read_at(
        pool,
        rows,
        |query| query.persistent(false).bind(event.0).bind(occurrence).bind(before).bind(limit),
        participation,
    )
    .await
}

/// Where progress of each requirement stands.
const PROGRESS: [&str; LiveEventTerms::MOST_REQUIREMENTS] = [
    "progress_0",
    "progress_1",
    "progress_2",
    "progress_3",
    "progress_4",
    "progress_5",
    "progress_6",
    "progress_7",
];

fn participation(row: &PgRow) -> Result<ParticipationRow, ReadError> {
    let entry: Entry = json(row, "entry")?;
    let made = PROGRESS.iter().take(entry.requirements.len());
    let progress = made.map(|column| Ok(optional_number(row, column)?.unwrap_or(0)));
    Ok(ParticipationRow {
        event_id: LiveEventId(row.try_get("event_id")?),
        user_id: PlayerId(row.try_get("player_id")?),
        occurrence: Occurrence {
            starts_at: row.try_get("occurrence_at")?,
            ends_at: row.try_get("occurrence_ends_at")?,
        },
        joined_at: row.try_get("joined_at")?,
        progress: progress.collect::<Result<_, ReadError>>()?,
        entry,
        completed_at: row.try_get("completed_at")?,
        claimed_at: row.try_get("claimed_at")?,
        forced: number(row, "forced")? == 1,
        receipt_code: receipt(row, "receipt_code")?,
        score: number(row, "score")?,
        scored_position: optional_number(row, "scored_position")?,
        place: optional_number(row, "rewarded_place")?,
        place_receipt_code: receipt(row, "place_receipt_code")?,
        joined_position: number(row, "joined_position")?,
    })
}

fn receipt(row: &PgRow, column: &str) -> Result<Option<ReceiptCode>, ReadError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|_| named(row, column)).transpose()
}
