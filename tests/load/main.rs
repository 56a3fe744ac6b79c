//! `live-load`: load on the live feed of a running club. See `--help`.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and sizes for people; no money is counted here"
)]

mod options;
mod progress;
mod sessions;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::Serialize;
use tests::load::{
    Active, ActiveFigures, Club, Idle, IdleFigures, Member, Plan, listener, open_files, resident,
};

use options::{Format, Options};
use progress::Progress;
use sessions::{Company, company};

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<IdleFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<ActiveFigures>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(run(&options)));
    match done {
        Ok(report) => {
            show(&report, options.format);
            if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: &Options) -> Result<Report> {
    let at = options.server()?;
    ensure!(options.idle + options.active > 0, "nothing to do: see --idle and --active");
    open_files(options.idle + options.active)?;
    let progress = Progress::new(!options.quiet);
    let club = Club::at(at);
    let Company { staff, players } = company(&club, options, &progress).await?;
    let (active, onlookers) = players.split_at(options.active);
    let mut report = Report::default();
    if options.only_sign_in {
        return Ok(report);
    }
    let idle = match options.idle {
        0 => None,
        count => Some(idle(&club, onlookers, count, options, &progress, &mut report).await?),
    };
    if options.active > 0 {
        report.active = Some(play((&club, &staff), active, options, &progress).await?);
    }
    if let (Some(idle), Some(figures)) = (idle, &mut report.idle) {
        figures.cuts = idle.cuts();
    }
    progress.end();
    Ok(report)
}

/// Opens the idle connections, and measures what they cost.
async fn idle(
    club: &Club,
    members: &[Member],
    count: usize,
    options: &Options,
    progress: &Progress,
    report: &mut Report,
) -> Result<Idle> {
    let server = match options.server_pid {
        Some(server) => server,
        None => listener(club.at.port())?,
    };
    tokio::time::sleep(options.rest()).await;
    let before = resident(server)?;
    let tell = |n| progress.show("idle connections", n, count);
    let idle = Idle::open(club, members, count, tell).await?;
    tokio::time::sleep(options.rest()).await;
    report.idle = Some(IdleFigures::new(count, before, resident(server)?, idle.cuts()));
    Ok(idle)
}

async fn play(
    (club, staff): (&Club, &Member),
    players: &[Member],
    options: &Options,
    progress: &Progress,
) -> Result<ActiveFigures> {
    let tell = |n| progress.show("players who listen", n, players.len());
    let mut active = Active::listen(club, staff, players, tell).await?;
    let plan = Plan { rate: options.rate, warm_up: options.warm_up(), window: options.window() };
    let whole = (plan.warm_up + plan.window).as_secs();
    let tell = |left: u64| {
        let [gone, whole] = [whole - left, whole].map(|n| usize::try_from(n).unwrap_or(0));
        progress.show("seconds of play", gone, whole);
    };
    active.run(plan, None, tell).await
}

impl Report {
    /// Whether everything came through, once.
    fn is_whole(&self) -> bool {
        self.active.is_none_or(|it| it.lost == 0 && it.repeated == 0)
    }
}

fn show(report: &Report, format: Format) {
    if format == Format::Json {
        // Numbers always have a JSON form.
        println!("{}", serde_json::to_string_pretty(report).unwrap_or_default());
        return;
    }
    if let Some(idle) = &report.idle {
        let (before, after) = (idle.resident_before as f64 / 1e6, idle.resident_after as f64 / 1e6);
        println!("idle connections   {}", idle.connections);
        println!("  server's memory  {before:.1} MB before, {after:.1} MB with them");
        println!("  for each         {:.1} kB", idle.bytes_each / 1e3);
        println!("  lost meanwhile   {}", idle.cuts);
    }
    if let Some(active) = &report.active {
        println!("active players     {}", active.players);
        println!("  events           {} ({:.0} a second)", active.events, active.rate);
        for (name, it) in [("request", active.from_request), ("answer ", active.from_answer)] {
            println!(
                "  from {name}     p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms",
                it.p50_ms, it.p90_ms, it.p99_ms, it.p999_ms, it.max_ms
            );
        }
        println!("  lost {}, repeated {}", active.lost, active.repeated);
        println!("  connections lost {}, states instead of events {}", active.cuts, active.gaps);
    }
}
