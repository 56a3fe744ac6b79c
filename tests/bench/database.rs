//! The databases of a run: made fresh, dropped again.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use sqlx::{Connection, Executor, PgConnection};

/// A database of this run.
#[derive(Debug)]
pub struct Database {
    name: String,
    server_url: String,
    /// For whoever works in it.
    pub url: String,
}

impl Database {
    /// Makes an empty one. `purpose` makes its name, with this process's id.
    pub async fn create(server_url: &str, purpose: &str) -> Result<Self> {
        // A purpose may come twice in a run: a club that was stopped is started anew.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (number, run) = (MADE.fetch_add(1, Ordering::Relaxed), std::process::id());
        let name = format!("bench_{purpose}_{number}_{run}");
        let url = with_database(server_url, &name)?;
        let mut server = connect(server_url).await?;
        server.execute(format!("create database {name}").as_str()).await?;
        Ok(Self { name, server_url: server_url.to_owned(), url })
    }

    /// Throws away what runs have left that were ended half-way or told to keep it.
    pub async fn drop_old(server_url: &str) -> Result<()> {
        let mut server = connect(server_url).await?;
        let names: Vec<String> = sqlx::query_scalar(
            r"select datname::text from pg_database where datname ~ '^bench_[a-z0-9_]+_\d+$'",
        )
        .fetch_all(&mut server)
        .await?;
        for name in names {
            let run = name.rsplit('_').next().unwrap_or_default();
            // Another run may be under way.
            if !Path::new("/proc").join(run).exists() {
                server.execute(format!("drop database if exists {name}").as_str()).await?;
            }
        }
        Ok(())
    }

    /// The name, for notes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a connection to it.
    pub async fn connect(&self) -> Result<PgConnection> {
        connect(&self.url).await
    }

    /// Applies the repository's migrations, as `club migrate` does.
    pub async fn migrate(&self) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let migrator = sqlx::migrate::Migrator::new(folder).await?;
        migrator.run(&mut self.connect().await?).await?;
        Ok(())
    }

    /// Throws it away, with whoever is still in it.
    pub async fn drop(self) -> Result<()> {
        let mut server = connect(&self.server_url).await?;
        let command = format!("drop database if exists {} with (force)", self.name);
        server.execute(command.as_str()).await?;
        Ok(())
    }
}

/// Opens one connection.
pub async fn connect(url: &str) -> Result<PgConnection> {
    PgConnection::connect(url).await.context("no connection to the PostgreSQL of the benchmark")
}

/// Brings the server to the same starting point before each repeat: dirty pages of what ran before
/// are on disk, and the next checkpoint is far away.
pub async fn checkpoint(server_url: &str) -> Result<()> {
    connect(server_url).await?.execute("checkpoint").await?;
    Ok(())
}

/// Lets the server know its tables, as it would after a while.
pub async fn analyze(url: &str) -> Result<()> {
    connect(url).await?.execute("vacuum analyze").await?;
    Ok(())
}

/// The position of the last event, which is the number of events.
pub async fn log_length(url: &str) -> Result<i64> {
    let mut connection = connect(url).await?;
    Ok(sqlx::query_scalar("select coalesce(max(position), 0) from events")
        .fetch_one(&mut connection)
        .await?)
}

/// The same server and user, another database.
fn with_database(url: &str, name: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a database URL has ://")?;
    let (place, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
    // The path of a Unix socket is percent-encoded: the first slash ends the host.
    let host = place.split('/').next().unwrap_or(place);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}/{name}{query}"))
}
