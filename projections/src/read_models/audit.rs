//! What the staff did, was refused, and whose personal data they looked at: a line for each event of
//! theirs. What exactly is read from the log itself.

use chrono::{DateTime, Utc};
use domain::audit::AuditEvent;
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::job::JobEvent;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::{At, Entry, ReadError, ReadModel, json, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "audit";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position bigint not null,
    actor    text   not null,
    action   text   not null,
    family   text   not null,
    target   text   not null,
    request  text
)";

/// Something that one of the staff did, or was refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    /// The event's number: the cursor of pages.
    pub position: u64,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Who, as `kind:id`.
    pub actor: String,
    /// The stored name of the event: `gold_granted`, `attempt_refused`, …
    pub action: String,
    /// The family of the stream it is in: `account`, `product`, …
    pub family: String,
    /// Which stream: the player's number, the product's, the code. Of what was refused, the address; of
    /// what was looked at, the player's number.
    pub target: String,
    /// The request's id.
    pub request: Option<String>,
    /// The reason that was given, if one was and it has not been erased.
    pub reason: Option<String>,
    /// The event itself.
    pub details: Value,
}

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these events, by stored name.
    pub action: Option<String>,
    /// Only these streams or addresses.
    pub target: Option<String>,
    /// Only by this person, as `admin:1`.
    pub actor: Option<String>,
    /// Only from this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Only before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// Lines, newest first, before the position `before` (all, if `None`), `limit` at most. The next page is
/// before the last one's position.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    wanted: &Wanted,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<AuditRow>>, ReadError> {
    // What is not asked for falls away when the statement is planned, which is done each time.
    let rows =
        "select line.*, event.recorded_at, event.payload::text as details, said.text as reason
                  from read.audit line join events event using (position)
                  left join event_texts said using (position)
                 where line.position < $1 and ($2::text is null or line.action = $2)
                   and ($3::text is null or line.target = $3)
                   and ($4::text is null or line.actor = $4)
                   and ($5::timestamptz is null or event.recorded_at >= $5)
                   and ($6::timestamptz is null or event.recorded_at < $6)
                 order by line.position desc limit $7";
    let Wanted { action, target, actor, since, until } = wanted.clone();
    let before = bound_to_sql(before);
    let limit = i64::from(limit);
    read_at(
        pool,
        rows,
        |query| {
            let query = query.persistent(false).bind(before).bind(action).bind(target);
            query.bind(actor).bind(since).bind(until).bind(limit)
        },
        line,
    )
    .await
}

fn line(row: &PgRow) -> Result<AuditRow, ReadError> {
    Ok(AuditRow {
        position: number(row, "position")?,
        at: row.try_get("recorded_at")?,
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        family: row.try_get("family")?,
        target: row.try_get("target")?,
        request: row.try_get("request")?,
        reason: row.try_get("reason")?,
        details: json(row, "details")?,
    })
}

/// Lines in the form in which they are copied into the table: nothing about them changes later.
#[derive(Debug, Default)]
pub(crate) struct AuditLines(CopyRows);

/// What of an event's metadata is told.
#[derive(Deserialize)]
struct Said<'s> {
    #[serde(borrow)]
    request: Option<std::borrow::Cow<'s, str>>,
}

impl ReadModel for AuditLines {
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
            format!("alter table {table} add primary key (position)"),
            format!("create index on {table} (actor, position)"),
            format!("create index on {table} (target, position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        // They belong to the request in front of them, which is a line.
        if let ClubEvent::Job(_, JobEvent::JobLinesListed { .. }) = &entry.event {
            return;
        }
        let note = if let ClubEvent::Audit(_, note) = &entry.event { Some(note) } else { None };
        if note.is_none() && !entry.metadata.contains("\"actor_kind\":\"admin\"") {
            return;
        }
        let said = serde_json::from_str::<Said<'_>>(entry.metadata).ok();
        let request = said.and_then(|said| said.request);
        let target = note.map_or_else(|| entry.stored.aggregate_id.to_string(), target_of);
        self.0
            .row(6)
            .int(entry.position)
            .text(&entry.actor())
            .text(&entry.stored.event_type)
            .text(&entry.stored.aggregate_type)
            .text(&target)
            .optional_text(request.as_deref());
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move { Ok(self.0.copy_into(connection, &table(NAME, generation)).await?) })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        rows.append(&mut self.0);
    }

    fn only_grows(&self) -> bool {
        true
    }
}

fn target_of(note: &AuditEvent) -> String {
    match note {
        AuditEvent::AttemptRefused { path, .. } => path.clone(),
        AuditEvent::PersonalDataSeen { player: PlayerId(player), .. }
        | AuditEvent::MailResent { player: PlayerId(player), .. } => player.to_string(),
    }
}
