//! The log in PostgreSQL.
//!
//! The appender has one connection of its own, by tokio-postgres, which can have several calls under
//! way at once (pipelining; sqlx cannot). Everything else reads through sqlx.

mod connection;
mod snapshots;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::stored::{Hash, Place, Recorded, StoredEvent};
use futures::FutureExt;
use futures::future::BoxFuture;
use postgres_es::PostgresEventRepository;
use sqlx::postgres::{PgListener, PgRow};
use sqlx::{PgPool, Row};
use tokio::sync::Notify;

use self::connection::{Connection, LockedPostgres};
use super::{Appended, Batch, KeyedCommand, LastEvent, Locked, LockedLog, Log, LogError, Tail};
use crate::cache::StreamKey;
use crate::context::Fingerprint;
use crate::families;
use crate::snapshot::Snapshot;

/// Other nodes are told on this channel, with the teller's own id.
const CHANNEL: &str = "club_log";
/// Numbers in one block of `code_numbers`.
const NUMBERS: u64 = 1_000;
/// An event, from `events e`.
const COLUMNS: &str = "e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, \
    e.event_version, e.payload::text as payload, e.metadata::text as metadata, \
    e.position, e.recorded_at, e.hash";

/// See the module.
pub struct PostgresLog {
    config: tokio_postgres::Config,
    pool: PgPool,
    repository: PostgresEventRepository,
    genesis: Hash,
    node: uuid::Uuid,
    connection: tokio::sync::Mutex<Slot>,
    hints: Arc<Notify>,
}

/// The appender's connection, and what is left of the one before.
#[derive(Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    /// A server process that may still be carrying out what a lost connection sent.
    unfenced: Option<i32>,
}

impl PostgresLog {
    /// Reads the log's id and starts listening for other nodes. `url` is for the appender's own
    /// connection, `pool` for everything else.
    ///
    /// # Errors
    /// If the database cannot be reached or has no log.
    pub async fn connect(url: &str, pool: PgPool) -> Result<Self, LogError> {
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|error: tokio_postgres::Error| LogError::Lost(error.to_string()))?;
        config
            .application_name("club appender")
            .connect_timeout(Duration::from_secs(3))
            .tcp_user_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(5));
        let log_id: uuid::Uuid = sqlx::query_scalar("select log_id from log_head")
            .fetch_one(&pool)
            .await
            .map_err(lost)?;
        let node = uuid::Uuid::new_v4();
        let hints = Arc::new(Notify::new());
        tokio::spawn(listen(pool.clone(), node, Arc::downgrade(&hints)));
        Ok(Self {
            config,
            repository: PostgresEventRepository::new(pool.clone()),
            pool,
            genesis: Hash::genesis(log_id.as_bytes()),
            node,
            connection: tokio::sync::Mutex::default(),
            hints,
        })
    }

    /// The server process that carries out this node's appends, for tests that end it.
    pub async fn backend(&self) -> Option<i32> {
        self.connection.lock().await.connection.as_ref().map(|connection| connection.backend)
    }

    async fn connection(&self) -> Result<Arc<Connection>, LogError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &slot.connection {
            if connection.is_usable() {
                return Ok(connection.clone());
            }
            slot.unfenced = Some(connection.backend);
            slot.connection = None;
        }
        let connection = Arc::new(Connection::open(&self.config).await?);
        if let Some(backend) = slot.unfenced {
            connection.fence(backend).await?;
            slot.unfenced = None;
        }
        slot.connection = Some(connection.clone());
        Ok(connection)
    }
}

/// Positions, sequences and limits stay far below 2⁶³.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn lost(error: sqlx::Error) -> LogError {
    LogError::Lost(error.to_string())
}

fn fingerprint(bytes: Vec<u8>) -> Result<Fingerprint, LogError> {
    let bytes = bytes.try_into().map(Fingerprint);
    bytes.map_err(|_| LogError::Lost("a stored fingerprint has not 16 bytes".into()))
}

fn recorded_by_sqlx(row: &PgRow) -> Result<Recorded, sqlx::Error> {
    let hash: Vec<u8> = row.try_get("hash")?;
    let hash = Hash::from_slice(&hash).ok_or_else(|| sqlx::Error::Decode("hash".into()))?;
    Ok(Recorded {
        place: Place { position: unsigned(row.try_get("position")?), hash },
        recorded_at: row.try_get("recorded_at")?,
        event: StoredEvent {
            aggregate_type: row.try_get::<String, _>("aggregate_type")?.into(),
            aggregate_id: row.try_get::<&str, _>("aggregate_id")?.into(),
            sequence: unsigned(row.try_get("sequence")?),
            event_type: row.try_get::<String, _>("event_type")?.into(),
            event_version: row.try_get::<String, _>("event_version")?.into(),
            payload: row.try_get::<&str, _>("payload")?.into(),
            metadata: row.try_get::<&str, _>("metadata")?.into(),
        },
    })
}

impl Log for PostgresLog {
    fn genesis(&self) -> Hash {
        self.genesis
    }

    fn head(&self) -> BoxFuture<'_, Result<LastEvent, LogError>> {
        async {
            let last =
                "select position, hash, recorded_at from events order by position desc limit 1";
            let row = sqlx::query(last).fetch_optional(&self.pool).await.map_err(lost)?;
            let Some(row) = row else {
                return Ok((Place { position: 0, hash: self.genesis }, None));
            };
            let hash: Vec<u8> = row.try_get("hash").map_err(lost)?;
            let hash = Hash::from_slice(&hash);
            let hash =
                hash.ok_or_else(|| LogError::Lost("a stored hash has not 32 bytes".into()))?;
            let position = unsigned(row.try_get("position").map_err(lost)?);
            Ok((Place { position, hash }, Some(row.try_get("recorded_at").map_err(lost)?)))
        }
        .boxed()
    }

    fn append(&self, batch: Arc<Batch>) -> BoxFuture<'_, Result<Appended, LogError>> {
        async move {
            let written = self.connection().await?.append(&batch).await?;
            Ok(if written { Appended::Committed } else { Appended::Missed })
        }
        .boxed()
    }

    fn lock(&self, position: u64, limit: usize) -> BoxFuture<'_, Result<Locked, LogError>> {
        async move {
            let connection = self.connection().await?;
            let taken = LockedPostgres::take(connection, self.genesis, position, limit);
            let (locked, tail) = taken.await?;
            Ok((Box::new(locked) as Box<dyn LockedLog>, tail))
        }
        .boxed()
    }

    fn read_tail(&self, position: u64, limit: usize) -> BoxFuture<'_, Result<Tail, LogError>> {
        async move {
            let connection = self.connection().await?;
            connection.read_tail(position, limit, self.genesis).await
        }
        .boxed()
    }

    fn event_at(&self, position: u64) -> BoxFuture<'_, Result<Option<Recorded>, LogError>> {
        async move {
            let find = format!("select {COLUMNS} from events e where e.position = $1");
            let query = sqlx::query(&find).bind(signed(position));
            let row = query.fetch_optional(&self.pool).await.map_err(lost)?;
            row.as_ref().map(recorded_by_sqlx).transpose().map_err(lost)
        }
        .boxed()
    }

    fn read_stream<'a>(
        &'a self,
        stream: (&'static str, &'a str, u64),
    ) -> BoxFuture<'a, Result<Vec<StoredEvent>, LogError>> {
        async move {
            let events = families::read_stream(&self.repository, stream).await;
            events.map_err(|error| LogError::Lost(error.to_string()))
        }
        .boxed()
    }

    fn find_snapshot<'a>(
        &'a self,
        stream: &'a StreamKey,
        version: i32,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, LogError>> {
        async move { snapshots::find(&self.pool, stream, version).await.map_err(lost) }.boxed()
    }

    fn store_snapshot<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        seen: Place,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        async move { snapshots::store(&self.pool, snapshot, seen).await.map_err(lost) }.boxed()
    }

    fn find_in_stream<'a>(
        &'a self,
        (aggregate_type, aggregate_id, sequence): (&'static str, &'a str, u64),
        event_types: &'static [&'static str],
        receipt_code: &'a str,
    ) -> BoxFuture<'a, Result<Option<Recorded>, LogError>> {
        async move {
            let find = format!(
                "select {COLUMNS} from events e \
                 where e.aggregate_type = $1 and e.aggregate_id = $2 and e.sequence > $3 \
                 and e.event_type = any($4) and e.payload->>'receipt_code' = $5 \
                 order by e.sequence limit 1"
            );
            let row = sqlx::query(&find)
                .bind(aggregate_type)
                .bind(aggregate_id)
                .bind(signed(sequence))
                .bind(event_types)
                .bind(receipt_code)
                .fetch_optional(&self.pool)
                .await
                .map_err(lost)?;
            row.as_ref().map(recorded_by_sqlx).transpose().map_err(lost)
        }
        .boxed()
    }

    fn find_latest<'a>(
        &'a self,
        (aggregate_type, aggregate_id): (&'static str, &'a str),
        event_type: &'static str,
    ) -> BoxFuture<'a, Result<Option<Recorded>, LogError>> {
        async move {
            let find = format!(
                "select {COLUMNS} from events e \
                 where e.aggregate_type = $1 and e.aggregate_id = $2 and e.event_type = $3 \
                 order by e.sequence desc limit 1"
            );
            let query = sqlx::query(&find).bind(aggregate_type).bind(aggregate_id);
            let row = query.bind(event_type).fetch_optional(&self.pool).await.map_err(lost)?;
            row.as_ref().map(recorded_by_sqlx).transpose().map_err(lost)
        }
        .boxed()
    }

    fn find_key<'a>(
        &'a self,
        key: &'a str,
        caller: &'a str,
    ) -> BoxFuture<'a, Result<Option<KeyedCommand>, LogError>> {
        async move {
            let find = format!(
                "with command as (select position, command_fingerprint, command_events from events \
                 where command_key = $1 and command_caller = $2) \
                 select {COLUMNS}, command.command_fingerprint as fingerprint \
                 from command join events e on e.position >= command.position \
                 and e.position < command.position + command.command_events order by e.position"
            );
            let rows = sqlx::query(&find).bind(key).bind(caller).fetch_all(&self.pool);
            let rows = rows.await.map_err(lost)?;
            let Some(first) = rows.first() else { return Ok(None) };
            let fingerprint: Vec<u8> = first.try_get("fingerprint").map_err(lost)?;
            let fingerprint = self::fingerprint(fingerprint)?;
            let events =
                rows.iter().map(recorded_by_sqlx).collect::<Result<_, _>>().map_err(lost)?;
            Ok(Some(KeyedCommand { fingerprint, events }))
        }
        .boxed()
    }

    fn find_keys<'a>(
        &'a self,
        keys: &'a [&'a str],
        caller: &'a str,
    ) -> BoxFuture<'a, Result<HashMap<String, Fingerprint>, LogError>> {
        async move {
            // `is not null`: the index is a partial one, and a plan for any keys must see that it fits.
            let find = "select command_key, command_fingerprint from events \
                        where command_key is not null \
                        and command_key = any($1) and command_caller = $2";
            let query = sqlx::query_as(find).bind(keys).bind(caller);
            let found: Vec<(String, Vec<u8>)> = query.fetch_all(&self.pool).await.map_err(lost)?;
            found.into_iter().map(|(key, bytes)| Ok((key, fingerprint(bytes)?))).collect()
        }
        .boxed()
    }

    fn find_commands<'a>(
        &'a self,
        keys: &'a [&'a str],
        caller: &'a str,
    ) -> BoxFuture<'a, Result<HashMap<String, KeyedCommand>, LogError>> {
        async move {
            let find = format!(
                "with command as (select position, command_key, command_fingerprint, command_events \
                 from events where command_key is not null \
                 and command_key = any($1) and command_caller = $2) \
                 select {COLUMNS}, command.command_key as key, \
                 command.command_fingerprint as fingerprint \
                 from command join events e on e.position >= command.position \
                 and e.position < command.position + command.command_events order by e.position"
            );
            let rows = sqlx::query(&find).bind(keys).bind(caller).fetch_all(&self.pool);
            let mut found: HashMap<String, KeyedCommand> = HashMap::new();
            for row in rows.await.map_err(lost)? {
                let fingerprint = fingerprint(row.try_get("fingerprint").map_err(lost)?)?;
                let command = found.entry(row.try_get("key").map_err(lost)?).or_insert_with(|| {
                    KeyedCommand { fingerprint, events: Vec::new() }
                });
                command.events.push(recorded_by_sqlx(&row).map_err(lost)?);
            }
            Ok(found)
        }
        .boxed()
    }

    fn reserve_numbers(&self) -> BoxFuture<'_, Result<std::ops::Range<u64>, LogError>> {
        async {
            let next = sqlx::query_scalar("select nextval('code_numbers')").fetch_one(&self.pool);
            let block = unsigned(next.await.map_err(lost)?);
            Ok(block * NUMBERS..(block + 1) * NUMBERS)
        }
        .boxed()
    }

    fn announce(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async {
            let tell =
                sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(self.node.to_string());
            tell.execute(&self.pool).await.map_err(lost).map(drop)
        }
        .boxed()
    }

    fn hint(&self) -> BoxFuture<'_, ()> {
        self.hints.notified().boxed()
    }
}

/// Passes on what other nodes announce, for as long as the log is in use. Without it, nodes still
/// look by themselves from time to time.
async fn listen(pool: PgPool, node: uuid::Uuid, hints: Weak<Notify>) {
    let own = node.to_string();
    while let Some(hints) = hints.upgrade() {
        match listen_once(&pool, &own, &hints).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "listening for other nodes was interrupted"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn listen_once(pool: &PgPool, own: &str, hints: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        if listener.recv().await?.payload() != own {
            hints.notify_one();
        }
    }
}
