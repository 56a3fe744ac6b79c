//! The auditor's command line: proves the log, rebuilds what follows it, explains a state.
//!
//! Reads the database alone: it needs no running server, and none of the code that writes.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests may"))]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sqlx::PgPool;

mod connect;
mod outcome;
mod progress;
mod rebuild;
mod state;
mod status;
mod verify;

use outcome::{Format, Outcome};

const EXAMPLES: &str = "\
Examples:
  replay verify                         prove the whole log and the read models
  replay verify --place 1042-9f86d081884c7d65
                                        ... and that a place noted earlier is still in it
  replay rebuild                        build the read models anew, beside the live ones
  replay state account 23               what the account of player 23 is, as its events tell
  replay state account 23 --at 1000     ... what it was at position 1000
  replay state package WEEKEND_STARTER  ... what of it is held, for which purchases, and sold
  replay state activity 23              how far player 23 is with missions and events
  replay state mission_board board      all missions
  replay state live_event 1             event 1: terms, status, seats
  replay status --format json           head of the log, followers and their lag

Exit codes: 0 clean, 1 findings, 2 usage, 3 could not see everything or reach the database.";

/// Proves that every number follows from the log, and that nobody has changed it.
#[derive(Debug, Parser)]
#[command(name = "replay", version, after_help = EXAMPLES)]
struct Arguments {
    /// Where the log is; without it, the file `.local/postgres/url` is looked for from here upwards
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// How answers are printed
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
    /// Show progress on stderr even when it is not a terminal
    #[arg(long, global = true)]
    progress: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the whole log, and that the read models show what it tells
    Verify(verify::Arguments),
    /// Build the read models anew from the log, without downtime, and promote them
    Rebuild(rebuild::Arguments),
    /// Print what a stream's events make of it
    State(state::Arguments),
    /// Print the head of the log, and how far each follower is
    Status,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let format = arguments.format;
    match run(arguments).await {
        Ok(outcome) => outcome.print(format),
        Err(error) => {
            // A closed stderr cannot be told about.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("replay: {error:#}\n").as_bytes(),
            );
            ExitCode::from(outcome::COULD_NOT_SEE)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    let to_write = matches!(arguments.command, Command::Rebuild(_));
    let pool: PgPool = connect::connect(arguments.database_url.as_deref(), to_write).await?;
    let show = progress::Show::new(arguments.progress);
    match arguments.command {
        Command::Verify(arguments) => verify::run(&pool, &arguments, show).await,
        Command::Rebuild(arguments) => rebuild::run(&pool, &arguments, show).await,
        Command::State(arguments) => state::run(&pool, &arguments).await,
        Command::Status => status::run(&pool).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
