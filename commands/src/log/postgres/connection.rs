//! The appender's own connection: pipelined appends, the lock, and fencing what came before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::stored::{Hash, Place, Recorded, StoredEvent};
use futures::future::BoxFuture;
use futures::{FutureExt, join, try_join};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::{signed, unsigned};
use crate::keys::KeyHash;
use crate::log::{Batch, LockedLog, LogError, Tail};

/// The client's own patience with one call; the server's are shorter.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Set on the appender's connection. A table without statistics must not be joined by reading all of
/// it; and a node that is cut off or stopped must not keep the lock from the others.
const SESSION: &str = "
    set role club_service;
    set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
    set plan_cache_mode = force_generic_plan; set jit = off;
    set synchronous_commit = on;
    set lock_timeout = '5s'; set statement_timeout = '6s';
    set idle_in_transaction_session_timeout = '2s'";

const APPEND: &str = "select append_events(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

const TAIL: &str = "select aggregate_type, aggregate_id, sequence, event_type, event_version, \
    payload::text as payload, metadata::text as metadata, position, recorded_at, hash, \
    command_key, command_caller \
    from events where position > $1 order by position limit $2";

const HASH: &str = "select hash from events where position = $1";

pub(super) struct Connection {
    client: Client,
    append: Statement,
    tail: Statement,
    hash: Statement,
    pub(super) backend: i32,
    broken: AtomicBool,
}

impl Connection {
    pub(super) async fn open(config: &tokio_postgres::Config) -> Result<Self, LogError> {
        let opened = tokio::time::timeout(CALL_TIMEOUT, Self::prepared(config)).await;
        let silent = |_| LogError::Lost("a new connection does not answer in time".to_owned());
        opened.map_err(silent)?.map_err(|error| failed(&error))
    }

    async fn prepared(config: &tokio_postgres::Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the appender's connection has ended");
            }
        });
        client.batch_execute(SESSION).await?;
        let append = client.prepare(APPEND).await?;
        let tail = client.prepare(TAIL).await?;
        let hash = client.prepare(HASH).await?;
        let backend = client.query_one("select pg_backend_pid()", &[]).await?.get(0);
        Ok(Self { client, append, tail, hash, backend, broken: false.into() })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.broken.load(Ordering::Acquire)
    }

    fn mark_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Ends the server process of a lost connection and waits until it has gone: only then is it
    /// certain that what it was sent either is in the log or never will be.
    pub(super) async fn fence(&self, backend: i32) -> Result<(), LogError> {
        let gone = self
            .call(async {
                // The old process belongs to the login, whom the service's role may not end.
                self.client.batch_execute("reset role").await?;
                let end = "select pg_terminate_backend(pid, 3000) from pg_stat_activity \
                           where pid = $1 and application_name = 'club appender' and pid <> pg_backend_pid()";
                let gone = self.client.query(end, &[&backend]).await?;
                self.client.batch_execute("set role club_service").await?;
                Ok(gone)
            })
            .await?;
        match gone.first().map(|row| row.get::<_, bool>(0)) {
            Some(false) => Err(LogError::Lost("the previous server process does not end".into())),
            Some(true) | None => Ok(()),
        }
    }

    /// Waits for a call, but not for ever. A call that did not end well leaves the connection in an
    /// unknown state unless the log itself refused the data.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, LogError> {
        let result = match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(result) => result.map_err(|error| failed(&error)),
            Err(_) => Err(LogError::Lost("no answer in time".into())),
        };
        if let Err(LogError::Lost(_)) = result {
            self.mark_broken();
        }
        result
    }

    pub(super) async fn append(&self, batch: &Batch) -> Result<bool, LogError> {
        let columns = Columns::of(batch);
        self.call(async {
            Ok(self.client.query_one(&self.append, &columns.parameters()).await?.get(0))
        })
        .await
    }

    pub(super) async fn read_tail(
        &self,
        position: u64,
        limit: usize,
        genesis: Hash,
    ) -> Result<Tail, LogError> {
        let (after, limit) = (signed(position), signed(limit as u64));
        // Both are sent at once: an append-only log cannot change the hash between them.
        let look: [&(dyn ToSql + Sync); 1] = [&after];
        let hash = self.call(self.client.query_opt(&self.hash, &look));
        let parameters: [&(dyn ToSql + Sync); 2] = [&after, &limit];
        let rows = self.call(self.client.query(&self.tail, &parameters));
        let (hash, rows) = try_join!(hash, rows)?;
        let hash = match hash {
            Some(row) => Hash::from_slice(row.get(0)),
            None => (position == 0).then_some(genesis),
        };
        let mut tail = Tail { hash, events: Vec::with_capacity(rows.len()), keys: Vec::new() };
        for row in &rows {
            if let (Some(key), Some(caller)) = (row.get("command_key"), row.get("command_caller")) {
                tail.keys.push(KeyHash::of(key, caller));
            }
            tail.events.push(recorded(row)?);
        }
        Ok(tail)
    }
}

/// A batch as the parameters of [`APPEND`].
struct Columns<'a> {
    expected_position: i64,
    expected_hash: &'a [u8],
    recorded_at: DateTime<Utc>,
    aggregate_types: Vec<&'a str>,
    aggregate_ids: Vec<&'a str>,
    sequences: Vec<i64>,
    event_types: Vec<&'a str>,
    event_versions: Vec<&'a str>,
    payloads: Vec<&'a str>,
    metadatas: Vec<&'a str>,
    hashes: Vec<&'a [u8]>,
    keys: Vec<Option<&'a str>>,
    callers: Vec<Option<&'a str>>,
    fingerprints: Vec<Option<&'a [u8]>>,
    key_events: Vec<Option<i32>>,
    text_positions: Vec<i64>,
    texts: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a Batch) -> Self {
        let events = &batch.events;
        let count = events.len();
        let column = |field: fn(&'a StoredEvent) -> &'a str| -> Vec<&'a str> {
            events.iter().map(|recorded| field(&recorded.event)).collect()
        };
        let mut columns = Self {
            expected_position: signed(batch.expected.position),
            expected_hash: &batch.expected.hash.0,
            recorded_at: batch.recorded_at,
            aggregate_types: column(|event| &event.aggregate_type),
            aggregate_ids: column(|event| &event.aggregate_id),
            sequences: events.iter().map(|recorded| signed(recorded.event.sequence)).collect(),
            event_types: column(|event| &event.event_type),
            event_versions: column(|event| &event.event_version),
            payloads: column(|event| &event.payload),
            metadatas: column(|event| &event.metadata),
            hashes: events.iter().map(|recorded| &recorded.place.hash.0[..]).collect(),
            keys: vec![None; count],
            callers: vec![None; count],
            fingerprints: vec![None; count],
            key_events: vec![None; count],
            text_positions: Vec::with_capacity(batch.texts.len()),
            texts: Vec::with_capacity(batch.texts.len()),
        };
        for (index, keyed, count) in &batch.keys {
            columns.keys[*index] = Some(keyed.key.as_str());
            columns.callers[*index] = Some(&keyed.caller);
            columns.fingerprints[*index] = Some(&keyed.fingerprint.0);
            columns.key_events[*index] = i32::try_from(*count).ok();
        }
        for (index, text) in &batch.texts {
            columns.text_positions.push(signed(events[*index].place.position));
            columns.texts.push(text);
        }
        columns
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 17] {
        [
            &self.expected_position,
            &self.expected_hash,
            &self.recorded_at,
            &self.aggregate_types,
            &self.aggregate_ids,
            &self.sequences,
            &self.event_types,
            &self.event_versions,
            &self.payloads,
            &self.metadatas,
            &self.hashes,
            &self.keys,
            &self.callers,
            &self.fingerprints,
            &self.key_events,
            &self.text_positions,
            &self.texts,
        ]
    }
}

/// Data that the log refuses will be refused again; everything else may go better next time.
fn failed(error: &tokio_postgres::Error) -> LogError {
    let Some(refused) = error.as_db_error() else { return LogError::Lost(error.to_string()) };
    let class = &refused.code().code()[..2];
    if class == "22" || class == "23" {
        let key_taken = *refused.code() == SqlState::UNIQUE_VIOLATION
            && refused.constraint() == Some("events_command_key");
        LogError::Rejected { key_taken, reason: refused.to_string() }
    } else {
        LogError::Lost(refused.to_string())
    }
}

fn recorded(row: &Row) -> Result<Recorded, LogError> {
    let hash = Hash::from_slice(row.get("hash"));
    let hash = hash.ok_or_else(|| LogError::Lost("a stored hash has not 32 bytes".into()))?;
    Ok(Recorded {
        place: Place { position: unsigned(row.get("position")), hash },
        recorded_at: row.get("recorded_at"),
        event: StoredEvent {
            aggregate_type: row.get::<_, String>("aggregate_type").into(),
            aggregate_id: row.get::<_, &str>("aggregate_id").into(),
            sequence: unsigned(row.get("sequence")),
            event_type: row.get::<_, String>("event_type").into(),
            event_version: row.get::<_, String>("event_version").into(),
            payload: row.get::<_, &str>("payload").into(),
            metadata: row.get::<_, &str>("metadata").into(),
        },
    })
}

/// The log's lock, held by a transaction.
pub(super) struct LockedPostgres {
    connection: Arc<Connection>,
    genesis: Hash,
    ended: bool,
}

impl Drop for LockedPostgres {
    /// Whoever leaves without an end leaves a transaction open: that connection is not used again.
    fn drop(&mut self) {
        if !self.ended {
            self.connection.mark_broken();
        }
    }
}

impl LockedPostgres {
    /// Takes the lock and reads what comes after a position: sent at once, but in statements of their
    /// own, so that what looks at the log looks after the lock was taken.
    pub(super) async fn take(
        connection: Arc<Connection>,
        genesis: Hash,
        position: u64,
        limit: usize,
    ) -> Result<(Self, Tail), LogError> {
        let locked = Self { connection, genesis, ended: false };
        let connection = &locked.connection;
        let begin = connection.call(connection.client.batch_execute("begin; select lock_log()"));
        let read = connection.read_tail(position, limit, genesis);
        let ((), tail) = try_join!(begin, read)?;
        Ok((locked, tail))
    }

    async fn end(&mut self, how: &str) -> Result<(), LogError> {
        self.connection.call(self.connection.client.batch_execute(how)).await?;
        self.ended = true;
        Ok(())
    }

    async fn write(mut self: Box<Self>, batch: Arc<Batch>) -> Result<(), LogError> {
        let connection = self.connection.clone();
        // Sent at once. If the log refuses the batch, the commit behind it rolls back.
        let (appended, ended) = join!(connection.append(&batch), self.end("commit"));
        match appended {
            Ok(true) => ended,
            // The lock is held and the head was read under it: only a defect can get here.
            Ok(false) => Err(LogError::Lost("the head moved under the lock".into())),
            Err(rejected @ LogError::Rejected { .. }) => ended.and(Err(rejected)),
            Err(lost) => Err(lost),
        }
    }
}

impl LockedLog for LockedPostgres {
    fn read_tail(&mut self, position: u64, limit: usize) -> BoxFuture<'_, Result<Tail, LogError>> {
        self.connection.read_tail(position, limit, self.genesis).boxed()
    }

    fn commit(self: Box<Self>, batch: Arc<Batch>) -> BoxFuture<'static, Result<(), LogError>> {
        self.write(batch).boxed()
    }

    fn release(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            // If this fails, dropping it takes the connection out of use.
            let _ = self.end("rollback").await;
        }
        .boxed()
    }
}
