//! The command side inside this process, without HTTP, with all followers on.
//!
//! [`Node`] is everything that the benchmark knows about it: start, grant, close.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use commands::Commands;
use commands::approvals::ApprovalPolicy;
use commands::bus::{Bus, Limits};
use commands::clock::{Clock, SystemClock};
use commands::codes::Codes;
use commands::context::{Caller, FingerprintKey, IdempotencyKey};
use commands::grants::{Grant, Granted};
use commands::log::Log;
use commands::log::postgres::PostgresLog;
use commands::payments::sandbox::{Sandbox, SandboxSettings};
use commands::shop::{PendingPurchases, ShopPolicy};
use domain::event::Actor;
use domain::id::PlayerId;
use domain::money::Gold;
use rand::Rng;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::cpu::CpuMeter;
use crate::database::{Database, log_length};
use crate::followers::Followers;
use crate::load::{Client, Plan, callers, closed_loop, on_all_cores};
use crate::repeats::Followed;

/// Accounts that the grants are spread over.
const ACCOUNTS: i64 = 1_000;

/// What the service works as, whatever its login is.
const SERVICE_ROLE: &str = "club_service";

/// Connections of a node, besides the appender's own.
const CONNECTIONS: u32 = 8;

/// Commands in flight while the long log is made.
const FILLING: usize = 256;

/// One node of the club.
pub struct Node {
    /// What may be asked of it.
    pub commands: Commands,
    followers: Followers,
}

impl Node {
    /// Starts one on a migrated database, on the runtime that this is called in.
    async fn start(database_url: &str) -> Result<Self> {
        Self::start_by(database_url, Arc::new(SystemClock)).await
    }

    /// The same by another clock.
    pub async fn start_by(database_url: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        // As the service's own role: what its followers make must belong to it. By the options, which
        // their own connections have, too; a hook of the pool would not see these.
        let options = PgConnectOptions::from_str(database_url)?.options([("role", SERVICE_ROLE)]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        let log: Arc<dyn Log> = Arc::new(PostgresLog::connect(database_url, pool.clone()).await?);
        let bus = Bus::start(Arc::clone(&log), Arc::clone(&clock), Limits::default()).await?;
        let sandbox = Sandbox::start(pool.clone(), Arc::clone(&clock), SandboxSettings::default())?;
        let commands = Commands {
            bus,
            codes: Codes::new(log),
            clock,
            provider: Arc::new(sandbox),
            fingerprints: FingerprintKey::new(b"benchmark"),
            policy: ShopPolicy::default(),
            approvals: ApprovalPolicy::default(),
            pending: PendingPurchases::default(),
            streak_grace_days: 0,
        };
        let followers = Followers::start(&commands, &pool).await?;
        Ok(Self { commands, followers })
    }

    /// Opens account `number` (from 1). Opening it again does nothing.
    async fn open(&self, number: i64) -> Result<()> {
        self.commands.open_account(&Caller::system("benchmark"), PlayerId(number)).await?;
        Ok(())
    }

    /// Reads the balance of account `number`, so that its state is in memory.
    async fn look(&self, number: i64) -> Result<()> {
        self.commands.wallet(PlayerId(number)).await?;
        Ok(())
    }

    /// Gives one gold to account `number` as an admin does, under a key of its own, and returns
    /// when that is durable.
    async fn grant(&self, number: i64) -> Result<()> {
        let key = IdempotencyKey::parse(&uuid::Uuid::now_v7().to_string())?;
        let admin = Caller {
            actor: Actor::Admin(PlayerId(1)),
            key: Some(key),
            ..Caller::system("benchmark")
        };
        let gold = Gold::new(1).context("one is not too much")?;
        let reason = "benchmark".to_owned();
        let grant = Grant { player: PlayerId(number), what: Granted::Gold(gold), reason };
        self.commands.grant(&admin, grant).await?;
        Ok(())
    }

    /// Finishes what was accepted, and stops the followers.
    pub async fn close(self) {
        self.commands.bus.close().await;
        self.followers.stop().await;
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
        node.close().await;
        Ok(())
    })
    .await
}

/// Grants, so many in flight in all, dealt out to so many nodes, as often as `repeats` says. The
/// nodes stay for all repeats and know the accounts: what is measured is a club that runs, not one
/// that has just started and reads every account's past.
pub async fn append(
    database: &Database,
    nodes: usize,
    in_flight: usize,
    (plan, repeats): (Plan, usize),
    servers: &CpuMeter,
) -> Result<Vec<Followed>> {
    let (url, servers) = (database.url.clone(), servers.clone());
    on_all_cores(move || async move {
        let nodes = start(&url, nodes).await?;
        let mut loads = Vec::new();
        for _ in 0..repeats {
            crate::database::checkpoint(&url).await?;
            let before = log_length(&url).await?;
            let load = closed_loop(granting(&nodes, in_flight), plan, &servers).await?;
            let lag = worst_lag(&nodes).await;
            let written = u64::try_from(log_length(&url).await? - before)?;
            ensure!(written >= load.operations, "{} grants left {written}", load.operations);
            loads.push((load, lag));
        }
        close(nodes).await;
        Ok(loads)
    })
    .await
}

fn granting(nodes: &Arc<Vec<Node>>, in_flight: usize) -> Vec<impl Client + use<>> {
    let nodes = Arc::clone(nodes);
    callers(in_flight, move |caller| {
        let nodes = Arc::clone(&nodes);
        async move { nodes[caller % nodes.len()].grant(some_account()).await }
    })
}

/// A node that gives gold one by one, for whoever looks at what becomes of it elsewhere.
#[derive(Clone)]
pub struct Granting {
    node: Arc<Node>,
    url: String,
}

impl Granting {
    /// Starts a node, on the runtime that this is called in.
    pub async fn start(url: &str) -> Result<Self> {
        let node = start(url, 1).await?;
        let node = Arc::into_inner(node).and_then(|mut nodes| nodes.pop());
        Ok(Self { node: Arc::new(node.context("it was started")?), url: url.to_owned() })
    }

    /// The database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives one gold to somebody; it is durable then.
    pub async fn grant(&self) -> Result<()> {
        self.node.grant(some_account()).await
    }

    /// The log's last durable position.
    pub fn position(&self) -> u64 {
        self.node.commands.bus.head().position
    }
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
        close(nodes).await;
        Ok(())
    })
    .await
}

/// Starts nodes that have seen all accounts.
async fn start(url: &str, count: usize) -> Result<Arc<Vec<Node>>> {
    let mut nodes = Vec::with_capacity(count);
    for _ in 0..count {
        let node = Node::start(url).await?;
        for number in 1..=ACCOUNTS {
            node.look(number).await?;
        }
        nodes.push(node);
    }
    Ok(Arc::new(nodes))
}

/// Closes nodes that nobody uses any more.
async fn close(nodes: Arc<Vec<Node>>) {
    // The clients are gone; should one be left, the nodes end with their runtime.
    for node in Arc::into_inner(nodes).into_iter().flatten() {
        node.close().await;
    }
}

async fn worst_lag(nodes: &[Node]) -> f64 {
    let mut worst = 0.0_f64;
    for node in nodes {
        worst = worst.max(node.followers.worst_lag().await);
    }
    worst
}

fn some_account() -> i64 {
    rand::rng().random_range(1..=ACCOUNTS)
}

/// The share of one of those who fill, so that all shares make the whole.
fn share(whole: u64, part: u64) -> u64 {
    let parts = FILLING as u64;
    whole / parts + u64::from(part < whole % parts)
}
