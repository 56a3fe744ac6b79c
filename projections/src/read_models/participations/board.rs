//! Leaderboards: the players of an occurrence by score; of two with the same, first who reached it
//! first. Places are counted along the index that has this order.

use chrono::{DateTime, Utc};
use domain::id::{LiveEventId, PlayerId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::super::{At, PgQuery, ReadError, number, optional_number, read_at};

/// A part of a leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leaderboard {
    /// The places that were asked for, in order.
    pub places: Vec<PlaceRow>,
    /// How many players have a score at all.
    pub players: u64,
    /// Whether scores no longer change.
    pub is_frozen: bool,
}

/// A place on a leaderboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlaceRow {
    /// From 1.
    pub place: u64,
    /// Whose.
    pub user_id: PlayerId,
    /// With which score.
    pub score: u64,
}

/// All places: `$1` is the event, `$2` the occurrence.
const PLACES: &str = "select row_number() over (order by score desc, scored_position, player_id)
                               as number,
                             player_id as user_id, score as points, rewarded_place as rewarded
                        from read.participations
                       where event_id = $1 and occurrence_at = $2 and score > 0";

/// The first places of an occurrence.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn top(
    pool: &PgPool,
    event: LiveEventId,
    occurrence_at: DateTime<Utc>,
    limit: u32,
) -> Result<At<Leaderboard>, ReadError> {
    let places =
        format!("{PLACES} order by score desc, scored_position, player_id limit $3::bigint");
    board(pool, &places, |query| query.bind(event.0).bind(occurrence_at).bind(i64::from(limit)))
        .await
}

/// A player's place in an occurrence, and so many before and after it; none, if there is no score.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn around(
    pool: &PgPool,
    event: LiveEventId,
    occurrence_at: DateTime<Utc>,
    player: PlayerId,
    each_side: u32,
) -> Result<At<Leaderboard>, ReadError> {
    let places = format!(
        "with all_places as materialized ({PLACES}),
              own as (select number from all_places where user_id = $3)
         select all_places.* from all_places, own
          where all_places.number between own.number - $4 and own.number + $4"
    );
    board(pool, &places, |query| {
        query.bind(event.0).bind(occurrence_at).bind(player.0).bind(i64::from(each_side))
    })
    .await
}

/// Places after this one (0 for all) that have not been rewarded, `limit` at most.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn places_to_reward(
    pool: &PgPool,
    event: LiveEventId,
    occurrence_at: DateTime<Utc>,
    after_place: u32,
    limit: u32,
) -> Result<At<Vec<PlaceRow>>, ReadError> {
    let rows = format!(
        "select * from ({PLACES}) all_places where number > $3 and rewarded is null
          order by number limit $4"
    );
    let (after, limit) = (i64::from(after_place), i64::from(limit));
    read_at(
        pool,
        &rows,
        |query| query.bind(event.0).bind(occurrence_at).bind(after).bind(limit),
        |row| PlaceRow::of(row, number(row, "number")?),
    )
    .await
}

/// Leaderboards of occurrences that were over before a moment, whose scores can still change: of each
/// event the first one, once the places of the one before are rewarded.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn boards_to_freeze(
    pool: &PgPool,
    over_by: DateTime<Utc>,
) -> Result<At<Vec<(LiveEventId, DateTime<Utc>)>>, ReadError> {
    let rows = "select event.event_id, first.occurrence_at
                  from read.live_events event
                  cross join lateral (
                       select occurrence_at, occurrence_ends_at from read.participations
                        where event_id = event.event_id and score > 0
                          and occurrence_at > coalesce(event.frozen_at, '-infinity')
                        order by occurrence_at limit 1) first
                 where (event.frozen_at is null or event.places_rewarded is not null)
                   and least(first.occurrence_ends_at, event.ended_at) <= $1
                 order by event.event_id";
    let board =
        |row: &PgRow| Ok((LiveEventId(row.try_get("event_id")?), row.try_get("occurrence_at")?));
    read_at(pool, rows, |query| query.bind(over_by), board).await
}

/// These places, together with what is true of the whole leaderboard.
async fn board(
    pool: &PgPool,
    places: &str,
    bind: impl FnOnce(PgQuery<'_>) -> PgQuery<'_>,
) -> Result<At<Leaderboard>, ReadError> {
    let rows = format!(
        "select whole.*, shown.*
           from (select (select count(*) from read.participations
                          where event_id = $1 and occurrence_at = $2 and score > 0) as players,
                        (select count(*) from read.live_events
                          where event_id = $1 and frozen_at >= $2) as frozen) whole
           left join lateral ({places}) shown on true"
    );
    let At { position, rows } = read_at(pool, &rows, bind, |row| {
        let place = match optional_number(row, "number")? {
            Some(place) => Some(PlaceRow::of(row, place)?),
            None => None,
        };
        Ok((number(row, "players")?, number(row, "frozen")? > 0, place))
    })
    .await?;
    let (players, is_frozen) =
        rows.first().map_or((0, false), |(players, is_frozen, _)| (*players, *is_frozen));
    let mut places: Vec<PlaceRow> = rows.into_iter().filter_map(|(_, _, place)| place).collect();
    places.sort_by_key(|place| place.place);
    Ok(At { position, rows: Leaderboard { places, players, is_frozen } })
}

impl PlaceRow {
    fn of(row: &PgRow, place: u64) -> Result<Self, ReadError> {
        let user_id = PlayerId(row.try_get("user_id")?);
        Ok(Self { place, user_id, score: number(row, "points")? })
    }
}
