//! The role `invites`: who runs the club lets the first people in, before anybody can sign in and do so
//! at the console, and closes what is open too wide.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use commands::clock::SystemClock;
use commands::invites::{CreatedInvite, InviteNow};
use commands::{Caller, Commands, Failure};
use domain::id::InviteCode;
use domain::invite::{InviteRefusal, InviteTerms};
use tokio::sync::watch;

use crate::app;
use crate::auth::sign_in::rfc3339;
use crate::config::Config;
use crate::database;

/// It could not be tried: settings that cannot be used, or no database.
pub const COULD_NOT_TRY: u8 = 2;
/// It was not done: the code is unknown, or has other terms.
const NOT_DONE: u8 = 1;
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  club invites create --max-uses 1                   a code for one person, made up and printed
  club invites create HALL-2026 --expires-at 2026-12-31T00:00:00Z
  club invites deactivate HALL-2026                  nobody comes in with it any more

Running it again does nothing. All invites are listed at /api/admin/invites.

Exit codes: 0 done, 1 not done (the code is unknown, or has other terms), 2 could not try (arguments,
settings, database).";

/// What to do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, Subcommand)]
enum Deed {
    /// Makes an invite, and prints its code
    Create {
        /// Capital letters, digits, - and _; made up unless given
        code: Option<InviteCode>,
        /// How many may come in with it; any number unless given
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        max_uses: Option<u32>,
        /// The first moment at which nobody does; never unless given
        #[arg(long, value_name = "TIME")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Closes an invite
    Deactivate {
        /// Which
        code: InviteCode,
    },
}

/// Does it, and prints what is to be known.
///
/// # Errors
/// If it could not be tried.
pub async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    database::insist_on_migrations(&config.database).await?;
    let pool = database::service_pool(&config.database, 2).await?;
    // Nobody sends messages to this process.
    let (_, nowhere) = watch::channel(None);
    let commands = app::start_commands(config, &pool, Arc::new(SystemClock), nowhere).await?;
    let done = done(&commands, &arguments.deed).await;
    let closed = tokio::time::timeout(CLOSE_PATIENCE, commands.bus.close()).await;
    closed.context("the log did not take everything in time: run it again")?;
    match done {
        Ok(text) => {
            // A reader that has gone (`| head`) does not change the exit code.
            let _ = writeln!(std::io::stdout(), "{text}");
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Refused { refusal, .. }) => {
            eprintln!("club: {refusal}");
            Ok(ExitCode::from(NOT_DONE))
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn done(commands: &Commands, deed: &Deed) -> Result<String, Failure<InviteRefusal>> {
    let caller = Caller::system("invites");
    match *deed {
        Deed::Create { code, max_uses, expires_at } => {
            let terms = InviteTerms { max_uses, expires_at };
            let created = commands.create_invite(&caller, code, terms).await?;
            let (CreatedInvite::New(invite) | CreatedInvite::Known(invite)) = created.body;
            Ok(invite.code.to_string())
        }
        Deed::Deactivate { code } => {
            let InviteNow { deactivated_at, uses, .. } =
                commands.deactivate_invite(&caller, code).await?.body;
            let since = deactivated_at.map(rfc3339).unwrap_or_default();
            Ok(format!("{code} is closed since {since}; {uses} came in with it"))
        }
    }
}
