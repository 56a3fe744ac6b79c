//! The service. One program, several roles: see `club --help`.

mod app;
mod auth;
mod body;
mod config;
mod database;
mod edge;
mod error;
mod live;
mod payments;
mod positions;
mod reads;
mod request;
mod routes;
mod seed;
mod serve;
mod telemetry;
mod webhooks;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::{Config, Variables};

const EXAMPLES: &str = "\
Examples:
  club migrate                     make or update the tables (as DATABASE_OWNER_URL)
  club seed                        demo data: 24 users, 13 products, 2 packages, a promotion
  club seed --players 1000         and bench0001 … bench1000 for load tests
  club serve                       listen on CLUB_LISTEN (default 127.0.0.1:8000)
  CLUB_LISTEN=127.0.0.1:0 club serve      … on any free port
  club openapi > api/openapi.json

Everything is set from the environment: see .env.example.";

/// An event-sourced game club.
#[derive(Debug, Parser)]
#[command(name = "club", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Makes or updates the database's tables.
    Migrate,
    /// Brings demo data in; what is there already stays. Refused in production.
    Seed {
        /// Players for load tests: bench0001 and so on, password bench-password.
        #[arg(long, value_name = "N", default_value_t = 0)]
        players: u32,
    },
    /// Answers requests, runs the followers, and ends cleanly on SIGTERM or Ctrl-C.
    Serve,
    /// Prints the description of the HTTP interface.
    Openapi,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("club: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(role: Role) -> anyhow::Result<()> {
    if let Role::Openapi = role {
        return Ok(writeln!(std::io::stdout(), "{}", routes::document()?)?);
    }
    let config = Config::read(&Variables::of_process())?;
    telemetry::start_logging(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match role {
            Role::Migrate => {
                let run = database::migrate(&config.database).await?;
                tracing::info!(run, "the tables are up to date");
                Ok(())
            }
            Role::Seed { players } => seed::run(&config, players).await,
            Role::Serve => serve::run(config).await,
            Role::Openapi => Ok(()),
        }
    })
}
