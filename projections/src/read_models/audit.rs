//! What the staff did, was refused, and whose personal data they looked at: a line for each event of
//! theirs. What exactly is read from the log itself.
//!
//! Kept are only the stretches of the log that are the staff's: what one of them does again and again,
//! as when gold is given to many, is one row. Which account that was is found in the account's own stream;
//! every other event is a row of its own, found by its target.

use chrono::{DateTime, Utc};
use domain::audit::AuditEvent;
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::job::JobEvent;
use futures::future::BoxFuture;
use serde::Serialize;
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
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position bigint not null,
    first    bigint not null,
    actor    text   not null,
    action   text   not null,
    target   text
)";

/// A stretch does not reach over a multiple of this: whoever looks for a page sorts at most so many
/// events that are not on it.
const STRETCH: i64 = 1_000;

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
    let rows = rows_of(wanted.target.is_some());
    let Wanted { action, target, actor, since, until } = wanted.clone();
    let before = bound_to_sql(before);
    let limit = i64::from(limit);
    read_at(
        pool,
        &rows,
        |query| {
            let query = query.persistent(false).bind(before).bind(action).bind(target).bind(actor);
            query.bind(since).bind(until).bind(limit)
        },
        line,
    )
    .await
}

/// The statement: stretches, newest first, and of each its newest events. What is not asked for falls
/// away when it is planned, which is done each time.
fn rows_of(one_target: bool) -> String {
    let stretches = if one_target { OF_TARGET } else { OF_ALL };
    format!(
        "select event.position, event.recorded_at, event.event_type as action,
                event.aggregate_type as family, coalesce(stretch.target, event.aggregate_id) as target,
                stretch.actor, event.metadata->>'request' as request, event.payload::text as details,
                (select text from event_texts said where said.position = event.position) as reason
           from ({stretches}) stretch cross join lateral
                (select * from events
                  where position between stretch.first and stretch.last and position < $1
                    and ($2::text is null or event_type = $2)
                    and ($5::timestamptz is null or recorded_at >= $5)
                    and ($6::timestamptz is null or recorded_at < $6)
                  order by position desc limit $7) event
          order by stretch.first desc, event.position desc limit $7"
    )
}

const OF_ALL: &str = "
    select first, position as last, actor, target from read.audit
     where first < $1 and ($2::text is null or action = $2) and ($4::text is null or actor = $4)";

const OF_TARGET: &str = "
    select first, position as last, actor, target from read.audit
     where first < $1 and target = $3
       and ($2::text is null or action = $2) and ($4::text is null or actor = $4)
    union all
    select position, position, 'admin:' || (metadata->>'actor_id'), null from events
     where aggregate_type = 'account' and aggregate_id = $3 and position < $1
       and position <= followers.position and metadata->>'actor_kind' = 'admin'
       and ($4::text is null or 'admin:' || (metadata->>'actor_id') = $4)";

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

/// A stretch of events, one after the other, that were the same deed of the same person.
#[derive(Debug)]
struct Stretch {
    first: i64,
    last: i64,
    actor: String,
    action: String,
    /// Of an event that stands alone: what it is found by.
    target: Option<String>,
}

impl Stretch {
    fn of(entry: &Entry<'_>, target: Option<String>) -> Self {
        let (actor, action) = (entry.actor().to_owned(), entry.stored.event_type.to_string());
        Self { first: entry.position, last: entry.position, actor, action, target }
    }

    /// Whether an event goes on with what this one ends with.
    fn goes_on_with(&self, entry: &Entry<'_>) -> bool {
        self.target.is_none()
            && self.last.saturating_add(1) == entry.position
            && entry.position % STRETCH != 0
            && self.action == entry.stored.event_type
            && self.actor == entry.actor()
    }

    /// Goes on with the last one in the table, if it does.
    async fn prolong(
        &self,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<bool, FollowerError> {
        if self.target.is_some() || self.first % STRETCH == 0 {
            return Ok(false);
        }
        let sql = format!(
            "update {table} set position = $1
              where first = (select max(first) from {table}) and position = $2
                and actor = $3 and action = $4 and target is null"
        );
        let before = self.first.saturating_sub(1);
        let query = sqlx::query(&sql).bind(self.last).bind(before);
        let done = query.bind(&self.actor).bind(&self.action).execute(connection).await?;
        Ok(done.rows_affected() > 0)
    }

    fn copy_out(&self, rows: &mut CopyRows) {
        let row = rows.row(5).int(self.last).int(self.first);
        row.text(&self.actor).text(&self.action).optional_text(self.target.as_deref());
    }
}

/// Stretches, oldest first.
#[derive(Debug, Default)]
pub(crate) struct AuditLog(Vec<Stretch>);

impl ReadModel for AuditLog {
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
            format!("alter table {table} add primary key (first)"),
            format!("create index on {table} (actor, first)"),
            format!("create index on {table} (action, first)"),
            format!("create index on {table} (target, first) where target is not null"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let target = match &entry.event {
            // They belong to the request in front of them, which is a line.
            ClubEvent::Job(_, JobEvent::JobLinesListed { .. }) => return,
            ClubEvent::Audit(_, note) => Some(target_of(note)),
            _ if !entry.metadata.contains("\"actor_kind\":\"admin\"") => return,
            ClubEvent::Account(..) => None,
            _ => Some(entry.stored.aggregate_id.to_string()),
        };
        match self.0.last_mut() {
            Some(last) if target.is_none() && last.goes_on_with(entry) => {
                last.last = entry.position;
            }
            _ => self.0.push(Stretch::of(entry, target)),
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let mut new = self.0.drain(..).peekable();
            if let Some(first) = new.peek()
                && first.prolong(connection, &table).await?
            {
                new.next();
            }
            let mut rows = CopyRows::default();
            new.for_each(|stretch| stretch.copy_out(&mut rows));
            Ok(rows.copy_into(connection, &table).await?)
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        self.0.drain(..).for_each(|stretch| stretch.copy_out(rows));
    }
}

fn target_of(note: &AuditEvent) -> String {
    match note {
        AuditEvent::AttemptRefused { path, .. } => path.clone(),
        AuditEvent::PersonalDataSeen { player: PlayerId(player), .. }
        | AuditEvent::MailResent { player: PlayerId(player), .. } => player.to_string(),
    }
}
