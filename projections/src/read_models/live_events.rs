//! Events that players join: each with its present terms, its seats and its frozen leaderboard.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::LiveEventId;
use domain::live_event::{EventStatus, LiveEventEvent, LiveEventTerms, Tier};
use domain::schedule::Occurrence;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::{At, Entry, ReadError, ReadModel, bring_new, json, named, number, optional_json};
use super::{optional_number, read_at, table, to_json};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "live_events";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position         bigint not null,
    event_id         bigint not null,
    defined_position bigint not null,
    version          bigint not null,
    terms            text   not null,
    status           text   not null,
    ended_at         timestamptz,
    seats_at         timestamptz,
    seats_taken      bigint,
    frozen_at        timestamptz,
    frozen_tiers     text,
    places_rewarded  bigint,
    payout_stopped   bigint not null
) with (fillfactor = 50)";

/// An event that players join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveEventRow {
    /// Its number.
    pub event_id: LiveEventId,
    /// The number of its terms.
    pub version: u64,
    /// What it is, takes and pays.
    pub terms: LiveEventTerms,
    /// Where it stands.
    pub status: EventStatus,
    /// When it was ended for good.
    pub ended_at: Option<DateTime<Utc>>,
    /// The latest occurrence of which seats were taken. They are counted where there is a capacity.
    pub seats: Option<SeatsTaken>,
    /// The latest occurrence whose scores no longer change.
    pub frozen: Option<FrozenBoard>,
    /// Whether the rewarding of places was stopped.
    pub payout_stopped: bool,
    /// The event that drew it up.
    pub defined_position: u64,
}

/// Seats of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SeatsTaken {
    /// When the occurrence begins.
    pub occurrence_at: DateTime<Utc>,
    /// How many are taken.
    pub taken: u64,
}

/// A leaderboard whose scores no longer change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrozenBoard {
    /// When the occurrence began.
    pub occurrence_at: DateTime<Utc>,
    /// What its places pay.
    pub tiers: Vec<Tier>,
    /// How many places were rewarded, once all are.
    pub places_rewarded: Option<u64>,
}

impl LiveEventRow {
    /// The occurrence that a moment belongs to, whatever the status. One that was on when the event
    /// was ended early has ended then.
    #[must_use]
    pub fn occurrence_at(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let occurrence = self.terms.occurrence_at(at);
        occurrence.filter(|_| self.ended_at.is_none_or(|ended_at| at < ended_at))
    }

    /// How many seats of an occurrence are taken; not counted without a capacity.
    #[must_use]
    pub fn seats_taken(&self, occurrence_at: DateTime<Utc>) -> u64 {
        let seats = self.seats.filter(|seats| seats.occurrence_at == occurrence_at);
        seats.map_or(0, |seats| seats.taken)
    }

    /// How many seats of an occurrence can be had; `None` for any number.
    #[must_use]
    pub fn seats_left(&self, occurrence_at: DateTime<Utc>) -> Option<u64> {
        let capacity = u64::from(self.terms.capacity?);
        Some(capacity.saturating_sub(self.seats_taken(occurrence_at)))
    }
}

/// Every event, drafts included, by number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn all(pool: &PgPool) -> Result<At<Vec<LiveEventRow>>, ReadError> {
    let rows = "select * from read.live_events order by event_id";
    read_at(pool, rows, |query| query, live_event).await
}

/// The event with this number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(pool: &PgPool, id: LiveEventId) -> Result<At<Option<LiveEventRow>>, ReadError> {
    let rows = "select * from read.live_events where event_id = $1";
    let At { position, mut rows } =
        read_at(pool, rows, |query| query.bind(id.0), live_event).await?;
    Ok(At { position, rows: rows.pop() })
}

/// Events with a frozen leaderboard whose places are still to be rewarded, and whose payout nobody
/// has stopped; by number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn due_payouts(pool: &PgPool) -> Result<At<Vec<LiveEventRow>>, ReadError> {
    let rows = "select * from read.live_events
                 where frozen_at is not null and places_rewarded is null and payout_stopped = 0
                 order by event_id";
    read_at(pool, rows, |query| query, live_event).await
}

pub(super) fn live_event(row: &PgRow) -> Result<LiveEventRow, ReadError> {
    let seats = match row.try_get("seats_at")? {
        Some(occurrence_at) => {
            Some(SeatsTaken { occurrence_at, taken: number(row, "seats_taken")? })
        }
        None => None,
    };
    let frozen = match row.try_get("frozen_at")? {
        Some(occurrence_at) => Some(FrozenBoard {
            occurrence_at,
            tiers: optional_json(row, "frozen_tiers")?.unwrap_or_default(),
            places_rewarded: optional_number(row, "places_rewarded")?,
        }),
        None => None,
    };
    Ok(LiveEventRow {
        event_id: LiveEventId(row.try_get("event_id")?),
        version: number(row, "version")?,
        terms: json(row, "terms")?,
        status: named(row, "status")?,
        ended_at: row.try_get("ended_at")?,
        seats,
        frozen,
        payout_stopped: number(row, "payout_stopped")? == 1,
        defined_position: number(row, "defined_position")?,
    })
}

/// Events that were changed.
#[derive(Debug, Default)]
pub(crate) struct LiveEvents(BTreeMap<LiveEventId, Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    defined: Option<i64>,
    terms: Option<(u32, LiveEventTerms)>,
    status: Option<EventStatus>,
    ended_at: Option<DateTime<Utc>>,
    seats: Option<(DateTime<Utc>, u32)>,
    frozen: Option<(DateTime<Utc>, Vec<Tier>)>,
    places_rewarded: Option<u32>,
    payout_stopped: Option<bool>,
}

impl Change {
    fn take(&mut self, position: i64, event: &LiveEventEvent) {
        self.position = position;
        match event {
            LiveEventEvent::LiveEventDefined { terms, .. } => {
                self.defined = Some(position);
                self.terms = Some((1, terms.clone()));
            }
            LiveEventEvent::LiveEventRevised { version, terms, .. } => {
                self.terms = Some((*version, terms.clone()));
            }
            LiveEventEvent::LiveEventPublished { .. } => self.status = Some(EventStatus::Published),
            LiveEventEvent::LiveEventPaused { .. } => self.status = Some(EventStatus::Paused),
            LiveEventEvent::LiveEventEnded { at } => {
                self.status = Some(EventStatus::Ended);
                self.ended_at = Some(*at);
            }
            LiveEventEvent::SeatTaken { occurrence_at, taken, .. } => {
                self.seats = Some((*occurrence_at, *taken));
            }
            LiveEventEvent::LeaderboardFrozen { occurrence_at, tiers, .. } => {
                self.frozen = Some((*occurrence_at, tiers.clone()));
                self.places_rewarded = None;
            }
            LiveEventEvent::PayoutStopped { .. } => self.payout_stopped = Some(true),
            LiveEventEvent::PayoutResumed { .. } => self.payout_stopped = Some(false),
            LiveEventEvent::PlacesRewarded { places, .. } => self.places_rewarded = Some(*places),
        }
    }

    fn copy_out(&self, id: LiveEventId, rows: &mut CopyRows) {
        // What happened to an event that nobody defined is no row: `verify` says it.
        let (Some(defined), Some((version, terms))) = (self.defined, &self.terms) else { return };
        rows.row(13)
            .int(self.position)
            .int(id.0)
            .int(defined)
            .int(i64::from(*version))
            .text(&to_json(terms))
            .text(self.status.unwrap_or_default().name())
            .optional_time(self.ended_at)
            .optional_time(self.seats.map(|(at, _)| at))
            .optional_int(self.seats.map(|(_, taken)| i64::from(taken)))
            .optional_time(self.frozen.as_ref().map(|(at, _)| *at))
            .optional_text(self.frozen.as_ref().map(|(_, tiers)| to_json(tiers)).as_deref())
            .optional_int(self.places_rewarded.map(i64::from))
            .int(i64::from(self.payout_stopped.unwrap_or_default()));
    }
}

/// The columns of changes to rows that are there.
#[derive(Default)]
struct Columns {
    keys: [Vec<i64>; 2],
    numbers: [Vec<Option<i64>>; 4],
    texts: [Vec<Option<String>>; 3],
    times: [Vec<Option<DateTime<Utc>>>; 3],
}

impl Columns {
    fn push(&mut self, id: LiveEventId, change: &Change) {
        let Change { terms, status, seats, frozen, .. } = change;
        let keys = [change.position, id.0];
        let numbers = [
            terms.as_ref().map(|(version, _)| i64::from(*version)),
            seats.map(|(_, taken)| i64::from(taken)),
            change.places_rewarded.map(i64::from),
            change.payout_stopped.map(i64::from),
        ];
        let texts = [
            terms.as_ref().map(|(_, terms)| to_json(terms)),
            status.map(|status| status.name().to_owned()),
            frozen.as_ref().map(|(_, tiers)| to_json(tiers)),
        ];
        let times = [change.ended_at, seats.map(|(at, _)| at), frozen.as_ref().map(|(at, _)| *at)];
        self.keys.iter_mut().zip(keys).for_each(|(column, value)| column.push(value));
        self.numbers.iter_mut().zip(numbers).for_each(|(column, value)| column.push(value));
        self.texts.iter_mut().zip(texts).for_each(|(column, value)| column.push(value));
        self.times.iter_mut().zip(times).for_each(|(column, value)| column.push(value));
    }

    async fn update(self, connection: &mut PgConnection, table: &str) -> Result<(), FollowerError> {
        let sql = format!(
            "update {table} event
                set position = it.position, version = coalesce(it.version, event.version),
                    terms = coalesce(it.terms, event.terms),
                    status = coalesce(it.status, event.status),
                    ended_at = coalesce(it.ended_at, event.ended_at),
                    seats_at = coalesce(it.seats_at, event.seats_at),
                    seats_taken = coalesce(it.taken, event.seats_taken),
                    frozen_at = coalesce(it.frozen_at, event.frozen_at),
                    frozen_tiers = coalesce(it.tiers, event.frozen_tiers),
                    places_rewarded = case when it.frozen_at is null
                                           then coalesce(it.places, event.places_rewarded)
                                           else it.places end,
                    payout_stopped = coalesce(it.stopped, event.payout_stopped)
               from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                           $6::bigint[], $7::text[], $8::text[], $9::text[], $10::timestamptz[],
                           $11::timestamptz[], $12::timestamptz[])
                 as it (position, id, version, taken, places, stopped, terms, status, tiers,
                        ended_at, seats_at, frozen_at)
              where event.event_id = it.id"
        );
        let query = self.keys.into_iter().fold(sqlx::query(&sql), |query, it| query.bind(it));
        let query = self.numbers.into_iter().fold(query, |query, column| query.bind(column));
        let query = self.texts.into_iter().fold(query, |query, column| query.bind(column));
        let query = self.times.into_iter().fold(query, |query, column| query.bind(column));
        query.execute(connection).await?;
        Ok(())
    }
}

impl ReadModel for LiveEvents {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        vec![format!("alter table {table} add primary key (event_id)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::LiveEvent(id, event) = &entry.event else { return };
        self.0.entry(*id).or_default().take(entry.position, event);
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.defined.is_some();
            let new = (is_new, Change::copy_out);
            let changes = bring_new(&mut self.0, new, connection, &table).await?;
            if changes.is_empty() {
                return Ok(());
            }
            let mut columns = Columns::default();
            changes.iter().for_each(|(id, change)| columns.push(*id, change));
            columns.update(connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(id, change)| change.copy_out(*id, rows));
    }
}
