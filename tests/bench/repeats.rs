//! The repeats of a benchmark: shown as they come, and the median of them.

use anyhow::{Context, Result};

use crate::load::{Load, median};
use crate::long_log::Reading;
use crate::report::{Measured, thousands};

/// One repeat, and the lag of the follower that was furthest behind at its end, in milliseconds.
pub type Followed = (Load, f64);

/// Loads, so far.
pub struct Repeats {
    name: &'static str,
    loads: Vec<Load>,
    /// Where there are followers.
    most_lag_ms: Option<f64>,
}

impl Repeats {
    /// None yet, of the benchmark with this name.
    pub fn of(name: &'static str) -> Self {
        Self { name, loads: Vec::new(), most_lag_ms: None }
    }

    /// One more.
    pub fn add(&mut self, load: Load) {
        let (name, number) = (self.name, self.loads.len() + 1);
        let (rate, p99) = (thousands(load.rate()), load.latency_ms(0.99));
        eprintln!("{name} {number}: {rate}/s, p99 {p99:.2} ms, cpu {:.4} ms", load.cpu_ms());
        self.loads.push(load);
    }

    /// One more, with followers.
    pub fn add_followed(&mut self, (load, lag_ms): Followed) {
        self.most_lag_ms = Some(self.most_lag_ms.unwrap_or(0.0).max(lag_ms));
        self.add(load);
    }

    /// The median, with the most lag of all.
    pub fn measured(self) -> Result<Measured> {
        let measured = Measured::from(&median(self.loads)?);
        Ok(self.most_lag_ms.map_or(measured, |lag_ms| measured.lagging(lag_ms)))
    }
}

/// Readings of the long log, so far.
pub struct Readings {
    name: &'static str,
    readings: Vec<Reading>,
}

impl Readings {
    /// None yet, of the benchmark with this name.
    pub fn of(name: &'static str) -> Self {
        Self { name, readings: Vec::new() }
    }

    /// One more.
    pub fn add(&mut self, reading: Reading) {
        let (name, number) = (self.name, self.readings.len() + 1);
        eprintln!("{name} {number}: {}/s", thousands(reading.rate()));
        self.readings.push(reading);
    }

    /// The median.
    pub fn measured(mut self) -> Result<Measured> {
        self.readings.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
        let middle = self.readings.len().saturating_sub(1) / 2;
        Ok(Measured::from(self.readings.get(middle).context("nothing was measured")?))
    }
}
