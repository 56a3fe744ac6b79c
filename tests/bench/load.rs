//! The closed loop: each client asks, waits for the answer and asks again, and what it measures.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::cpu::CpuMeter;

/// How long after the end of the load an answer may still be missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one repeat takes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Load before anything is counted.
    pub warm_up: Duration,
    /// What is measured.
    pub window: Duration,
}

/// How one operation ended.
#[derive(Debug)]
pub enum Answer {
    /// As hoped.
    Good,
    /// Not as hoped: what was answered.
    Bad(String),
}

/// One client of the loop, with what it keeps from one operation to the next.
pub trait Client: Send + 'static {
    /// Does one operation. An error (a lost connection) ends this client.
    fn once(&mut self) -> impl Future<Output = Result<Answer>> + Send;
}

/// What one repeat has measured.
#[derive(Debug)]
pub struct Load {
    /// Operations answered well within the window.
    pub operations: u64,
    /// Length of the window.
    pub seconds: f64,
    /// From asking to having the answer, in microseconds.
    pub latencies: Histogram<u64>,
    /// Processor time of the servers during the window.
    pub cpu: Duration,
}

impl Load {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    /// A quantile of the latency, in milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        quantile_ms(&self.latencies, quantile)
    }

    /// The same load, where each request asked for so many operations. Latencies stay those of
    /// requests.
    pub fn in_batches_of(self, size: u64) -> Self {
        Self { operations: self.operations * size, ..self }
    }

    /// Milliseconds of processor time that the servers spent on an operation.
    pub fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1_000.0 / self.operations.max(1) as f64
    }
}

/// An empty histogram of microseconds, good to three digits.
pub fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

/// A quantile of a histogram of microseconds, in milliseconds.
pub fn quantile_ms(micros: &Histogram<u64>, quantile: f64) -> f64 {
    micros.value_at_quantile(quantile) as f64 / 1_000.0
}

/// What one client brings home. Plain numbers: a histogram for each of 256 clients would not stay
/// in the processor's cache, and the generator shares the cores with what it measures.
#[derive(Default)]
struct Tally {
    micros: Vec<u32>,
    bad: u64,
    first_bad: Option<String>,
}

/// Lets all clients loop for the plan's time. Fails if any answer was bad, with the first one.
pub async fn closed_loop<C: Client>(
    clients: Vec<C>,
    plan: Plan,
    servers: &CpuMeter,
) -> Result<Load> {
    let from = Instant::now() + plan.warm_up;
    let until = from + plan.window;
    let mut working = JoinSet::new();
    for client in clients {
        working.spawn(work(client, from, until));
    }
    let cpu = cpu_between(servers.clone(), from, until).await?;
    let latest = tokio::time::Instant::from_std(Instant::now() + PATIENCE);
    let tallies = tokio::time::timeout_at(latest, join(working))
        .await
        .context("an answer did not come within 30 s after the end of the load")??;
    summed(tallies, plan.window, cpu)
}

async fn work<C: Client>(mut client: C, from: Instant, until: Instant) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut asked = Instant::now();
    while asked < until {
        let answer = client.once().await?;
        let answered = Instant::now();
        match answer {
            Answer::Good if answered >= from && answered < until => {
                let micros = answered.duration_since(asked).as_micros();
                tally.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            Answer::Good => {}
            Answer::Bad(body) => {
                tally.bad += 1;
                tally.first_bad.get_or_insert(body);
            }
        }
        asked = answered;
    }
    Ok(tally)
}

/// Reads the meter at both ends of the window, on a thread of its own: a walk through /proc takes
/// milliseconds in which the clients' thread would stand still.
async fn cpu_between(servers: CpuMeter, from: Instant, until: Instant) -> Result<Duration> {
    tokio::time::sleep_until(from.into()).await;
    let meter = servers.clone();
    let before = tokio::task::spawn_blocking(move || meter.read()).await??;
    tokio::time::sleep_until(until.into()).await;
    let after = tokio::task::spawn_blocking(move || servers.read()).await??;
    Ok(after.saturating_sub(before))
}

async fn join(mut working: JoinSet<Result<Tally>>) -> Result<Vec<Tally>> {
    let mut tallies = Vec::new();
    while let Some(ended) = working.join_next().await {
        tallies.push(ended??);
    }
    Ok(tallies)
}

fn summed(tallies: Vec<Tally>, window: Duration, cpu: Duration) -> Result<Load> {
    let bad = tallies.iter().map(|tally| tally.bad).sum::<u64>();
    if let Some(first) = tallies.iter().find_map(|tally| tally.first_bad.as_ref()) {
        bail!("{bad} bad answers, the first: {first}");
    }
    let mut latencies = histogram()?;
    for micros in tallies.iter().flat_map(|tally| &tally.micros) {
        latencies.record(u64::from(*micros))?;
    }
    Ok(Load { operations: latencies.len(), seconds: window.as_secs_f64(), latencies, cpu })
}

/// A client that calls a function with its own number (0, 1, …) for each operation.
pub struct Caller<F> {
    number: usize,
    operation: Arc<F>,
}

/// `in_flight` clients that all call this function: how anything asynchronous is put in the loop.
pub fn callers<F, Called>(in_flight: usize, operation: F) -> Vec<Caller<F>>
where
    F: Fn(usize) -> Called + Send + Sync + 'static,
    Called: Future<Output = Result<()>> + Send,
{
    let operation = Arc::new(operation);
    (0..in_flight).map(|number| Caller { number, operation: Arc::clone(&operation) }).collect()
}

impl<F, Called> Client for Caller<F>
where
    F: Fn(usize) -> Called + Send + Sync + 'static,
    Called: Future<Output = Result<()>> + Send,
{
    async fn once(&mut self) -> Result<Answer> {
        Ok(match (self.operation)(self.number).await {
            Ok(()) => Answer::Good,
            Err(error) => Answer::Bad(format!("{error:#}")),
        })
    }
}

/// Runs something on a runtime with a thread for each core, as a server has: what is measured
/// inside this process must not be held to the single thread of the load generator.
pub async fn on_all_cores<W, Working, T>(work: W) -> Result<T>
where
    W: FnOnce() -> Working + Send + 'static,
    Working: Future<Output = Result<T>>,
    T: Send + 'static,
{
    let thread = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(work())
    };
    tokio::task::spawn_blocking(thread).await?
}

/// Repeats a measurement and keeps the repeat with the median rate, whole: its latencies and its
/// costs belong together.
pub fn median(mut loads: Vec<Load>) -> Result<Load> {
    loads.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let middle = loads.len().saturating_sub(1) / 2;
    if loads.is_empty() {
        bail!("nothing was measured");
    }
    Ok(loads.swap_remove(middle))
}
