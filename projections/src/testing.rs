//! A database a test, and logs full of random but lawful histories.

pub(crate) mod history;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::aggregate::Event;
use domain::event::{Actor, Metadata};
use domain::id::PlayerId;
use domain::stored::{Hash, Place, Recorded, StoredEvent, chain};
use domain::testing::at;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgPool};

use self::history::History;
use crate::feed;

fn server() -> PgConnectOptions {
    let url = std::env::var("TEST_DATABASE_URL");
    url.unwrap_or_else(|_| panic!("set TEST_DATABASE_URL to a superuser's")).parse().unwrap()
}

/// An empty database with our migrations, on the server at `TEST_DATABASE_URL` (a superuser's).
pub(crate) async fn database() -> PgPool {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let options = server();
    let name = format!("proj_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let mut server = options.connect().await.unwrap();
    server.execute(format!("drop database if exists {name} with (force)").as_str()).await.unwrap();
    create(options, &name).await
}

/// Connections to the same database that work as the service does, and as `replay rebuild` does.
pub(crate) async fn as_service(pool: &PgPool) -> PgPool {
    let options = PgConnectOptions::clone(&pool.connect_options());
    let options = options.options([("role", "club_service")]);
    PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

/// A database with a log of this many events of `players` players, kept for the next time.
pub(crate) async fn big_database(events: u64, players: i64) -> PgPool {
    let options = server();
    let name = format!("proj_big_{events}_{players}");
    if let Ok(pool) = PgPoolOptions::new().connect_with(options.clone().database(&name)).await {
        return pool;
    }
    let pool = create(options, &name).await;
    let mut writer = Writer::new(&pool, 1).await;
    writer.history.players = players;
    while writer.head.position < events {
        writer.write(2_000).await;
    }
    pool.execute("vacuum analyze events").await.unwrap();
    pool
}

async fn create(options: PgConnectOptions, name: &str) -> PgPool {
    let mut server = options.connect().await.unwrap();
    server.execute(format!("create database {name}").as_str()).await.unwrap();
    let options = options.database(name);
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    let migrations = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations"));
    Migrator::new(migrations).await.unwrap().run(&pool).await.unwrap();
    pool
}

/// Changes the log as nobody may: as a superuser with the triggers off.
pub(crate) async fn tamper(pool: &PgPool, statement: &str) {
    let mut connection = pool.acquire().await.unwrap();
    connection.execute("set session_replication_role = replica").await.unwrap();
    connection.execute(statement).await.unwrap();
    connection.execute("set session_replication_role = origin").await.unwrap();
}

/// The one who writes the log in these tests.
pub(crate) struct Writer {
    pool: PgPool,
    pub(crate) head: Place,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) history: History,
}

impl Writer {
    pub(crate) async fn new(pool: &PgPool, seed: u64) -> Self {
        let head = feed::genesis(&mut pool.acquire().await.unwrap()).await.unwrap();
        let history = History::new(seed);
        Self { pool: pool.clone(), head, recorded_at: at(0), history }
    }

    /// Goes on at the end of a log.
    pub(crate) async fn resumed(pool: &PgPool, seed: u64) -> Self {
        let mut writer = Self::new(pool, seed).await;
        writer.head = feed::head(&mut pool.acquire().await.unwrap()).await.unwrap();
        let last = "select coalesce(max(recorded_at), $1) from events";
        writer.recorded_at = sqlx::query_scalar(last).bind(at(0)).fetch_one(pool).await.unwrap();
        writer
    }

    /// Appends at least `events` events in one batch and gives them as they stand in the log.
    pub(crate) async fn write(&mut self, events: usize) -> Vec<Recorded> {
        let batch = self.history.batch(events);
        self.append(batch).await
    }

    /// Appends these.
    pub(crate) async fn append(&mut self, events: Vec<StoredEvent>) -> Vec<Recorded> {
        let expected = self.head;
        self.recorded_at += TimeDelta::milliseconds(1);
        let recorded_at = self.recorded_at;
        let mut recorded = Vec::with_capacity(events.len());
        for event in events {
            let position = self.head.position + 1;
            let hash = chain(&self.head.hash, position, recorded_at, &event.digest());
            self.head = Place { position, hash };
            recorded.push(Recorded { place: self.head, recorded_at, event });
        }
        let column = |f: fn(&Recorded) -> String| recorded.iter().map(f).collect::<Vec<_>>();
        let sequences: Vec<_> = recorded.iter().map(|r| r.event.sequence.cast_signed()).collect();
        let hashes: Vec<_> = recorded.iter().map(|r| r.place.hash.0.to_vec()).collect();
        let nothing = vec![None::<String>; recorded.len()];
        let appended: bool = sqlx::query_scalar(
            "select append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                                  $14::bytea[], $15::integer[], '{}', '{}')",
        )
        .bind(expected.position.cast_signed())
        .bind(&expected.hash.0[..])
        .bind(recorded_at)
        .bind(column(|r| r.event.aggregate_type.to_string()))
        .bind(column(|r| r.event.aggregate_id.to_string()))
        .bind(sequences)
        .bind(column(|r| r.event.event_type.to_string()))
        .bind(column(|r| r.event.event_version.to_string()))
        .bind(column(|r| r.event.payload.to_string()))
        .bind(column(|r| r.event.metadata.to_string()))
        .bind(hashes)
        .bind(&nothing)
        .bind(&nothing)
        .bind(vec![None::<Vec<u8>>; recorded.len()])
        .bind(vec![None::<i32>; recorded.len()])
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert!(appended, "somebody else has written");
        recorded
    }
}

/// An event as the write side would store it.
pub(crate) fn stored(
    family: &'static str,
    id: &str,
    sequence: u64,
    event: &impl Event,
) -> StoredEvent {
    let player = id.parse().ok();
    let actor = player.map_or(Actor::System("test"), Actor::Player);
    StoredEvent {
        aggregate_type: family.into(),
        aggregate_id: id.into(),
        sequence,
        event_type: event.event_type().into(),
        event_version: "1".into(),
        payload: domain::encoding::encode(event).unwrap().into(),
        metadata: metadata(actor, player).into(),
    }
}

/// What is said about an event of somebody.
pub(crate) fn metadata(actor: Actor, player: Option<PlayerId>) -> String {
    Metadata { actor, player, request: None, cause: None, trace: None }.to_json()
}

/// A place that no log of ours has.
pub(crate) fn another_history(position: u64) -> Place {
    Place { position, hash: Hash::genesis(b"another") }
}

/// How many seconds `copy events to stdout` takes, read by psql.
pub(crate) async fn plain_copy(pool: &PgPool) -> f64 {
    let mut url = pool.connect_options().to_url_lossy();
    url.set_query(None);
    let started = std::time::Instant::now();
    let status = tokio::process::Command::new("psql")
        .args([url.as_str(), "-q", "-c", "copy events to stdout"])
        .stdout(std::process::Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(status.success());
    started.elapsed().as_secs_f64()
}
