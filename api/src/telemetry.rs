//! Log lines on standard error, and the recorder behind `/metrics`.

use std::io::IsTerminal;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Upper bounds of the classes of durations, in seconds.
const DURATION_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Libraries that tell at finer levels what they carry: statements with their parameters, bodies, headers.
/// That is about people, so it is never logged, whatever the filter says.
const CARRIERS: [&str; 10] = [
    "tokio_postgres",
    "sqlx",
    "hyper",
    "hyper_util",
    "h2",
    "tungstenite",
    "tokio_tungstenite",
    "reqwest",
    "lettre",
    "rustls",
];

/// Starts logging. Once a process.
///
/// # Errors
/// If the filter cannot be read or logging has been started before.
pub fn start_logging(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter)
        .context("RUST_LOG cannot be read: expected a filter such as info or api=debug")?;
    let filter = CARRIERS.iter().try_fold(filter, |filter, carrier| {
        anyhow::Ok(filter.add_directive(format!("{carrier}=info").parse()?))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.compact().with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

/// Starts recording metrics. Once a process.
///
/// # Errors
/// If another recorder has been installed before.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
        .install_recorder()
        .context("metrics cannot be recorded")
}
