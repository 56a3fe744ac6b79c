//! A long log, read whole: by COPY, which is the limit, and by the auditor's commands.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::TryStreamExt;
use serde::Deserialize;

use crate::cpu::CpuMeter;
use crate::service::{Replayed, replay};

/// One reading of the whole log.
#[derive(Debug)]
pub struct Reading {
    /// Events read.
    pub events: u64,
    /// From start to end.
    pub wall: Duration,
    /// Processor time of reader and database.
    pub cpu: Duration,
}

impl Reading {
    /// Events a second.
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.wall.as_secs_f64()
    }

    /// Milliseconds of processor time for an event.
    pub fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1_000.0 / self.events.max(1) as f64
    }
}

/// Which of the auditor's commands.
#[derive(Debug, Clone, Copy)]
pub enum Audit {
    /// All read models anew, start to promoted.
    Rebuild,
    /// The chain, the numbers and the balances.
    Verify,
}

/// What `replay … --format json` says that matters here. The time is taken outside.
#[derive(Debug, Deserialize)]
struct AuditReport {
    /// A rebuild calls them folded.
    #[serde(alias = "folded")]
    events: u64,
}

/// Copies the log out and throws it away.
pub async fn copy_out(url: &str, server: &CpuMeter) -> Result<Reading> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let (cpu_before, started) = (server.read()?, Instant::now());
    let rows = client.copy_out("copy events to stdout").await?;
    let mut rows = std::pin::pin!(rows);
    let mut events = 0;
    // A message is a row.
    while rows.try_next().await?.is_some() {
        events += 1;
    }
    let (wall, cpu) = (started.elapsed(), server.read()?.saturating_sub(cpu_before));
    drop(client);
    connection.await??;
    Ok(Reading { events, wall, cpu })
}

/// Runs `replay` over the log.
pub async fn audit(
    bin: &Path,
    url: &str,
    audit: Audit,
    length: u64,
    server: &CpuMeter,
) -> Result<Reading> {
    let command = match audit {
        Audit::Rebuild => "rebuild",
        Audit::Verify => "verify",
    };
    let cpu_before = server.read()?;
    let Replayed { report, wall, cpu } =
        replay::<AuditReport>(bin, url, &[command, "--format", "json"]).await?;
    let cpu = cpu + server.read()?.saturating_sub(cpu_before);
    let AuditReport { events } = report;
    ensure!(events == length, "replay {command} read {events} events of {length}");
    Ok(Reading { events, wall, cpu })
}
