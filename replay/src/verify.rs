//! `replay verify`

use std::fmt::Write;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use domain::stored::Cursor;
use projections::verify::{ReadModels, Report, verify};
use serde_json::json;
use sqlx::PgPool;

use crate::outcome::{CLEAN, FINDINGS, Outcome};
use crate::progress::Show;

/// What to verify, beyond everything.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A place noted earlier (`cursor` of an answer of `verify`) that must still be in the log;
    /// may be given several times
    #[arg(long = "place", value_name = "CURSOR")]
    places: Vec<Cursor>,
}

/// Reads and checks everything.
pub async fn run(pool: &PgPool, arguments: &Arguments, show: Show) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let report = verify(pool, &arguments.places, show.of("verifying"))
        .await
        .context("nothing is proven: not everything could be seen; put that right and try again")?;
    let seconds = started.elapsed().as_secs_f64();
    let code = if report.is_clean() { CLEAN } else { FINDINGS };
    Ok(Outcome { text: text(&report, seconds), json: json!(report), code })
}

fn text(report: &Report, seconds: f64) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for finding in &report.findings {
        let check = serde_json::to_value(finding.check).unwrap_or_default();
        let check = check.as_str().unwrap_or_default();
        let _ = writeln!(text, "position {}: {check}: {}", finding.position, finding.message);
    }
    let told = report.findings.len() as u64;
    if report.finding_count > told {
        let _ = writeln!(text, "and {} more", report.finding_count - told);
    }
    let _ = match report.read_models {
        ReadModels::Compared { position } => {
            writeln!(text, "read models: compared with the log at position {position}")
        }
        ReadModels::NotCompared { reason } => {
            writeln!(text, "read models: not compared: {reason}")
        }
    };
    let verdict = match report.finding_count {
        0 => "clean".to_owned(),
        count => format!("{count} findings"),
    };
    let _ = writeln!(
        text,
        "{verdict}: {} events of {} streams, up to the place {}, in {seconds:.1} s",
        report.events, report.streams, report.cursor
    );
    text
}
