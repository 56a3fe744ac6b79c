//! The board of missions: each with its present terms.

use std::collections::BTreeMap;

use domain::event::ClubEvent;
use domain::id::MissionId;
use domain::mission::{MissionEvent, MissionTerms};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, bring_new, json, number, optional_number, read_at};
use super::{table, to_json};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "missions";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position         bigint not null,
    mission_id       bigint not null,
    defined_position bigint not null,
    version          bigint not null,
    terms            text   not null,
    counts_after     bigint,
    past_players     bigint
) with (fillfactor = 50)";

/// A mission, on the board or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissionRow {
    /// Its number.
    pub mission_id: MissionId,
    /// The number of its terms.
    pub version: u64,
    /// What it is and pays.
    pub terms: MissionTerms,
    /// While past play is still to be counted: what was done after this position counts, too, if it
    /// was done before the mission was there.
    pub counts_after: Option<u64>,
    /// For how many players past play made a difference, once it is counted.
    pub past_players: Option<u64>,
    /// The event that put it on the board.
    pub defined_position: u64,
}

/// Every mission, by number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn all(pool: &PgPool) -> Result<At<Vec<MissionRow>>, ReadError> {
    let rows = "select * from read.missions order by mission_id";
    read_at(pool, rows, |query| query, mission).await
}

/// The mission with this number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(pool: &PgPool, id: MissionId) -> Result<At<Option<MissionRow>>, ReadError> {
    let rows = "select * from read.missions where mission_id = $1";
    let At { position, mut rows } = read_at(pool, rows, |query| query.bind(id.0), mission).await?;
    Ok(At { position, rows: rows.pop() })
}

pub(super) fn mission(row: &PgRow) -> Result<MissionRow, ReadError> {
    Ok(MissionRow {
        mission_id: MissionId(row.try_get("mission_id")?),
        version: number(row, "version")?,
        terms: json(row, "terms")?,
        counts_after: optional_number(row, "counts_after")?,
        past_players: optional_number(row, "past_players")?,
        defined_position: number(row, "defined_position")?,
    })
}

/// Missions that events have changed.
#[derive(Debug, Default)]
pub(crate) struct Missions(BTreeMap<MissionId, Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    /// Where, and from where on past play counts.
    defined: Option<(i64, Option<i64>)>,
    terms: Option<(u32, MissionTerms)>,
    past_players: Option<i64>,
}

impl Change {
    fn copy_out(&self, id: MissionId, rows: &mut CopyRows) {
        // What happened to a mission that nobody defined is no row: `verify` says it.
        let (Some((defined, counts_after)), Some((version, terms))) = (self.defined, &self.terms)
        else {
            return;
        };
        rows.row(7)
            .int(self.position)
            .int(id.0)
            .int(defined)
            .int(i64::from(*version))
            .text(&to_json(terms))
            .optional_int(counts_after.filter(|_| self.past_players.is_none()))
            .optional_int(self.past_players);
    }
}

/// Brings changes into rows that are there.
async fn update(
    changes: BTreeMap<MissionId, Change>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut numbers: [Vec<i64>; 2] = Default::default();
    let (mut versions, mut terms, mut players) = (Vec::new(), Vec::new(), Vec::new());
    for (id, change) in changes {
        for (column, number) in numbers.iter_mut().zip([change.position, id.0]) {
            column.push(number);
        }
        versions.push(change.terms.as_ref().map(|(version, _)| i64::from(*version)));
        terms.push(change.terms.map(|(_, terms)| to_json(&terms)));
        players.push(change.past_players);
    }
    let sql = format!(
        "update {table} mission
            set position = it.position, version = coalesce(it.version, mission.version),
                terms = coalesce(it.terms, mission.terms),
                past_players = coalesce(it.players, mission.past_players),
                counts_after = case when it.players is null then mission.counts_after end
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
             as it (position, id, version, terms, players)
          where mission.mission_id = it.id"
    );
    let query = numbers.into_iter().fold(sqlx::query(&sql), |query, column| query.bind(column));
    query.bind(versions).bind(terms).bind(players).execute(connection).await?;
    Ok(())
}

impl ReadModel for Missions {
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
        vec![format!("alter table {table} add primary key (mission_id)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Mission(event) = &entry.event else { return };
        let (MissionEvent::MissionDefined { mission_id, .. }
        | MissionEvent::MissionRevised { mission_id, .. }
        | MissionEvent::PastPlayAdded { mission_id, .. }) = event;
        let change = self.0.entry(*mission_id).or_default();
        change.position = entry.position;
        match event {
            MissionEvent::MissionDefined { terms, counts_after, .. } => {
                change.defined = Some((entry.position, counts_after.map(amount)));
                change.terms = Some((1, terms.clone()));
            }
            MissionEvent::MissionRevised { version, terms, .. } => {
                change.terms = Some((*version, terms.clone()));
            }
            MissionEvent::PastPlayAdded { players, .. } => {
                change.past_players = Some(amount(*players));
            }
        }
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
            update(changes, connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(id, change)| change.copy_out(*id, rows));
    }
}
