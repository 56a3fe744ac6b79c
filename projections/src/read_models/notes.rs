//! Notes that the staff has written about players. Their texts stand beside the log.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::identity::IdentityEvent;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::{At, Entry, ReadError, ReadModel, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "notes";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

/// Where it was written is where its text stands.
const COLUMNS: &str = "(
    position         bigint      not null,
    player_id        bigint      not null,
    number           bigint      not null,
    written_position bigint      not null,
    written_at       timestamptz not null,
    author           text        not null,
    removed_at       timestamptz
)";

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoteRow {
    /// Which of the player's notes, from 1.
    pub number: u64,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// By whom, as `kind:id`.
    pub author: String,
    /// What it says.
    pub text: String,
}

/// The notes about a player, newest first.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn about(pool: &PgPool, player: PlayerId) -> Result<At<Vec<NoteRow>>, ReadError> {
    // One whose text is gone says nothing any more.
    let rows = "select number, written_at, author, said.text
                  from read.notes join event_texts said on said.position = written_position
                 where player_id = $1 and removed_at is null order by number desc";
    read_at(pool, rows, |query| query.bind(player.0), note).await
}

/// Deletes the texts of notes that were removed behind a position: what it is at now.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn forget_removed(pool: &PgPool, behind: u64) -> Result<u64, ReadError> {
    let removed = "select written_position from read.notes
                    where position > $1 and removed_at is not null";
    let behind = to_sql(behind)?;
    let position = |row: &PgRow| Ok(row.try_get::<i64, _>("written_position")?);
    let At { position, rows } =
        read_at(pool, removed, |query| query.bind(behind), position).await?;
    if !rows.is_empty() {
        let delete = "delete from event_texts where position = any($1)";
        sqlx::query(delete).bind(rows).execute(pool).await?;
    }
    Ok(position)
}

fn note(row: &PgRow) -> Result<NoteRow, ReadError> {
    Ok(NoteRow {
        number: number(row, "number")?,
        written_at: row.try_get("written_at")?,
        author: row.try_get("author")?,
        text: row.try_get("text")?,
    })
}

/// Notes that events have changed, by player and number.
#[derive(Debug, Default)]
pub(crate) struct Notes(BTreeMap<(PlayerId, u32), Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    /// Where, when and by whom it was written, if that is among these events.
    written: Option<(i64, DateTime<Utc>, String)>,
    removed_at: Option<DateTime<Utc>>,
}

impl ReadModel for Notes {
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
        vec![
            format!("alter table {table} add primary key (player_id, number)"),
            format!("create index on {table} (position) where removed_at is not null"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Identity(player, event) = &entry.event else { return };
        match *event {
            IdentityEvent::NoteAdded { at, number } => {
                let change = self.0.entry((*player, number)).or_default();
                change.position = entry.position;
                change.written = Some((entry.position, at, entry.actor().to_owned()));
            }
            IdentityEvent::NoteRemoved { at, number } => {
                let change = self.0.entry((*player, number)).or_default();
                (change.position, change.removed_at) = (entry.position, Some(at));
            }
            IdentityEvent::RankChanged { .. }
            | IdentityEvent::RoleGiven { .. }
            | IdentityEvent::Banned { .. }
            | IdentityEvent::Unbanned { .. }
            | IdentityEvent::SessionsEnded { .. }
            | IdentityEvent::SessionEnded { .. }
            | IdentityEvent::TotpEnrolled { .. }
            | IdentityEvent::TotpRemoved { .. }
            | IdentityEvent::ProfileChanged { .. }
            | IdentityEvent::MailSuppressed { .. }
            | IdentityEvent::MailAllowed { .. }
            | IdentityEvent::DetailsEdited { .. }
            | IdentityEvent::Erased { .. }
            | IdentityEvent::ErasureCompleted { .. } => {}
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let (mut rows, changed) = (CopyRows::default(), std::mem::take(&mut self.0));
            changed.iter().for_each(|(key, change)| copy_out(*key, change, &mut rows));
            rows.copy_into(&mut *connection, &table).await?;
            let removed = changed.iter().filter(|(_, change)| change.written.is_none());
            for ((player, number), change) in removed {
                let sql = format!(
                    "update {table} set position = $3, removed_at = $4
                      where player_id = $1 and number = $2"
                );
                let update = sqlx::query(&sql).bind(player.0).bind(i64::from(*number));
                let update = update.bind(change.position).bind(change.removed_at);
                update.execute(&mut *connection).await?;
            }
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(key, change)| copy_out(*key, change, rows));
    }
}

fn copy_out((player, number): (PlayerId, u32), change: &Change, rows: &mut CopyRows) {
    // A note that nobody wrote is no row.
    let Some((position, at, author)) = &change.written else { return };
    rows.row(7)
        .int(change.position)
        .int(player.0)
        .int(number.into())
        .int(*position)
        .time(*at)
        .text(author)
        .optional_time(change.removed_at);
}
