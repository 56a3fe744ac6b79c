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

/// A node that is stopped or cut off does nothing on its connection, and must not keep the lease for
/// as long as its machine keeps the connection open. A follower looks every quarter of a second.
const LEASED: &str = "set idle_session_timeout = '5s';
    set idle_in_transaction_session_timeout = '5s'";
/// For as long as the lease is held while the work is done on other connections.
const AT_WORK_ELSEWHERE: &str = "set idle_session_timeout = 0";
/// For as long as somebody else is asked where to begin, who may have to finish something first.
const ASKING_ELSEWHERE: &str = "set idle_session_timeout = '60s'";

/// A follower's own connection, which may hold its lease.
#[derive(Debug)]
pub(crate) struct Link(PgConnection);

impl Link {
    /// Connects, without asking for the lease. As the pool's options say, the role among them: what
    /// hooks of the pool do to its connections is not done to this one.
    pub(crate) async fn open(pool: &PgPool) -> Result<Self, FollowerError> {
        let mut connection = pool.connect_options().connect().await?;
        run(&mut connection, SESSION).await?;
        Ok(Self(connection))
    }

    /// Takes the lease of this name unless another connection holds it. It is lost by doing nothing.
    pub(crate) async fn try_lease(&mut self, name: &str) -> Result<bool, FollowerError> {
        run(&mut self.0, LEASED).await?;
        Ok(sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended('club ' || $1, 0))")
            .bind(name)
            .fetch_one(&mut self.0)
            .await?)
    }

    /// Keeps the lease while the work is done on other connections.
    pub(crate) async fn work_elsewhere(&mut self) -> Result<(), FollowerError> {
        Ok(run(&mut self.0, AT_WORK_ELSEWHERE).await?)
    }

    /// Keeps the lease for a while longer than usual.
    pub(crate) async fn ask_elsewhere(&mut self) -> Result<(), FollowerError> {
        Ok(run(&mut self.0, ASKING_ELSEWHERE).await?)
    }

    /// From here on the lease is lost again by doing nothing.
    pub(crate) async fn work_here(&mut self) -> Result<(), FollowerError> {
        Ok(run(&mut self.0, LEASED).await?)
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
