//! All read models, and the one form they share.
//!
//! They are kept by one follower: each event is decoded once, a page changes all tables in one
//! transaction, and so all screens show one position. A generation is one set of tables
//! (`read.balances_g3`, …); readers use views with stable names (`read.balances`, …), which the
//! transaction that promotes a generation points at it.
//!
//! A new read model: one file below, one line in [`all`].

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use domain::account::LedgerEntry;
use domain::event::ClubEvent;
use domain::stored::{Recorded, StoredEvent};
use futures::future::BoxFuture;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::{OutOfRange, from_sql};

pub mod approvals;
pub mod audit;
pub mod balances;
pub mod books;
pub mod campaigns;
pub mod catalog;
pub mod invites;
pub mod items;
pub mod job_lines;
pub mod jobs;
pub mod levels;
pub mod live_events;
pub mod mission_progress;
pub mod missions;
pub mod notes;
pub mod packages;
pub mod participations;
pub mod promos;
pub mod purchases;
pub mod rewards;
pub mod segments;
pub mod standings;
pub mod streaks;

/// What the follower that keeps them is called in `read.followers`.
pub const NAME: &str = "read_models";

/// Every read model, empty. A page is brought into their tables in this order: what is held of a
/// package counts purchases, so these come first.
pub(crate) fn all() -> Vec<Box<dyn ReadModel>> {
    vec![
        Box::new(balances::Balances::default()),
        Box::new(purchases::Purchases::default()),
        Box::new(books::Books::default()),
        Box::new(catalog::Catalog::default()),
        Box::new(packages::Packages::default()),
        Box::new(promos::Promos::default()),
        Box::new(items::Items::default()),
        Box::new(standings::Standings::default()),
        Box::new(notes::Notes::default()),
        Box::new(streaks::Streaks::default()),
        Box::new(levels::Levels::default()),
        Box::new(missions::Missions::default()),
        Box::new(mission_progress::MissionProgress::default()),
        Box::new(live_events::LiveEvents::default()),
        Box::new(participations::Participations::default()),
        Box::new(rewards::RewardsPaid::default()),
        Box::new(invites::Invites::default()),
        Box::new(approvals::Approvals::default()),
        Box::new(jobs::Jobs::default()),
        Box::new(job_lines::JobLines::default()),
        Box::new(campaigns::Campaigns::default()),
        Box::new(audit::AuditLog::default()),
    ]
}

/// Of read models that are no more, the last version and one more each: the version of all of them never
/// goes back to what an earlier program had.
const GONE: i32 = 3;

/// The version of them together: whenever one changes what it makes of the log, it raises its own,
/// and a new generation is built at the next start.
pub(crate) fn version() -> i32 {
    GONE + all().iter().map(|model| model.version()).sum::<i32>()
}

/// Tables that are a function of the log. `fold` gathers what events change; then either `upsert`
/// brings it into the tables of a generation that exists, or `copy_out` writes it, as whole rows,
/// into new ones.
///
/// The first column of each table is `position bigint`: the last event that changed the row.
pub(crate) trait ReadModel: Send + Sync {
    /// The name of its view, and of its tables before the generation.
    fn name(&self) -> &'static str;

    /// Raised with every change of what it makes of an event.
    fn version(&self) -> i32;

    /// The table's columns and constraints that do not need an index, then its options.
    fn columns(&self) -> &'static str;

    /// What comes after the data: the primary key and indexes of `table`, a statement each.
    fn indexes(&self, table: &str) -> Vec<String>;

    /// Takes one event. Events come in position order.
    fn fold(&mut self, entry: &Entry<'_>);

    /// Brings what was gathered into the table of this generation, in a transaction that the caller
    /// ends.
    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>>;

    /// Writes what was gathered since the first event as rows of the table.
    fn copy_out(&mut self, rows: &mut CopyRows);

    /// Whether rows never change after the event that made them, so that they can be copied while
    /// the fold goes on.
    fn only_grows(&self) -> bool {
        false
    }
}

/// For rows that one event begins and others change: copies those in that are new, and hands back what changes
/// rows that are there. Of what was gathered nothing is left.
pub(crate) async fn bring_new<K: Ord + Copy + Send, C: Send>(
    gathered: &mut BTreeMap<K, C>,
    (is_new, copy_out): (impl Fn(&C) -> bool + Send, impl Fn(&C, K, &mut CopyRows) + Send),
    connection: &mut PgConnection,
    table: &str,
) -> Result<BTreeMap<K, C>, FollowerError> {
    let (new, changes): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(gathered).into_iter().partition(|(_, change)| is_new(change));
    let mut rows = CopyRows::default();
    new.iter().for_each(|(key, change)| copy_out(change, *key, &mut rows));
    rows.copy_into(connection, table).await?;
    Ok(changes)
}

/// An event as read models see it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Its number, as SQL has it.
    pub position: i64,
    /// What happened.
    pub event: ClubEvent,
    /// The movement of gold that it is, if it is one.
    pub ledger: Option<LedgerEntry>,
    /// What is said about it, as JSON text.
    pub metadata: &'a str,
    /// The event as it is stored.
    pub stored: &'a StoredEvent,
    actor: OnceCell<String>,
}

impl<'a> Entry<'a> {
    /// Decodes an event.
    pub(crate) fn read(recorded: &'a Recorded) -> Result<Self, FollowerError> {
        let position = recorded.place.position;
        let event = ClubEvent::decode(recorded)
            .map_err(|source| FollowerError::Decode { position, source })?;
        let ledger = match &event {
            ClubEvent::Account(_, event) => event.ledger_entry(),
            ClubEvent::Product(..)
            | ClubEvent::Package(..)
            | ClubEvent::Promo(..)
            | ClubEvent::Identity(..)
            | ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Activity(..)
            | ClubEvent::Mission(..)
            | ClubEvent::LiveEvent(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Invite(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Announcement(..) => None,
        };
        let position = crate::position::to_sql(position)?;
        let stored = &recorded.event;
        let metadata = &stored.metadata;
        Ok(Self { position, event, ledger, metadata, stored, actor: OnceCell::new() })
    }

    /// Who did it, as `kind:id`.
    pub(crate) fn actor(&self) -> &str {
        self.actor.get_or_init(|| actor_of(self.metadata))
    }
}

fn actor_of(metadata: &str) -> String {
    #[derive(Deserialize)]
    struct Said<'s> {
        #[serde(borrow)]
        actor_kind: Cow<'s, str>,
        #[serde(borrow)]
        actor_id: Cow<'s, str>,
    }
    match serde_json::from_str::<Said<'_>>(metadata) {
        Ok(said) => format!("{}:{}", said.actor_kind, said.actor_id),
        // Metadata is not what the rules are about: an event without an actor still counts.
        Err(_) => "unknown:".to_owned(),
    }
}

/// The table of the model with this name in a generation.
pub(crate) fn table(name: &str, generation: i32) -> String {
    format!("read.{name}_g{generation}")
}

/// An answer read in one snapshot: what the read models show at exactly this position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct At<T> {
    /// The last event that is in them.
    pub position: u64,
    /// What they show.
    pub rows: T,
}

/// Why a read model cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database refused or did not answer.
    #[error("the read models could not be read: {0}")]
    Database(#[from] sqlx::Error),
    /// No generation has been promoted yet: the follower is building the first one.
    #[error("the read models are not built yet")]
    NotBuilt,
    /// A negative number where there can be none.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// What is shown of the log itself cannot be read.
    #[error("an event could not be read: {0}")]
    Event(#[from] FollowerError),
}

/// A query to bind parameters to.
pub(crate) type PgQuery<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// Reads rows of a view and the place of the read models in one statement, so in one snapshot.
/// `rows` is a query that gives any number of rows; `$1` … are its parameters, bound by `bind`, and what it
/// takes from the log itself is bounded by `followers.position`. None of its columns may be called `read_at`
/// or `found`.
/// Its order is kept: it is the inner side of a join with one row.
pub(crate) async fn read_at<R>(
    pool: &PgPool,
    rows: &str,
    bind: impl FnOnce(PgQuery<'_>) -> PgQuery<'_>,
    into_row: impl Fn(&PgRow) -> Result<R, ReadError>,
) -> Result<At<Vec<R>>, ReadError> {
    let sql = format!(
        "select followers.position as read_at, shown.* from read.followers
           left join lateral (select true as found, asked.* from ({rows}) asked) shown on true
          where followers.name = '{NAME}' and followers.state = 'live'"
    );
    let shown = bind(sqlx::query(&sql)).fetch_all(pool).await.map_err(not_built)?;
    let Some(first) = shown.first() else { return Err(ReadError::NotBuilt) };
    let position = number(first, "read_at")?;
    let is_found = |row: &&PgRow| matches!(row.try_get("found"), Ok(Some(true)));
    let rows = shown.iter().filter(is_found).map(into_row).collect::<Result<_, _>>()?;
    Ok(At { position, rows })
}

/// A `bigint` column that is never negative.
pub(crate) fn number(row: &PgRow, column: &str) -> Result<u64, ReadError> {
    Ok(from_sql(row.try_get(column)?)?)
}

/// A `bigint` column that is null or never negative.
pub(crate) fn optional_number(row: &PgRow, column: &str) -> Result<Option<u64>, ReadError> {
    let stored: Option<i64> = row.try_get(column)?;
    Ok(stored.map(from_sql).transpose()?)
}

/// A `text` column that holds the stored name of something.
pub(crate) fn named<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, ReadError> {
    let text: &str = row.try_get(column)?;
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(text).map_err(|error| ReadError::Database(sqlx::Error::Decode(Box::new(error))))
}

/// A `text` column that holds JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, ReadError> {
    from_json(row.try_get(column)?)
}

/// A `text` column that is null or holds JSON.
pub(crate) fn optional_json<T: DeserializeOwned>(
    row: &PgRow,
    column: &str,
) -> Result<Option<T>, ReadError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(from_json).transpose()
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    serde_json::from_str(text)
        .map_err(|error| ReadError::Database(sqlx::Error::Decode(Box::new(error))))
}

/// What such a column holds.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    // It was read from JSON, so it has that form.
    serde_json::to_string(value).unwrap_or_default()
}

/// Before the first promotion the views do not exist.
fn not_built(error: sqlx::Error) -> ReadError {
    let undefined_table = error.as_database_error().and_then(|error| error.code());
    match undefined_table.as_deref() {
        Some("42P01") => ReadError::NotBuilt,
        _ => ReadError::Database(error),
    }
}

#[cfg(test)]
mod tests;
