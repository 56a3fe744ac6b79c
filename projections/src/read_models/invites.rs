//! Invites: how often and for how long they let people in, and how many have come in with them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::InviteCode;
use domain::invite::{InviteEvent, InviteTerms};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::{At, Entry, ReadError, ReadModel, bring_new, number, optional_number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "invites";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position         bigint      not null,
    created_position bigint      not null,
    code             text        not null,
    created_at       timestamptz not null,
    max_uses         bigint,
    expires_at       timestamptz,
    uses             bigint      not null,
    deactivated_at   timestamptz
) with (fillfactor = 50)";

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InviteRow {
    /// Its id.
    pub code: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it lets people in; any number, if not given.
    pub max_uses: Option<u64>,
    /// The first moment at which it no longer does; never, if not given.
    pub expires_at: Option<DateTime<Utc>>,
    /// How many have come in with it.
    pub uses: u64,
    /// Since when it lets nobody in, if the staff has closed it.
    pub deactivated_at: Option<DateTime<Utc>>,
    /// The event that made it: the cursor of pages.
    pub created_position: u64,
}

/// Invites, newest first: those made before the position `before` (all, if `None`), `limit` at most.
/// The next page is before the last one's `created_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<InviteRow>>, ReadError> {
    let rows = "select * from read.invites where created_position < $1
                 order by created_position desc limit $2";
    let before = crate::position::bound_to_sql(before);
    read_at(pool, rows, |query| query.bind(before).bind(i64::from(limit)), invite).await
}

fn invite(row: &PgRow) -> Result<InviteRow, ReadError> {
    Ok(InviteRow {
        code: row.try_get("code")?,
        created_at: row.try_get("created_at")?,
        max_uses: optional_number(row, "max_uses")?,
        expires_at: row.try_get("expires_at")?,
        uses: number(row, "uses")?,
        deactivated_at: row.try_get("deactivated_at")?,
        created_position: number(row, "created_position")?,
    })
}

/// Invites that events have changed.
#[derive(Debug, Default)]
pub(crate) struct Invites(BTreeMap<InviteCode, Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    created: Option<(i64, DateTime<Utc>, InviteTerms)>,
    uses: i64,
    deactivated_at: Option<DateTime<Utc>>,
}

impl Change {
    fn copy_out(&self, code: InviteCode, rows: &mut CopyRows) {
        // What happened to an invite that nobody made is no row: `verify` says it.
        let Some((created, at, terms)) = &self.created else { return };
        rows.row(8)
            .int(self.position)
            .int(*created)
            .text(code.as_str())
            .time(*at)
            .optional_int(terms.max_uses.map(i64::from))
            .optional_time(terms.expires_at)
            .int(self.uses)
            .optional_time(self.deactivated_at);
    }
}

/// Brings changes into rows that are there.
async fn update(
    changes: BTreeMap<InviteCode, Change>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let (mut codes, mut positions, mut uses) = (Vec::new(), Vec::new(), Vec::new());
    let mut deactivated_at: Vec<Option<DateTime<Utc>>> = Vec::new();
    for (code, change) in changes {
        codes.push(code.to_string());
        positions.push(change.position);
        uses.push(change.uses);
        deactivated_at.push(change.deactivated_at);
    }
    if codes.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "update {table} invite
            set position = it.position, uses = invite.uses + it.uses,
                deactivated_at = coalesce(invite.deactivated_at, it.deactivated_at)
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[])
             as it (code, position, uses, deactivated_at)
          where invite.code = it.code"
    );
    let query = sqlx::query(&sql).bind(codes).bind(positions).bind(uses).bind(deactivated_at);
    query.execute(connection).await?;
    Ok(())
}

impl ReadModel for Invites {
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
            format!("alter table {table} add primary key (code)"),
            format!("create index on {table} (created_position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Invite(code, event) = &entry.event else { return };
        let change = self.0.entry(*code).or_default();
        change.position = entry.position;
        match event {
            InviteEvent::InviteCreated { at, terms } => {
                change.created = Some((entry.position, *at, *terms));
            }
            InviteEvent::InviteDeactivated { at } => change.deactivated_at = Some(*at),
            InviteEvent::InviteUsed { .. } => change.uses = change.uses.saturating_add(1),
            InviteEvent::InviteLapsed { .. } => {}
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.created.is_some();
            let new = (is_new, Change::copy_out);
            let changes = bring_new(&mut self.0, new, connection, &table).await?;
            update(changes, connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(code, change)| change.copy_out(*code, rows));
    }
}
