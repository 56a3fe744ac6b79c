//! A database for each test, copied from a template that is made once.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// A database of one test, shared by its nodes. It is left to the throw-away server when the test
/// ends.
#[derive(Clone)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The address of its server.
    server: String,
}

impl Database {
    /// A migrated database without any data.
    pub async fn empty() -> Self {
        let template = format!("club_empty_{:016x}", fingerprint());
        Self::copy_of(&template, || async {
            let mut owner = PgConnection::connect(&url(&template)).await.unwrap();
            MIGRATIONS.run(&mut owner).await.unwrap();
        })
        .await
    }

    /// A copy of a template, which is made first if it is not there.
    pub async fn copy_of<F: Future<Output = ()>>(template: &str, make: impl FnOnce() -> F) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("club_{}_{count}", std::process::id());
        let mut server = PgConnection::connect(&url("postgres")).await.unwrap();
        // A template is made once and copied by one at a time, whatever else runs.
        server.execute("select pg_advisory_lock(7001)").await.unwrap();
        let there = "select exists (select from pg_database where datname = $1)";
        let done: bool = sqlx::query_scalar(there)
            .bind(format!("{template}_done"))
            .fetch_one(&mut server)
            .await
            .unwrap();
        if !done {
            let fresh = [
                format!("drop database if exists {template} with (force)"),
                format!("create database {template}"),
            ];
            for statement in &fresh {
                server.execute(&**statement).await.unwrap();
            }
            make().await;
            let keep = format!("alter database {template} rename to {template}_done");
            server.execute(&*keep).await.unwrap();
        }
        copy(&mut server, &name, &format!("{template}_done")).await;
        server.execute("select pg_advisory_unlock(7001)").await.unwrap();
        Self::on(&self::server(), &name)
    }

    /// One that is there, on a server with this address.
    pub fn on(server: &str, name: &str) -> Self {
        Self { name: name.to_owned(), server: server.to_owned() }
    }

    /// A copy of it as it is now. Nobody may be connected to it.
    pub async fn copied(&self) -> Self {
        let name = format!("{}_copy", self.name);
        let mut server = PgConnection::connect(&url("postgres")).await.unwrap();
        copy(&mut server, &name, &self.name).await;
        Self { name, server: self.server.clone() }
    }

    /// The superuser's address of it.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// How many events are in its log, but for those of play, which follow by themselves from signing in,
    /// spending and buying, and for notes on what was refused.
    pub async fn events(&self) -> i64 {
        self.number("select count(*) from events where aggregate_type not in ('activity', 'audit')")
            .await
    }

    /// The position of the last event.
    pub async fn head(&self) -> i64 {
        self.number("select coalesce(max(position), 0) from events").await
    }

    /// The position of the last event of an account.
    pub async fn last_of_accounts(&self) -> i64 {
        self.number("select max(position) from events where aggregate_type = 'account'").await
    }

    async fn number(&self, select: &str) -> i64 {
        sqlx::query_scalar(select).fetch_one(&mut self.superuser().await).await.unwrap()
    }

    /// Connections as the service has them.
    pub async fn service_pool(&self, size: u32) -> PgPool {
        let options: PgConnectOptions = self.url().parse().unwrap();
        let options = options.options([("role", "club_service")]);
        PgPoolOptions::new().max_connections(size).connect_with(options).await.unwrap()
    }

    /// A connection that may do everything.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

async fn copy(server: &mut PgConnection, name: &str, template: &str) {
    let fresh = [
        format!("drop database if exists {name} with (force)"),
        format!("create database {name} template {template}"),
    ];
    for statement in &fresh {
        server.execute(&**statement).await.unwrap();
    }
}

/// The address of a database on the test server.
pub fn url(database: &str) -> String {
    format!("{}/{database}", server())
}

fn server() -> String {
    let server = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is not set: run the tests with `make test`");
    server.rsplit_once('/').unwrap().0.to_owned()
}

/// Changes whenever a migration does.
pub fn fingerprint() -> u64 {
    let bytes = MIGRATIONS.iter().flat_map(|migration| migration.checksum.iter());
    bytes.fold(7, |hash: u64, byte| hash.wrapping_mul(1_099_511_628_211) ^ u64::from(*byte))
}
