//! The limit of one row a transaction: pgbench, which comes with PostgreSQL, inserting into a table
//! like the log's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use sqlx::Executor;
use tokio::process::Command;

use crate::cpu::CpuMeter;
use crate::database::Database;
use crate::load::{Load, Plan, histogram};

/// Columns, constraints and indexes of the log, but neither its triggers nor its functions.
const TABLE: &str = "
    create table single_inserts
        (like events including constraints including defaults including indexes);
    create sequence single_insert_numbers";

/// One grant as the club stores it: a stream of its own, a time-ordered key, what a client sends
/// given as parameters.
const SCRIPT: &str = "\
insert into single_inserts (aggregate_type, aggregate_id, sequence, event_type, event_version, \
payload, metadata, position, recorded_at, hash, \
command_key, command_caller, command_fingerprint, command_events) \
select 'account', n::text, 1, 'gold_granted', '1', \
cast(:payload as json), cast(:metadata as json), n, now(), cast(:hash as bytea), \
'0199d0b5-7c1e-7a52-9d3f-' || lpad(to_hex(n), 12, '0'), 'admin:1', cast(:fingerprint as bytea), 1 \
from (select nextval('single_insert_numbers') as n) as next;
";

/// About 150 bytes.
const PAYLOAD: &str = "{\"type\":\"gold_granted\",\"at\":\"2026-03-01T12:34:56.789012Z\",\
    \"receipt_code\":\"0f3a9c1b22d4\",\"movement\":{\"paid\":0,\"free\":1,\
    \"balance\":{\"paid\":0,\"free\":1001}}}";

/// About 90 bytes.
const METADATA: &str = "{\"actor_kind\":\"admin\",\"actor\":\"1\",\"player\":\"1000\",\
    \"request\":\"0199d0b57c1e7a529d3f\"}";

/// As long as the fingerprint of a request.
const FINGERPRINT: &str = "\\x8f14e45fceea167a5a36dedd4bea2543";

/// As long as a SHA-256.
const HASH: &str = "\\x8f14e45fceea167a5a36dedd4bea25438f14e45fceea167a5a36dedd4bea2543";

/// Makes the table beside a migrated log.
pub async fn prepare(database: &Database) -> Result<()> {
    database.migrate().await?;
    database.connect().await?.execute(sqlx::raw_sql(TABLE)).await?;
    Ok(())
}

/// Inserts for one repeat, from so many connections.
pub async fn insert(
    database: &Database,
    clients: usize,
    plan: Plan,
    folder: &Path,
    server: &CpuMeter,
) -> Result<Load> {
    database.connect().await?.execute("truncate single_inserts").await?;
    crate::database::checkpoint(&database.url).await?;
    let script = folder.join("single_insert.sql");
    fs::write(&script, SCRIPT)?;
    let logs = folder.join(format!("pgbench-{}", std::process::id()));
    if !plan.warm_up.is_zero() {
        run(&database.url, clients, plan.warm_up, &script, None).await?;
    }
    let cpu_before = server.read()?;
    let said = run(&database.url, clients, plan.window, &script, Some(&logs)).await?;
    let cpu = server.read()?.saturating_sub(cpu_before);
    let latencies = collect_latencies(folder, &logs)?;
    let rate = transactions_per_second(&said)?;
    let operations = latencies.len();
    Ok(Load { operations, seconds: operations as f64 / rate, latencies, cpu })
}

async fn run(
    url: &str,
    clients: usize,
    time: Duration,
    script: &Path,
    logs: Option<&Path>,
) -> Result<String> {
    let mut command = Command::new(find()?);
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", time.as_secs().max(1)))
        .arg(format!("--define=payload={PAYLOAD}"))
        .arg(format!("--define=metadata={METADATA}"))
        .arg(format!("--define=hash={HASH}"))
        .arg(format!("--define=fingerprint={FINGERPRINT}"))
        .arg("--file")
        .arg(script);
    if let Some(logs) = logs {
        command.arg("--log").arg(format!("--log-prefix={}", logs.display()));
    }
    let output = command.arg(url).output().await.context("pgbench does not start")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || !said.contains("number of failed transactions: 0 ") {
        bail!("pgbench failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}

/// Debian keeps it off the PATH, in a folder for each version: the newest is taken.
fn find() -> Result<PathBuf> {
    let mut folders = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions = versions.flatten().map(|entry| entry.path()).collect::<Vec<_>>();
        versions.sort();
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    }
    folders
        .into_iter()
        .map(|folder| folder.join("pgbench"))
        .find(|binary| binary.is_file())
        .context("pgbench is neither on the PATH nor in /usr/lib/postgresql/*/bin")
}

fn transactions_per_second(said: &str) -> Result<f64> {
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    Ok(rate.context("pgbench did not say its tps")?.parse()?)
}

/// Reads and removes the logs, one a thread: `client number microseconds script …` a line.
fn collect_latencies(folder: &Path, prefix: &Path) -> Result<Histogram<u64>> {
    let prefix = prefix.file_name().context("a prefix has a name")?.to_string_lossy().into_owned();
    let mut latencies = histogram()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(&format!("{prefix}.")) {
            continue;
        }
        for line in fs::read_to_string(entry.path())?.lines() {
            let micros = line.split(' ').nth(2).and_then(|time| time.parse().ok());
            latencies.record(micros.with_context(|| format!("not a log line: {line}"))?)?;
        }
        fs::remove_file(entry.path())?;
    }
    Ok(latencies)
}
