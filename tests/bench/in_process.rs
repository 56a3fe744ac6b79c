//! The command side inside this process, without HTTP, with all followers on.
//!
//! [`Node`] is everything that the benchmark knows about it: start, grant, close.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use rand::Rng;

use crate::cpu::CpuMeter;
use crate::database::{Database, log_length};
use crate::load::{Load, Plan, callers, closed_loop, on_all_cores};

/// Accounts that the grants are spread over.
const ACCOUNTS: usize = 1_000;

/// Commands in flight while the long log is made.
const FILLING: usize = 256;

/// One node of the club: the bus with its appender, and the followers on their engine.
struct Node;

impl Node {
    /// Starts one on a migrated database, on the runtime that this is called in.
    async fn start(_database_url: &str) -> Result<Self> {
        bail!("the command side is not part of this build")
    }

    /// Opens account `number` (from 1). Opening it again does nothing.
    async fn open(&self, _number: usize) -> Result<()> {
        Ok(())
    }

    /// Gives one gold to account `number`, and returns when that is durable.
    async fn grant(&self, _number: usize) -> Result<()> {
        Ok(())
    }

    /// Finishes what was accepted, stops the followers.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Makes a log with open accounts.
pub async fn prepare(database: &Database) -> Result<()> {
    database.migrate().await?;
    let url = database.url.clone();
    on_all_cores(move || async move {
        let node = Node::start(&url).await?;
        for number in 1..=ACCOUNTS {
            node.open(number).await?;
        }
        node.close().await
    })
    .await
}

/// Grants for one repeat: so many in flight in all, dealt out to so many nodes.
pub async fn append(
    database: &Database,
    nodes: usize,
    in_flight: usize,
    plan: Plan,
    servers: &CpuMeter,
) -> Result<Load> {
    crate::database::checkpoint(&database.url).await?;
    let before = log_length(&database.url).await?;
    let (url, servers) = (database.url.clone(), servers.clone());
    let load = on_all_cores(move || async move {
        let nodes = start(&url, nodes).await?;
        let granting = Arc::clone(&nodes);
        let clients = callers(in_flight, move |caller| {
            let nodes = Arc::clone(&granting);
            async move { nodes[caller % nodes.len()].grant(some_account()).await }
        });
        let load = closed_loop(clients, plan, &servers).await;
        for node in nodes.iter() {
            node.close().await?;
        }
        load
    })
    .await?;
    let written = u64::try_from(log_length(&database.url).await? - before)?;
    ensure!(written >= load.operations, "{} grants left {written} events", load.operations);
    Ok(load)
}

/// Grants until the log is that long.
pub async fn fill(database: &Database, events: u64) -> Result<()> {
    let missing = events.saturating_sub(u64::try_from(log_length(&database.url).await?)?);
    let url = database.url.clone();
    on_all_cores(move || async move {
        let nodes = start(&url, 1).await?;
        let mut filling = tokio::task::JoinSet::new();
        for part in 0..FILLING as u64 {
            let (nodes, part) = (Arc::clone(&nodes), share(missing, part));
            filling.spawn(async move {
                for _ in 0..part {
                    nodes[0].grant(some_account()).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(filled) = filling.join_next().await {
            filled??;
        }
        nodes[0].close().await
    })
    .await
}

async fn start(url: &str, count: usize) -> Result<Arc<[Node]>> {
    let mut nodes = Vec::with_capacity(count);
    for _ in 0..count {
        nodes.push(Node::start(url).await?);
    }
    Ok(nodes.into())
}

fn some_account() -> usize {
    rand::rng().random_range(1..=ACCOUNTS)
}

/// The share of one of those who fill, so that all shares make the whole.
fn share(whole: u64, part: u64) -> u64 {
    let parts = FILLING as u64;
    whole / parts + u64::from(part < whole % parts)
}
