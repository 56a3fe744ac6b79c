//! The service. One program, several roles: see `club --help`.

mod app;
mod auth;
mod body;
mod columns;
mod config;
mod database;
mod edge;
mod error;
mod exports;
mod faults;
mod game;
mod invites;
mod keys;
mod limits;
mod live;
mod mail;
mod olap;
mod payments;
mod positions;
mod reads;
mod reconcile;
mod relay;
mod request;
mod routes;
mod schemas;
mod seed;
mod serve;
mod services;
mod telemetry;
mod webhooks;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::{Config, GameConfig, Variables};

const EXAMPLES: &str = "\
Examples:
  club migrate                     make or update the tables (as DATABASE_OWNER_URL)
  club seed                        demo data: 24 users, 13 products, 2 packages, a promotion
  club seed --players 1000         and bench0001 … bench1000 for load tests
  club serve                       listen on CLUB_LISTEN (default 127.0.0.1:8000)
  CLUB_LISTEN=127.0.0.1:0 club serve      … on any free port
  club relay                       publish every event to Kafka (KAFKA_BROKERS); serve does it, too
  club game                        a demo game server, as somebody else's (never in production)
  club openapi > api/openapi.json
  club schemas --write             bring the schemas of events in docs/events up to the code
  club reconcile                   compare the payment provider's books with the log
  club reconcile --repair          … and bring the log in line where it can be
  club invites create --max-uses 1                 a code to sign up with; prints it
  club services add game-eu --scope actions:*      let a game server in; prints its secret
  club olap run                    feed ClickHouse as a process of its own
  club olap status                 whether each event is in ClickHouse, once
  club keys rotate                 another key signs access tokens, without anybody noticing

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
    /// A demo game server: decides one free game and reports it to the club, which it knows only by
    /// HTTP. Refused in production.
    Game,
    /// Publishes every event to Kafka, and does nothing else.
    Relay,
    /// Shows or writes the schemas of published events.
    Schemas(schemas::Arguments),
    /// Prints the description of the HTTP interface.
    Openapi,
    /// Prints the schema of the live feed's messages.
    Asyncapi,
    /// Compares all records of the payment provider with the log, and reports every difference.
    Reconcile(reconcile::Arguments),
    /// Makes and closes codes with which people may sign up.
    Invites(invites::Arguments),
    /// Lets game servers and other programs in, changes their secrets, and takes them out.
    Services(services::Arguments),
    /// Feeds ClickHouse, compares it with the log, and repairs it.
    Olap(olap::Arguments),
    /// Shows and changes the keys that sign access tokens.
    Keys(keys::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failed = match arguments.role {
        Role::Reconcile(_) => ExitCode::from(reconcile::COULD_NOT_SEE),
        Role::Services(_) => ExitCode::from(services::COULD_NOT_TRY),
        Role::Invites(_) => ExitCode::from(invites::COULD_NOT_TRY),
        Role::Keys(_) => ExitCode::from(keys::COULD_NOT_TRY),
        Role::Olap(_) => ExitCode::from(olap::COULD_NOT_TELL),
        _ => ExitCode::FAILURE,
    };
    match run(arguments.role) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("club: {error:#}");
            failed
        }
    }
}

fn run(role: Role) -> anyhow::Result<ExitCode> {
    match role {
        Role::Openapi => {
            writeln!(std::io::stdout(), "{}", routes::document()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Role::Schemas(arguments) => schemas::run(&arguments),
        Role::Asyncapi => {
            writeln!(std::io::stdout(), "{}", live::document()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Role::Game => run_game(),
        role => run_on_the_log(role),
    }
}

/// The role that does not know the database.
fn run_game() -> anyhow::Result<ExitCode> {
    let config = GameConfig::read(&Variables::of_process())?;
    telemetry::start_logging(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(game::run(config))?;
    Ok(ExitCode::SUCCESS)
}

fn run_on_the_log(role: Role) -> anyhow::Result<ExitCode> {
    let config = Config::read(&Variables::of_process())?;
    telemetry::start_logging(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match role {
            Role::Migrate => {
                let run = database::migrate(&config.database).await?;
                tracing::info!(run, "the tables are up to date");
            }
            Role::Seed { players } => seed::run(&config, players).await?,
            Role::Serve => serve::run(config).await?,
            Role::Relay => relay::run(config).await?,
            Role::Openapi | Role::Asyncapi | Role::Game | Role::Schemas(_) => {}
            Role::Reconcile(arguments) => return reconcile::run(&config, &arguments).await,
            Role::Services(arguments) => return services::run(&config, &arguments).await,
            Role::Invites(arguments) => return invites::run(&config, &arguments).await,
            Role::Olap(arguments) => return olap::run(&config, &arguments).await,
            Role::Keys(arguments) => return keys::run(&config, &arguments).await,
        }
        Ok(ExitCode::SUCCESS)
    })
}
