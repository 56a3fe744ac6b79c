//! Connections to PostgreSQL, and whether its tables are those of this program.

mod migrations;

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};

use crate::config::{DatabaseConfig, Secret};

/// What the service works as, whatever its login is: its rights are all it has.
const SERVICE_ROLE: &str = "club_service";
/// Connections for requests and reads.
const CONNECTIONS: u32 = 16;
/// A connection that was idle for longer is asked whether it still works before it is used.
const TRUSTED: Duration = Duration::from_millis(250);
/// How long a request waits for one of them.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(5);

/// A pool of connections that work as the service.
///
/// # Errors
/// If the address cannot be read or the database cannot be reached.
pub async fn service_pool(config: &DatabaseConfig, connections: u32) -> anyhow::Result<PgPool> {
    let options = options(&config.url, "DATABASE_URL")?.options([("role", SERVICE_ROLE)]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_PATIENCE)
        // The pool asks each connection how it is when it comes back, and that is enough for a moment.
        .test_before_acquire(false)
        .before_acquire(|connection, since| {
            let is_trusted = since.idle_for < TRUSTED;
            Box::pin(async move { Ok(is_trusted || connection.ping().await.is_ok()) })
        })
        .connect_with(options)
        .await
        .context("the database cannot be reached: check DATABASE_URL")
}

/// The pool of requests.
///
/// # Errors
/// As [`service_pool`].
pub async fn main_pool(config: &DatabaseConfig) -> anyhow::Result<PgPool> {
    service_pool(config, CONNECTIONS).await
}

fn options(url: &Secret, variable: &'static str) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url.reveal())
        .map_err(|_| anyhow::anyhow!("{variable} is not a postgres:// address"))?;
    Ok(options.application_name("club").disable_statement_logging())
}

/// Brings the tables up to this program, as their owner.
///
/// # Errors
/// If the database cannot be reached, or has seen other migrations than these.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<usize> {
    let mut connection = connect(&config.owner_url, "DATABASE_OWNER_URL").await?;
    let migrator = migrator().await?;
    connection.ensure_migrations_table().await?;
    let before = connection.list_applied_migrations().await?.len();
    migrator.run(&mut connection).await.context(
        "the migrations cannot be run: this database may have seen another version of them",
    )?;
    // The service compares them with its own at every start.
    connection.execute("grant select on _sqlx_migrations to club_service").await?;
    Ok(connection.list_applied_migrations().await?.len().saturating_sub(before))
}

/// Insists that the database has seen exactly the migrations of this program.
///
/// # Errors
/// If it has not; says what to do.
pub async fn insist_on_migrations(config: &DatabaseConfig) -> anyhow::Result<()> {
    let mut connection = connect(&config.url, "DATABASE_URL").await?;
    let exists = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null");
    if !exists.fetch_one(&mut connection).await? {
        bail!("the database has no tables yet: run 'club migrate' first");
    }
    let applied = connection
        .list_applied_migrations()
        .await
        .context("what migrations have run cannot be read: run 'club migrate' as the owner")?;
    let migrator = migrator().await?;
    let version = |version: i64| format!("{version:04}");
    for migration in migrator.iter() {
        match applied.iter().find(|applied| applied.version == migration.version) {
            None => bail!("migration {} has not run: run 'club migrate'", migration.description),
            Some(applied) if applied.checksum != migration.checksum => bail!(
                "migration {} in the database is another one than in this program: start the \
                 program that made the database, or a fresh database",
                version(migration.version)
            ),
            Some(_) => {}
        }
    }
    let known = |version| migrator.iter().any(|migration| migration.version == version);
    if let Some(newer) = applied.iter().find(|applied| !known(applied.version)) {
        let newer = version(newer.version);
        bail!("migration {newer} in the database is unknown here: start a newer program");
    }
    Ok(())
}

async fn connect(url: &Secret, variable: &'static str) -> anyhow::Result<PgConnection> {
    let options = options(url, variable)?;
    PgConnection::connect_with(&options)
        .await
        .with_context(|| format!("the database cannot be reached: check {variable}"))
}

async fn migrator() -> anyhow::Result<Migrator> {
    Ok(Migrator::new(migrations::Embedded).await?)
}
