//! Who is here: each node says who is connected to it, and what a node that has gone said soon counts no
//! more.

use std::time::Duration;

use domain::id::PlayerId;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use super::hub::Hub;
use super::messages;

/// How often each node says it.
const ROUND: Duration = Duration::from_secs(2);
/// How long it counts, in seconds.
const COUNTS_FOR: f64 = 10.0;

/// Says who is here until it is told to end.
pub async fn run(hub: Hub, pool: PgPool, mut ending: watch::Receiver<bool>) {
    let node = Uuid::new_v4();
    loop {
        match round(&hub, &pool, node).await {
            Ok(online) => hub.announce(messages::online(online)),
            Err(error) => tracing::warn!(%error, "who is here cannot be told"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => break,
        }
    }
    let leave = sqlx::query("delete from live.nodes where node = $1").bind(node);
    // If this fails, it counts no more in a moment.
    let _ = leave.execute(&pool).await;
}

async fn round(hub: &Hub, pool: &PgPool, node: Uuid) -> Result<u64, sqlx::Error> {
    let players: Vec<i64> = hub.players().into_iter().map(|player| player.0).collect();
    sqlx::query(
        "insert into live.nodes (node, players, seen_at) values ($1, $2, now())
         on conflict (node) do update set players = excluded.players, seen_at = excluded.seen_at",
    )
    .bind(node)
    .bind(&players)
    .execute(pool)
    .await?;
    sqlx::query("delete from live.nodes where seen_at < now() - make_interval(secs => 60)")
        .execute(pool)
        .await?;
    online(pool).await
}

/// How many players are connected to any node.
///
/// # Errors
/// If the database does not answer.
pub async fn online(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let count: i64 = sqlx::query_scalar(
        "select count(distinct player) from live.nodes, unnest(players) player
          where seen_at > now() - make_interval(secs => $1)",
    )
    .bind(COUNTS_FOR)
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Whether a player is connected to any node.
///
/// # Errors
/// If the database does not answer.
pub async fn is_online(pool: &PgPool, player: PlayerId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from live.nodes
          where $1 = any(players) and seen_at > now() - make_interval(secs => $2))",
    )
    .bind(player.0)
    .bind(COUNTS_FOR)
    .fetch_one(pool)
    .await
}
