//! What came out: the table for people, the list for programs, and what must be reached.

use std::fs;
use std::path::Path;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::load::{Load, quantile_ms};
use crate::long_log::Reading;

/// The longest that a follower may be behind when the load ends.
const MOST_LAG_MS: f64 = 1_000.0;

/// Cores that others may keep busy before their work is pointed out.
const MOST_NOISE: f64 = 0.2;

/// What an aim is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    /// The value, at least so many times that of a baseline.
    Times(&'static str),
    /// The value, at most so many times that of a baseline: of what is measured in time.
    TimesAtMost(&'static str),
    /// The value, at least.
    Value,
    /// The value, at most: a size.
    AtMost,
    /// The latency at p99 in milliseconds, at most.
    P99,
    /// The latency at p99, at most so many times that of a baseline.
    P99Times(&'static str),
    /// Milliseconds of processor time an operation, at most.
    Cpu,
}

/// What must be reached (or the run fails), and what we aim for (design, section 10).
#[derive(Debug)]
struct Aim {
    name: &'static str,
    of: Of,
    required: Option<f64>,
    goal: Option<f64>,
}

const SINGLE_32: Of = Of::Times("limit_single_insert_32");
const SINGLE_64: Of = Of::Times("limit_single_insert_64");
const STOCK: Of = Of::Times("baseline_cqrs_es_64");
const PURCHASE: Of = Of::Times("purchase_http_spread_32");
const GRANT: Of = Of::Times("grant_http_spread_32");
const HASHING: Of = Of::Times("argon2_alone");
const COPY: Of = Of::Times("limit_copy_out");

/// How long it takes, during `actions_http_batch`, until the read model shows the progress that an
/// action has made.
pub const SHOWN: &str = "actions_shown";

/// A benchmark's first comparison is the one in the table and in the file.
const AIMS: &[Aim] = &[
    aim("append_in_process_64", SINGLE_64, 1.2, 2.0),
    aim("append_in_process_64", STOCK, 6.0, 10.0),
    aim("append_two_nodes_64", Of::Times("append_in_process_64"), 0.5, 0.6),
    aim("grant_http_spread_32", SINGLE_32, 0.75, 1.25),
    goal("grant_http_spread_32", Of::P99, 5.0),
    goal("grant_http_spread_32", Of::Cpu, 0.05),
    aim("grant_http_hot_32", SINGLE_32, 0.85, 1.5),
    aim("purchase_http_spread_32", SINGLE_32, 0.25, 0.45),
    required("purchase_limited_http_32", PURCHASE, 0.4),
    // Its time is the provider's for the greater part: docs/performance.md takes it apart.
    compared("checkout_pending_settled_32", PURCHASE),
    aim("balance_http_32", SINGLE_32, 1.5, 4.5),
    required("grant_batch_50", Of::Times("append_in_process_64"), 1.5),
    goal("grant_batch_50", Of::Value, 55_000.0),
    aim("actions_http_batch", Of::Value, 5_000.0, 20_000.0),
    required(SHOWN, Of::P99, 100.0),
    required("claim_http_32", GRANT, 0.8),
    required("claim_old_account", Of::TimesAtMost("claim_new_account"), 1.2),
    compared("claim_old_account_cold", Of::TimesAtMost("claim_new_account_cold")),
    required("relay_kafka", Of::Value, 20_000.0),
    compared("relay_kafka", Of::Times("limit_kafka_producer")),
    aim("rebuild_all", Of::Value, 100_000.0, 300_000.0),
    aim("verify_chain", COPY, 0.5, 0.6),
    required("olap_backfill", Of::Value, 100_000.0),
    compared("olap_backfill", Of::Times("limit_clickhouse_insert")),
    required("olap_visible", Of::P99, 2_000.0),
    goal("live_idle_10000", Of::AtMost, 12_000.0),
    compared("live_idle_10000", Of::TimesAtMost("limit_websocket_idle_10000")),
    aim("live_active_1000", Of::P99, 50.0, 10.0),
    compared("live_active_1000", Of::TimesAtMost("limit_websocket_echo_1000")),
    required("live_slow_readers", Of::P99Times("live_quick_readers"), 2.0),
    compared("rebuild_all", COPY),
    // Nearly all of both is hashing: what is missing to 1 is all the rest.
    compared("register_http_32", HASHING),
    compared("login_http_32", HASHING),
    compared("refresh_http_32", SINGLE_32),
    compared("purchase_http_hot_32", SINGLE_32),
    compared("grant_http_spread_1", SINGLE_32),
    compared("grant_http_spread_64", SINGLE_32),
    compared("grant_http_spread_256", SINGLE_32),
    compared("purchase_http_spread_1", SINGLE_32),
    compared("purchase_http_spread_64", SINGLE_32),
    compared("purchase_http_spread_256", SINGLE_32),
];

const fn aim(name: &'static str, of: Of, required: f64, goal: f64) -> Aim {
    Aim { name, of, required: Some(required), goal: Some(goal) }
}

const fn required(name: &'static str, of: Of, required: f64) -> Aim {
    Aim { name, of, required: Some(required), goal: None }
}

const fn goal(name: &'static str, of: Of, goal: f64) -> Aim {
    Aim { name, of, required: None, goal: Some(goal) }
}

const fn compared(name: &'static str, of: Of) -> Aim {
    Aim { name, of, required: None, goal: None }
}

/// What a benchmark is compared with.
pub fn baselines(name: &str) -> impl Iterator<Item = &'static str> {
    AIMS.iter().filter(move |aim| aim.name == name).filter_map(|aim| match aim.of {
        Of::Times(baseline) | Of::TimesAtMost(baseline) => Some(baseline),
        Of::Value | Of::AtMost | Of::P99 | Of::P99Times(_) | Of::Cpu => None,
    })
}

/// The figures of one benchmark.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    value: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
    cpu_ms: Option<f64>,
    lag_ms: Option<f64>,
}

impl From<&Load> for Measured {
    fn from(load: &Load) -> Self {
        Self {
            value: load.rate(),
            p50_ms: Some(load.latency_ms(0.5)),
            p99_ms: Some(load.latency_ms(0.99)),
            p999_ms: Some(load.latency_ms(0.999)),
            cpu_ms: Some(load.cpu_ms()),
            lag_ms: None,
        }
    }
}

impl From<&Reading> for Measured {
    fn from(reading: &Reading) -> Self {
        Self {
            value: reading.rate(),
            p50_ms: None,
            p99_ms: None,
            p999_ms: None,
            cpu_ms: Some(reading.cpu_ms()),
            lag_ms: None,
        }
    }
}

impl Measured {
    /// Times in microseconds. Their median is the value.
    pub fn of_times(micros: &Histogram<u64>) -> Self {
        Self {
            value: quantile_ms(micros, 0.5),
            p50_ms: Some(quantile_ms(micros, 0.5)),
            p99_ms: Some(quantile_ms(micros, 0.99)),
            p999_ms: Some(quantile_ms(micros, 0.999)),
            cpu_ms: None,
            lag_ms: None,
        }
    }

    /// Times that were put together elsewhere. Their median is the value.
    pub fn of_quantiles(p50_ms: f64, p99_ms: f64, p999_ms: f64) -> Self {
        let (p50_ms, p99_ms, p999_ms) = (Some(p50_ms), Some(p99_ms), Some(p999_ms));
        Self { value: p50_ms.unwrap_or(0.0), p50_ms, p99_ms, p999_ms, cpu_ms: None, lag_ms: None }
    }

    /// A size.
    pub fn of_bytes(value: f64) -> Self {
        Self { value, p50_ms: None, p99_ms: None, p999_ms: None, cpu_ms: None, lag_ms: None }
    }

    /// With the lag of the follower that was furthest behind.
    pub fn lagging(self, lag_ms: f64) -> Self {
        Self { lag_ms: Some(lag_ms), ..self }
    }
}

/// What one benchmark has measured.
#[derive(Debug)]
pub struct Outcome {
    /// What it is about.
    pub own: Measured,
    /// What was measured by the way, in the order in which it is shown.
    pub beside: Vec<Beside>,
}

impl From<Measured> for Outcome {
    fn from(own: Measured) -> Self {
        Self { own, beside: vec![] }
    }
}

/// Something with a name of its own that was measured during another benchmark.
#[derive(Debug)]
pub struct Beside {
    /// Kept, as names of benchmarks are.
    pub name: &'static str,
    /// Of its value.
    pub unit: &'static str,
    /// Its figures.
    pub measured: Measured,
}

/// One benchmark's place in the report.
#[derive(Debug)]
struct Row {
    name: &'static str,
    unit: &'static str,
    measured: Option<Measured>,
    /// Cores that processes other than ours have kept busy meanwhile.
    others: f64,
}

impl Row {
    /// Rates are large numbers, times small ones.
    fn value(&self, Measured { value, .. }: Measured) -> String {
        if self.unit == "ms" { decimals(Some(value), 2) } else { thousands(value) }
    }
}

/// What a program reads, a benchmark an entry.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
    cpu_ms: Option<f64>,
    baseline: Option<&'static str>,
    ratio: Option<f64>,
}

/// Everything that was measured in a run.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    /// What went wrong, in sentences. Any of them fails the run.
    failures: Vec<String>,
}

impl Report {
    /// Takes a benchmark's figures, or why there are none.
    pub fn add(
        &mut self,
        name: &'static str,
        unit: &'static str,
        outcome: Result<Outcome>,
        others: f64,
    ) {
        let (measured, beside) = match outcome {
            Ok(Outcome { own, beside }) => (Some(own), beside),
            Err(error) => {
                self.failures.push(format!("{name} failed: {error:#}"));
                (None, vec![])
            }
        };
        self.insist_on_followers(name, measured);
        self.rows.push(Row { name, unit, measured, others });
        for Beside { name, measured, .. } in &beside {
            self.insist_on_followers(name, Some(*measured));
        }
        self.rows.extend(beside.into_iter().map(|Beside { name, unit, measured }| Row {
            name,
            unit,
            measured: Some(measured),
            others,
        }));
    }

    fn insist_on_followers(&mut self, name: &str, measured: Option<Measured>) {
        let lag_ms = measured.and_then(|measured| measured.lag_ms);
        if let Some(lag_ms) = lag_ms.filter(|lag_ms| *lag_ms > MOST_LAG_MS) {
            self.failures.push(format!("{name}: a follower was {lag_ms:.0} ms behind at the end"));
        }
    }

    /// Prints both tables and what went wrong. Returns whether all that is required was reached.
    pub fn print(&self) -> bool {
        println!("\n{}", aligned(&self.figures()));
        let (aims, missed) = self.aims();
        if aims.len() > 1 {
            println!("{}", aligned(&aims));
        }
        let most = self.rows.iter().map(|row| row.others).fold(0.0, f64::max);
        if most > MOST_NOISE {
            println!(
                "NOISY   other processes kept up to {most:.1} cores busy; measure again alone"
            );
        }
        for failure in &self.failures {
            println!("FAILED  {failure}");
        }
        missed == 0 && self.failures.is_empty()
    }

    /// Writes the list for programs.
    pub fn write(&self, file: &Path) -> Result<()> {
        let entries = self.rows.iter().map(|row| self.entry(row)).collect::<Vec<_>>();
        fs::write(file, serde_json::to_string_pretty(&entries)? + "\n")?;
        Ok(())
    }

    /// Whether this benchmark's figures are there.
    pub fn has(&self, name: &str) -> bool {
        self.measured(name).is_some()
    }

    fn measured(&self, name: &str) -> Option<Measured> {
        self.rows.iter().find(|row| row.name == name)?.measured
    }

    /// How many times the value of its first baseline.
    fn ratio(&self, name: &str) -> (Option<&'static str>, Option<f64>) {
        let baseline = baselines(name).next();
        let ratio = baseline.and_then(|baseline| self.times(name, baseline));
        (baseline, ratio)
    }

    fn times(&self, name: &str, baseline: &str) -> Option<f64> {
        Some(self.measured(name)?.value / self.measured(baseline)?.value)
    }

    fn entry(&self, row: &Row) -> Entry {
        let (baseline, ratio) = self.ratio(row.name);
        Entry {
            name: row.name,
            unit: row.unit,
            value: row.measured.map(|figures| figures.value),
            p50_ms: row.measured.and_then(|figures| figures.p50_ms),
            p99_ms: row.measured.and_then(|figures| figures.p99_ms),
            p999_ms: row.measured.and_then(|figures| figures.p999_ms),
            cpu_ms: row.measured.and_then(|figures| figures.cpu_ms),
            baseline,
            ratio,
        }
    }

    fn figures(&self) -> Vec<Vec<String>> {
        let head = [
            "benchmark",
            "value",
            "unit",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "cpu ms",
            "lag_ms",
            "others",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines[0].extend(["ratio", "to"].map(str::to_owned));
        for row in &self.rows {
            let (baseline, ratio) = self.ratio(row.name);
            let Some(figures) = row.measured else {
                lines.push(vec![row.name.to_owned(), "failed".to_owned(), row.unit.to_owned()]);
                continue;
            };
            lines.push(vec![
                row.name.to_owned(),
                row.value(figures),
                row.unit.to_owned(),
                decimals(figures.p50_ms, 2),
                decimals(figures.p99_ms, 2),
                decimals(figures.p999_ms, 2),
                decimals(figures.cpu_ms, 4),
                decimals(figures.lag_ms, 0),
                decimals(Some(row.others), 1),
                decimals(ratio, 2),
                baseline.unwrap_or_default().to_owned(),
            ]);
        }
        lines
    }

    /// The lines of the second table, and how many required figures were not reached.
    fn aims(&self) -> (Vec<Vec<String>>, usize) {
        let head = ["what", "measured", "required", "", "goal", ""];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        let mut missed = 0;
        for aim in AIMS.iter().filter(|aim| aim.goal.or(aim.required).is_some()) {
            let Some(measured) = self.against(aim) else { continue };
            let reached = |bound: f64| match aim.of {
                Of::Times(_) | Of::Value => measured >= bound,
                Of::TimesAtMost(_) | Of::AtMost | Of::P99 | Of::P99Times(_) | Of::Cpu => {
                    measured <= bound
                }
            };
            let mark = |bound: Option<f64>, not: &str| match bound.map(reached) {
                Some(true) => "ok".to_owned(),
                Some(false) => not.to_owned(),
                None => String::new(),
            };
            missed += usize::from(aim.required.is_some_and(|bound| !reached(bound)));
            lines.push(vec![
                aim.describe(),
                figure(measured),
                aim.required.map(figure).unwrap_or_default(),
                mark(aim.required, "MISSED"),
                aim.goal.map(figure).unwrap_or_default(),
                mark(aim.goal, "not yet"),
            ]);
        }
        (lines, missed)
    }

    fn against(&self, aim: &Aim) -> Option<f64> {
        match aim.of {
            Of::Times(baseline) | Of::TimesAtMost(baseline) => self.times(aim.name, baseline),
            Of::Value | Of::AtMost => Some(self.measured(aim.name)?.value),
            Of::P99Times(baseline) => {
                Some(self.measured(aim.name)?.p99_ms? / self.measured(baseline)?.p99_ms?)
            }
            Of::P99 => self.measured(aim.name)?.p99_ms,
            Of::Cpu => self.measured(aim.name)?.cpu_ms,
        }
    }
}

impl Aim {
    fn describe(&self) -> String {
        match self.of {
            Of::Times(baseline) => format!("{} / {baseline}, at least", self.name),
            Of::TimesAtMost(baseline) => format!("{} / {baseline}, at most", self.name),
            Of::Value => format!("{}, at least", self.name),
            Of::AtMost => format!("{}, at most", self.name),
            Of::P99 => format!("{} p99 ms, at most", self.name),
            Of::P99Times(baseline) => format!("{} / {baseline} p99, at most", self.name),
            Of::Cpu => format!("{} cpu ms, at most", self.name),
        }
    }
}

fn figure(value: f64) -> String {
    if value >= 1_000.0 { thousands(value) } else { format!("{value:.3}") }
}

fn decimals(value: Option<f64>, places: usize) -> String {
    value.map(|value| format!("{value:.places$}")).unwrap_or_default()
}

/// 24816.3 as 24,816.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns as wide as their widest cell: words to the left, figures to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |line: usize, column: usize| lines[line].get(column).map_or("", String::as_str);
    let mut text = String::new();
    for line in 0..lines.len() {
        let mut written = String::new();
        for column in 0..columns {
            let width = (0..lines.len()).map(|l| cell(l, column).chars().count()).max();
            let width = width.unwrap_or(0);
            let words = (1..lines.len()).any(|l| cell(l, column).starts_with(char::is_alphabetic));
            let cell = cell(line, column);
            written +=
                &if words { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        text += written.trim_end();
        text.push('\n');
    }
    text
}
