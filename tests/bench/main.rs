//! `cargo bench -p tests`: what the club does on this machine, beside what this machine's
//! PostgreSQL can do at best and what the stock framework does, all in one run. See `--help`.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "rates and ratios are estimates; no money is counted here"
)]
#![allow(clippy::disallowed_methods, reason = "what is measured is the machine's time")]

mod actions;
mod claims;
mod cpu;
mod database;
mod followers;
mod game_servers;
mod grants;
mod http;
mod identity;
mod in_process;
mod live;
mod load;
mod long_log;
mod loopback;
mod olap;
mod old_account;
mod options;
mod pgbench;
mod players;
mod provider;
mod publishing;
mod repeats;
mod report;
mod service;
mod settings;
mod stages;
mod stock;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use cpu::{CpuMeter, Others};
use database::Database;
use live::Live;
use options::Options;
use players::{Accounts, Request};
use report::Report;
use settings::Settings;
use stages::Stages;

/// What one benchmark does.
#[derive(Debug, Clone, Copy)]
enum Benchmark {
    /// pgbench, one row a transaction: what PostgreSQL can do with commits of one event.
    SingleInsert { clients: usize },
    /// The stock framework's appends.
    Stock { in_flight: usize },
    /// The load generator against a server that does nothing: what it could measure at most.
    Loopback { in_flight: usize },
    /// The club, through its front door.
    Http { request: Request, accounts: Accounts, in_flight: usize },
    /// Admins who give gold to many at once, in turns with the command side alone.
    GrantBatches,
    /// Game servers that report play in batches, while probes look when progress is shown.
    Actions,
    /// Hashing of passwords and nothing else.
    HashAlone,
    /// People who sign up, sign in and stay signed in.
    Identity { deed: identity::Deed, in_flight: usize },
    /// Claims of missions, each of which pays.
    Claims { in_flight: usize },
    /// Claims of an account with a long past beside those of new ones, one after another.
    OldAccount,
    /// The command side alone, on one node or several.
    InProcess { nodes: usize, in_flight: usize },
    /// COPY of the long log: what PostgreSQL can do at reading all events.
    CopyOut,
    /// The live feed, or a bare websocket server beside it.
    Live(Live),
    /// The long log, published to Kafka.
    Kafka(publishing::Publishing),
    /// The auditor's commands on the long log.
    Audit(long_log::Audit),
    /// The long log into ClickHouse, from the first event.
    OlapBackfill,
    /// ClickHouse's own copy of the same rows.
    OlapBareInsert,
    /// From commit to being seen in ClickHouse.
    OlapVisible,
}

use Accounts::{Hot, Spread};
use Request::{Balance, Grant, LimitedPurchase, PendingSettled, Purchase};

/// Every benchmark, in the order in which they run. The names are kept: figures of different
/// versions are compared by them.
const BENCHMARKS: &[(&str, Benchmark)] = &[
    ("limit_single_insert_32", Benchmark::SingleInsert { clients: 32 }),
    ("limit_single_insert_64", Benchmark::SingleInsert { clients: 64 }),
    ("baseline_cqrs_es_64", Benchmark::Stock { in_flight: 64 }),
    ("limit_http_loopback_32", Benchmark::Loopback { in_flight: 32 }),
    ("grant_http_spread_1", http(Grant, Spread, 1)),
    ("grant_http_spread_32", http(Grant, Spread, 32)),
    ("grant_http_spread_64", http(Grant, Spread, 64)),
    ("grant_http_spread_256", http(Grant, Spread, 256)),
    ("grant_http_hot_32", http(Grant, Hot, 32)),
    ("purchase_http_spread_1", http(Purchase, Spread, 1)),
    ("purchase_http_spread_32", http(Purchase, Spread, 32)),
    ("purchase_http_spread_64", http(Purchase, Spread, 64)),
    ("purchase_http_spread_256", http(Purchase, Spread, 256)),
    ("purchase_http_hot_32", http(Purchase, Hot, 32)),
    ("purchase_limited_http_32", http(LimitedPurchase, Spread, 32)),
    ("checkout_pending_settled_32", http(PendingSettled, Spread, 32)),
    ("balance_http_32", http(Balance, Spread, 32)),
    ("actions_http_batch", Benchmark::Actions),
    ("claim_http_32", Benchmark::Claims { in_flight: 32 }),
    ("claim_old_account", Benchmark::OldAccount),
    ("argon2_alone", Benchmark::HashAlone),
    ("register_http_32", Benchmark::Identity { deed: identity::Deed::SignUp, in_flight: 32 }),
    ("login_http_32", Benchmark::Identity { deed: identity::Deed::SignIn, in_flight: 32 }),
    ("refresh_http_32", Benchmark::Identity { deed: identity::Deed::Refresh, in_flight: 32 }),
    ("limit_websocket_idle_10000", Benchmark::Live(Live::BareIdle)),
    ("live_idle_10000", Benchmark::Live(Live::Idle)),
    ("limit_websocket_echo_1000", Benchmark::Live(Live::BareEcho)),
    ("live_active_1000", Benchmark::Live(Live::Active)),
    ("live_slow_readers", Benchmark::Live(Live::SlowReaders)),
    ("grant_batch_50", Benchmark::GrantBatches),
    (grants::APPENDS, Benchmark::InProcess { nodes: 1, in_flight: grants::APPENDS_IN_FLIGHT }),
    ("append_two_nodes_64", Benchmark::InProcess { nodes: 2, in_flight: 64 }),
    ("limit_copy_out", Benchmark::CopyOut),
    ("limit_kafka_producer", Benchmark::Kafka(publishing::Publishing::Bare)),
    ("relay_kafka", Benchmark::Kafka(publishing::Publishing::Relay)),
    ("rebuild_all", Benchmark::Audit(long_log::Audit::Rebuild)),
    ("verify_chain", Benchmark::Audit(long_log::Audit::Verify)),
    ("limit_clickhouse_insert", Benchmark::OlapBareInsert),
    ("olap_backfill", Benchmark::OlapBackfill),
    ("olap_visible", Benchmark::OlapVisible),
];

const fn http(request: Request, accounts: Accounts, in_flight: usize) -> Benchmark {
    Benchmark::Http { request, accounts, in_flight }
}

impl Benchmark {
    /// Whether it runs on the club that several benchmarks share.
    fn is_on_the_club(self) -> bool {
        matches!(
            self,
            Self::Http { .. }
                | Self::GrantBatches
                | Self::Actions
                | Self::Claims { .. }
                | Self::Identity { .. }
        )
    }

    fn unit(self) -> &'static str {
        match self {
            Self::SingleInsert { .. } | Self::CopyOut | Self::OlapBareInsert => "rows/s",
            Self::Stock { .. } | Self::InProcess { .. } => "commands/s",
            Self::HashAlone => "hashes/s",
            Self::Loopback { .. }
            | Self::Http { .. }
            | Self::Claims { .. }
            | Self::Identity { .. } => "requests/s",
            Self::GrantBatches => "grants/s",
            Self::Actions => "actions/s",
            Self::Live(Live::BareIdle | Live::Idle) => "bytes",
            Self::OldAccount | Self::OlapVisible | Self::Live(_) => "ms",
            Self::Audit(_) | Self::OlapBackfill | Self::Kafka(_) => "events/s",
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        BENCHMARKS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if !options.bench {
        println!("nothing measured: run it by `make bench` or `cargo bench -p tests`");
        return ExitCode::SUCCESS;
    }
    match on_one_thread(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The load generator has one thread: it shares the cores with what it measures.
fn on_one_thread(options: Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if options.loopback_server {
            loopback::serve().await?;
        }
        if options.bare_server {
            tests::load::Bare::serve().await?;
        }
        run(options).await
    })
}

/// Runs what was asked for. Returns whether all that is required was reached.
async fn run(options: Options) -> Result<bool> {
    let selected = selected(&options.only)?;
    let url = options.database_url.clone().context(
        "TEST_DATABASE_URL is not set: `make bench` starts a PostgreSQL and sets it; see --help",
    )?;
    let settings = Settings::read(&url).await?;
    println!("{settings}");
    settings.check(options.allow_unsafe)?;
    Database::drop_old(&url).await?;
    let folder = service::target_folder()?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let results = folder.join("latest.json");
    let mut stages = Stages::new(options, url, folder, settings.postmaster);
    let mut report = Report::default();
    for (name, benchmark) in selected {
        if report.has(name) {
            continue; // It was measured beside another one.
        }
        let others = Others::watch(CpuMeter::new([settings.postmaster, std::process::id()]))?;
        let outcome = stages.measure(name, benchmark).await;
        report.add(name, benchmark.unit(), outcome, others.cores()?);
        report.write(&results)?;
    }
    stages.clean_up().await?;
    let reached = report.print();
    println!("\nwritten to {}", results.display());
    Ok(reached)
}

/// The benchmarks asked for and what they are compared with; all, if none was named.
fn selected(only: &[String]) -> Result<Vec<(&'static str, Benchmark)>> {
    for name in only {
        let known = BENCHMARKS.iter().any(|(known, _)| known == name);
        ensure!(known, "no benchmark is called {name}: see --list");
    }
    let wanted = |name: &str| {
        only.is_empty()
            || only.iter().any(|asked| {
                asked == name || report::baselines(asked).any(|baseline| baseline == name)
            })
    };
    Ok(BENCHMARKS.iter().copied().filter(|(name, _)| wanted(name)).collect())
}
