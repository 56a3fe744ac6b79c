//! Reading out everything that is held about a person: one JSON document, made in one snapshot, a row at
//! a time.

use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, Row};
use tokio::sync::mpsc::Sender;

use super::places::{AUDIT, Export, PLACES, WITHHELD};
use super::{SUBJECT, Subject, bound};
use crate::feed::{self, FeedError};
use crate::position::from_sql;
use crate::read_models;

/// So many bytes are sent at once.
const CHUNK: usize = 32 * 1024;

/// Why a document has no end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] FeedError),
    /// The database refused or did not answer.
    #[error("what is held about a person could not be read: {0}")]
    Database(#[from] sqlx::Error),
    /// Whoever asked has gone.
    #[error("nobody listens any more")]
    Gone,
}

/// Writes the document to `out`, as fast as it is taken.
///
/// # Errors
/// If it cannot be brought to its end: then it has none, and is no JSON.
pub async fn export(
    pool: &PgPool,
    subject: Subject,
    now: DateTime<Utc>,
    out: Sender<Bytes>,
) -> Result<(), ExportError> {
    let mut snapshot = pool.begin().await?;
    let begin = "set transaction isolation level repeatable read, read only";
    sqlx::query(begin).execute(&mut *snapshot).await?;
    let mut document = Document { out, ready: BytesMut::new(), has_section: false };
    document.begin(&mut snapshot, subject, now).await?;
    for place in PLACES {
        if let Export::Rows(rows) = place.export {
            document.section(&mut snapshot, subject, place.table, rows).await?;
        }
    }
    for name in read_models_of_players(&mut snapshot).await? {
        let rows = format!(
            "select to_jsonb(shown) from read.{name} shown
              where player_id in (select id from subject) order by position"
        );
        let table = format!("read.{name}");
        document.section(&mut snapshot, subject, &table, &rows).await?;
    }
    document.section(&mut snapshot, subject, "read.audit", AUDIT).await?;
    document.end().await?;
    snapshot.commit().await?;
    Ok(())
}

/// Those that have a line for each player.
async fn read_models_of_players(snapshot: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let names = "select shown.table_name::text from information_schema.columns shown
                   join information_schema.views using (table_schema, table_name)
                  where table_schema = 'read' and column_name = 'player_id' order by 1";
    sqlx::query_scalar(names).fetch_all(snapshot).await
}

/// What is kept back, and why.
fn withheld() -> Value {
    let tables = PLACES.iter().filter_map(|place| match place.export {
        Export::Withheld(why) => Some(json!({"what": place.table, "why": why})),
        Export::Rows(_) | Export::Nothing => None,
    });
    let columns = WITHHELD.iter().map(|(what, why)| json!({"what": what, "why": why}));
    tables.chain(columns).collect()
}

struct Document {
    out: Sender<Bytes>,
    ready: BytesMut,
    has_section: bool,
}

impl Document {
    async fn begin(
        &mut self,
        snapshot: &mut PgConnection,
        subject: Subject,
        now: DateTime<Utc>,
    ) -> Result<(), ExportError> {
        let head = feed::head(snapshot).await?;
        let shown: Option<i64> = sqlx::query_scalar(
            "select position from read.followers where name = $1 and state = 'live'",
        )
        .bind(read_models::NAME)
        .fetch_optional(snapshot)
        .await?;
        let shown = shown.and_then(|position| from_sql(position).ok());
        let mut head = json!({
            "format": "casino-club/held-about-a-person/1",
            "user_id": subject.player,
            "generated_at": now,
            "position": head.position,
            "read_models_position": shown,
            "withheld": withheld(),
        })
        .to_string();
        // Its last brace comes at the end of the document.
        head.pop();
        self.ready.put_slice(head.as_bytes());
        self.ready.put_slice(b",\"held\":{");
        Ok(())
    }

    async fn section(
        &mut self,
        snapshot: &mut PgConnection,
        subject: Subject,
        name: &str,
        rows: &str,
    ) -> Result<(), ExportError> {
        if std::mem::replace(&mut self.has_section, true) {
            self.ready.put_u8(b',');
        }
        self.ready.put_slice(format!("\"{name}\":[").as_bytes());
        let sql = format!("{SUBJECT} select row.value::text from ({rows}) as row (value)");
        let subjects = [subject];
        let (ids, whos) = bound(&subjects);
        let query = sqlx::query(&sql).persistent(false).bind(ids).bind(whos);
        let mut rows = query.fetch(snapshot);
        let mut is_first = true;
        while let Some(row) = rows.try_next().await? {
            if !std::mem::replace(&mut is_first, false) {
                self.ready.put_u8(b',');
            }
            let value: &str = row.try_get(0)?;
            self.ready.put_slice(value.as_bytes());
            if self.ready.len() >= CHUNK {
                self.flush().await?;
            }
        }
        self.ready.put_u8(b']');
        Ok(())
    }

    async fn end(&mut self) -> Result<(), ExportError> {
        self.ready.put_slice(b"}}");
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), ExportError> {
        let chunk = self.ready.split().freeze();
        self.out.send(chunk).await.map_err(|_| ExportError::Gone)
    }
}
