//! One node at a time works for a follower: whoever holds its advisory lock.
//!
//! The lock belongs to a connection, and everything that the follower does in the database it does
//! on that connection: whoever has lost the lease has lost the means to write.

use std::ops::{Deref, DerefMut};

use futures::future::BoxFuture;
use sqlx::{ConnectOptions, Executor, PgConnection, PgPool};

use crate::follower::FollowerError;

/// A connection of its own, with the planner's hand held: on tables without statistics it would
/// read a whole table to update ten rows of it. A page's commit need not be flushed: lost in a
/// crash, effect and place are lost together and come again from the log.
const SESSION: &str = "set enable_seqscan = off; set enable_hashjoin = off;
    set enable_mergejoin = off; set plan_cache_mode = force_generic_plan; set jit = off;
    set synchronous_commit = off; set idle_in_transaction_session_timeout = '30s';
    set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3";

/// A follower's own connection, which may hold its lease.
#[derive(Debug)]
pub(crate) struct Link(PgConnection);

impl Link {
    /// Connects, without asking for the lease.
    pub(crate) async fn open(pool: &PgPool) -> Result<Self, FollowerError> {
        let mut connection = pool.connect_options().connect().await?;
        run(&mut connection, SESSION).await?;
        Ok(Self(connection))
    }

    /// Takes the lease of this name unless another connection holds it.
    pub(crate) async fn try_lease(&mut self, name: &str) -> Result<bool, FollowerError> {
        Ok(sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended('club ' || $1, 0))")
            .bind(name)
            .fetch_one(&mut self.0)
            .await?)
    }

    /// Waits for the lease of this name.
    pub(crate) async fn lease(&mut self, name: &str) -> Result<(), FollowerError> {
        sqlx::query("select pg_advisory_lock(hashtextextended('club ' || $1, 0))")
            .bind(name)
            .execute(&mut self.0)
            .await?;
        Ok(())
    }
}

/// Runs statements that have no parameters and give no rows.
pub(crate) fn run<'a>(
    connection: &'a mut PgConnection,
    statements: &'a str,
) -> BoxFuture<'a, Result<(), sqlx::Error>> {
    Box::pin(async move { connection.execute(statements).await.map(drop) })
}

impl Deref for Link {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
