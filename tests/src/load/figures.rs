//! What was measured, for people and programs.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// How long something took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Quantiles {
    /// Half of all.
    pub p50_ms: f64,
    /// Nine of ten.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Quantiles {
    /// Of times in microseconds.
    pub(super) fn of(micros: impl IntoIterator<Item = u64>) -> Result<Self> {
        let mut histogram: Histogram<u64> = Histogram::new(3)?;
        for time in micros {
            histogram.record(time)?;
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        let max_ms = histogram.max() as f64 / 1_000.0;
        Ok(Self { p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), p999_ms: at(0.999), max_ms })
    }
}

/// What connections cost that are only there.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct IdleFigures {
    /// How many.
    pub connections: usize,
    /// Resident memory of the server before, in bytes.
    pub resident_before: u64,
    /// And with all of them.
    pub resident_after: u64,
    /// The difference, for each.
    pub bytes_each: f64,
    /// Connections that were lost meanwhile.
    pub cuts: u64,
}

impl IdleFigures {
    /// From the server's memory before and after.
    #[must_use]
    pub fn new(connections: usize, before: u64, after: u64, cuts: u64) -> Self {
        let bytes_each = (after as f64 - before as f64) / connections.max(1) as f64;
        Self { connections, resident_before: before, resident_after: after, bytes_each, cuts }
    }
}

/// How things came through.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ActiveFigures {
    /// Players who listened.
    pub players: usize,
    /// Events that were measured, and how many a second that was.
    pub events: u64,
    /// Events a second.
    pub rate: f64,
    /// From asking for it until the player's screen had it: more than commit to receipt, since asking
    /// comes before the commit. Times are not taken between machines: one process asks and receives.
    pub from_request: Quantiles,
    /// From the answer to the request, which tells that it is durable, until the screen had it; 0 where
    /// the screen was told first. Less than commit to receipt by the answer's way.
    pub from_answer: Quantiles,
    /// Events of which the player's screen heard nothing.
    pub lost: u64,
    /// Messages that came more than once.
    pub repeated: u64,
    /// Connections lost.
    pub cuts: u64,
    /// States that came instead of what was missed.
    pub gaps: u64,
}
