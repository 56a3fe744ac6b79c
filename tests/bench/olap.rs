//! ClickHouse: how fast a long log gets there, how soon what happens is seen there, and what the same ClickHouse
//! takes at best of the same rows.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::time::{interval, sleep};

use crate::cpu::CpuMeter;
use crate::in_process::Granting;
use crate::load::{Plan, histogram};
use crate::long_log::Reading;
use crate::service::Program;

/// Events a second while it is measured how soon they are seen.
const RATE: u64 = 2_000;
/// Grants that are begun at once.
const BURST: u64 = 20;
/// How often it is looked what is seen.
const LOOK: Duration = Duration::from_millis(20);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A database of ClickHouse.
pub struct ClickHouse {
    http: reqwest::Client,
    url: String,
    database: String,
}

impl ClickHouse {
    /// The one that `ops/clickhouse with` runs, and a database of that name, which is not there yet.
    pub async fn fresh(database: &str) -> Result<Self> {
        let url = std::env::var("CLICKHOUSE_TEST_URL").context(
            "CLICKHOUSE_TEST_URL is not set: `make bench` starts a ClickHouse and sets it",
        )?;
        let clickhouse = Self { http: reqwest::Client::new(), url, database: database.to_owned() };
        clickhouse.ask_server(&format!("drop database if exists {database}")).await?;
        Ok(clickhouse)
    }

    /// What `club` needs to find it.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("CLICKHOUSE_URL", &self.url), ("CLICKHOUSE_DATABASE", &self.database)]
    }

    async fn ask_server(&self, sql: &str) -> Result<String> {
        self.post(&self.url, sql).await
    }

    async fn ask(&self, sql: &str) -> Result<String> {
        self.post(&format!("{}/?database={}", self.url, self.database), sql).await
    }

    async fn post(&self, url: &str, sql: &str) -> Result<String> {
        let answer = self.http.post(url).body(sql.to_owned()).send().await?;
        let is_answer = answer.status().is_success();
        let text = answer.text().await?;
        ensure!(is_answer, "{text}");
        Ok(text.trim().to_owned())
    }

    /// The last position that is seen; 0 while there are no tables.
    async fn position(&self) -> u64 {
        let seen = self.ask("select max(position) from events").await;
        seen.ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    async fn until(&self, position: u64) -> Result<()> {
        let latest = Instant::now() + PATIENCE;
        while self.position().await < position {
            ensure!(Instant::now() < latest, "ClickHouse stays behind {position}");
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// Brings a whole log in, from starting the program until everything is seen, once.
pub async fn backfill(
    bin: &Path,
    url: &str,
    (clickhouse, length): (&ClickHouse, u64),
    server: &CpuMeter,
) -> Result<Reading> {
    let (cpu_before, started) = (server.read()?, Instant::now());
    let worker = Program::start(bin, url, &["olap", "run"], &clickhouse.settings())?;
    clickhouse.until(length).await?;
    let (wall, cpu) = (started.elapsed(), server.read()?.saturating_sub(cpu_before));
    let rows = clickhouse
        .ask("select count() = uniqExact(position) and count() = max(position) from events");
    ensure!(rows.await? == "1", "not each event once");
    worker.stop().await?;
    Ok(Reading { events: length, wall, cpu })
}

/// The same rows once more, from one table into another without views: no log, no network.
pub async fn bare_insert(clickhouse: &ClickHouse, server: &CpuMeter) -> Result<Reading> {
    for sql in [
        "drop table if exists bare sync",
        "create table bare as events engine = MergeTree order by position",
    ] {
        clickhouse.ask(sql).await?;
    }
    let (cpu_before, started) = (server.read()?, Instant::now());
    clickhouse.ask("insert into bare select * from events").await?;
    let (wall, cpu) = (started.elapsed(), server.read()?.saturating_sub(cpu_before));
    let events = clickhouse.ask("select count() from bare").await?.parse()?;
    Ok(Reading { events, wall, cpu })
}

/// From being durable to being seen in ClickHouse, in microseconds, at a steady rate of events.
pub async fn visible(
    bin: &Path,
    granting: Granting,
    clickhouse: Arc<ClickHouse>,
    plan: Plan,
) -> Result<Histogram<u64>> {
    let settings = clickhouse.settings();
    let worker = Program::start(bin, granting.url(), &["olap", "run"], &settings)?;
    clickhouse.until(granting.position()).await?;
    let waiting: Arc<Mutex<Vec<(u64, Instant)>>> = Arc::default();
    let looking = tokio::spawn(look(clickhouse.clone(), waiting.clone()));
    let ends = Instant::now() + plan.warm_up + plan.window;
    let counts = Instant::now() + plan.warm_up;
    let mut ticks = interval(Duration::from_secs(1) * u32::try_from(BURST)? / u32::try_from(RATE)?);
    while Instant::now() < ends {
        ticks.tick().await;
        for _ in 0..BURST {
            let (granting, waiting) = (granting.clone(), waiting.clone());
            tokio::spawn(async move {
                if granting.grant().await.is_ok() && Instant::now() > counts {
                    let durable = (granting.position(), Instant::now());
                    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(durable);
                }
            });
        }
    }
    let seen = tokio::time::timeout(PATIENCE, looking).await???;
    let wanted = RATE as f64 * plan.window.as_secs_f64();
    ensure!(
        seen.len() as f64 > 0.9 * wanted,
        "only {} events of {wanted} were written",
        seen.len()
    );
    worker.stop().await?;
    Ok(seen)
}

/// Until nothing waits any more for a while.
async fn look(
    clickhouse: Arc<ClickHouse>,
    waiting: Arc<Mutex<Vec<(u64, Instant)>>>,
) -> Result<Histogram<u64>> {
    let (mut seen, mut last) = (histogram()?, Instant::now());
    while seen.is_empty() || last.elapsed() < Duration::from_secs(3) {
        let position = clickhouse.position().await;
        let now = Instant::now();
        {
            let mut waiting = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (_, durable) in waiting.iter().filter(|(at, _)| *at <= position) {
                let micros = now.saturating_duration_since(*durable).as_micros();
                seen.record(u64::try_from(micros)?.max(1))?;
                last = now;
            }
            waiting.retain(|(at, _)| *at > position);
        }
        sleep(LOOK).await;
    }
    Ok(seen)
}
