//! The role `olap`: feeds ClickHouse as a process of its own, tells whether everything is in, and brings it in line
//! with the log.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use projections::engine::Engine;
use projections::feed::Feed;
use projections::sinks::clickhouse::{
    self, ClickHouse, Completeness, Differences, Repaired, SetAside,
};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;

use super::Olap;
use crate::columns::columns;
use crate::config::Config;
use crate::{database, serve};

/// It could not be told: settings that cannot be used, or one of the databases is away.
pub const COULD_NOT_TELL: u8 = 2;
/// Something is missing, differs or was set aside.
const NOT_THE_SAME: u8 = 1;
/// Connections of this process.
const CONNECTIONS: u32 = 6;
/// The days that there may be.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2106, 1, 1).unwrap();

const EXAMPLES: &str = "\
Examples:
  club olap run                            feed ClickHouse until told to end (service olap_worker)
  club olap status                         how far it is, and whether each event is in
  club olap compare                        the log and ClickHouse by day and type of event
  club olap compare --from 2026-11-01      … of what was recorded since then
  club olap repair --from 2026-11-25 --to 2026-11-25
                                           compare event by event, take out and bring in what differs
  club olap backfill --from-position 1     bring in again whatever is missing from there on, beside the
                                           live traffic
  club olap set-aside                      events that ClickHouse does not take, with the reasons
  club olap status --format json           … for programs

Where ClickHouse is, says CLICKHOUSE_URL: see .env.example.

Exit codes: 0 the same on both sides, 1 something is missing, differs or is set aside, 2 could not tell.";

/// What to do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, Subcommand)]
enum Deed {
    /// Feeds ClickHouse, and ends cleanly on SIGTERM or Ctrl-C
    Run,
    /// Tells how far it is, and whether each event is in, once
    Status {
        #[command(flatten)]
        printing: Printing,
    },
    /// Compares the log with ClickHouse by day and type of event, and each table with the events
    Compare {
        #[command(flatten)]
        days: Days,
        #[command(flatten)]
        printing: Printing,
    },
    /// Compares event by event, and makes ClickHouse say what the log says
    Repair {
        #[command(flatten)]
        days: Days,
        #[command(flatten)]
        printing: Printing,
    },
    /// The same by positions
    Backfill {
        /// The first position
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        from_position: u64,
        /// The last one; as far as ClickHouse has come unless given
        #[arg(long, value_name = "N", default_value_t = u64::MAX)]
        to_position: u64,
        #[command(flatten)]
        printing: Printing,
    },
    /// Lists the events that were set aside
    SetAside {
        #[command(flatten)]
        printing: Printing,
    },
}

/// Which days, in UTC.
#[derive(Debug, Args)]
struct Days {
    /// The first day
    #[arg(long, value_name = "DAY", default_value_t = FIRST_DAY)]
    from: NaiveDate,
    /// The last day
    #[arg(long, value_name = "DAY", default_value_t = LAST_DAY)]
    to: NaiveDate,
}

/// How the answer is printed.
#[derive(Debug, Args)]
struct Printing {
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON value.
    Json,
}

/// Does it, and prints what is to be known.
///
/// # Errors
/// If it could not be told.
pub async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    database::insist_on_migrations(&config.database).await?;
    let pool = database::service_pool(&config.database, CONNECTIONS).await?;
    let olap = Olap::new(&config.olap);
    let clickhouse =
        olap.clickhouse().context("CLICKHOUSE_URL is not set: there is no ClickHouse")?;
    match &arguments.deed {
        Deed::Run => feed(&olap, clickhouse, &pool).await,
        Deed::Status { printing } => {
            let found = clickhouse::completeness(clickhouse, &pool).await?;
            Ok(printing.print(&found, status, found.is_complete() && found.set_aside == 0))
        }
        Deed::Compare { days, printing } => {
            let found = clickhouse::compare(clickhouse, &pool, (days.from, days.to)).await?;
            Ok(printing.print(&found, differences, found.is_none()))
        }
        Deed::Repair { days, printing } => {
            let done = clickhouse::repair(clickhouse, &pool, (days.from, days.to)).await?;
            Ok(printing.print(&done, repaired, done.set_aside == 0))
        }
        Deed::Backfill { from_position, to_position, printing } => {
            let positions = (*from_position, *to_position);
            let done = clickhouse::repair_positions(clickhouse, &pool, positions).await?;
            Ok(printing.print(&done, repaired, done.set_aside == 0))
        }
        Deed::SetAside { printing } => {
            let found = clickhouse::set_aside(&pool).await?;
            Ok(printing.print(found.as_slice(), set_aside, found.is_empty()))
        }
    }
}

async fn feed(olap: &Olap, clickhouse: &ClickHouse, pool: &PgPool) -> anyhow::Result<ExitCode> {
    let (stop, ending) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), ending.clone());
    let follower = engine.clickhouse(clickhouse.clone());
    let counting = tokio::spawn(olap.clone().keep_counting(pool.clone(), ending));
    let signal = serve::ending_signal().await?;
    tracing::info!(
        signal,
        position = follower.position(),
        "ending: the range under way is finished"
    );
    stop.send_replace(true);
    engine.stopped().await;
    counting.await.context("counting did not end")?;
    Ok(ExitCode::SUCCESS)
}

impl Printing {
    fn print<T: Serialize + ?Sized>(
        &self,
        found: &T,
        in_words: impl Fn(&T) -> String,
        is_the_same: bool,
    ) -> ExitCode {
        let text = match self.format {
            Format::Text => in_words(found),
            Format::Json => serde_json::to_string(found).unwrap_or_default(),
        };
        // A reader that has gone (`| head`) does not change the exit code.
        let _ = writeln!(std::io::stdout(), "{text}");
        ExitCode::from(if is_the_same { 0 } else { NOT_THE_SAME })
    }
}

fn status(found: &Completeness) -> String {
    let Completeness { place, distinct, rows, set_aside, .. } = found;
    let verdict = match (found.is_complete(), set_aside) {
        (true, 0) => "each event is in",
        (true, _) => "each event is in or set aside",
        (false, _) => "events are missing: see 'club olap compare'",
    };
    format!(
        "{verdict}\nplace {place} ({}), distinct positions {distinct}, rows {rows}, set aside {set_aside}",
        found.cursor
    )
}

fn differences(found: &Differences) -> String {
    if found.is_none() {
        return "the log and ClickHouse say the same".to_owned();
    }
    let events = found.events.iter().map(|it| ("event", it));
    let rows = events.chain(found.tables.iter().map(|it| ("table", it)));
    let row = |(kind, it): (&str, &clickhouse::Difference)| {
        let (expected, found) = (it.expected.to_string(), it.found.to_string());
        [it.day.to_string(), kind.to_owned(), it.name.clone(), expected, found]
    };
    columns(["DAY", "WHAT", "NAME", "EXPECTED", "FOUND"], rows.map(row).collect()).join("\n")
}

fn repaired(done: &Repaired) -> String {
    let Repaired { compared, taken_out, brought_in, set_aside } = done;
    format!(
        "compared {compared}, taken out {taken_out}, brought in {brought_in}, set aside {set_aside}"
    )
}

fn set_aside(found: &[SetAside]) -> String {
    if found.is_empty() {
        return "nothing is set aside".to_owned();
    }
    let row = |it: &SetAside| {
        let reason = it.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        [it.position.to_string(), it.event_type.clone(), it.set_aside_at.to_rfc3339(), reason]
    };
    columns(["POSITION", "EVENT", "SINCE", "REASON"], found.iter().map(row).collect()).join("\n")
}
