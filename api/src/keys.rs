//! The role `keys`: who runs the club looks at the keys that sign access tokens, and changes them.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use commands::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::auth::sign_in::rfc3339;
use crate::auth::signing::{Key, NotDone, Phase, Register, Ring, Rotation};
use crate::columns::columns;
use crate::config::{Config, Unsafe};
use crate::database;

/// It could not be tried: settings that cannot be used, or no database.
pub const COULD_NOT_TRY: u8 = 2;
/// It was not done: the key is unknown, or is the only one that signs.
const NOT_DONE: u8 = 1;

const EXAMPLES: &str = "\
Examples:
  club keys list                          which key signs, which is next, which verify
  club keys list --format json            ... for programs
  club keys rotate                        publish another key; it signs in 6 minutes, and the present
                                          one verifies for 16 minutes more
  club keys rotate --now                  for one that leaked: another signs at once, and nothing that
                                          the others have signed is believed any more
  club keys retire 1f0c6be2a94d7e5380     believe nothing any more that this one has signed

Every node follows within seconds, without a restart. Keys change by themselves every
CLUB_SIGNING_KEY_DAYS (default 90). They are made of CLUB_SIGNING_KEY, so set it as the service has it.
To change that setting, run 'club keys rotate' with the new one, wait until 'club keys list' says that its
key signs, and start the nodes anew with it within 15 minutes.

'rotate' does nothing while a key is on its way; 'retire' may be repeated. 'rotate --now' may not: each time
makes a key and ends all others. Players whose tokens end get new ones by their refresh tokens. An id of an
earlier version may begin with a dash: write '--' before it.

Exit codes: 0 done, 1 not done (the key is unknown, or the only one that signs), 2 could not try (arguments,
settings, database).";

/// What to do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    deed: Deed,
    /// How keys are printed
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Deed {
    /// Lists all keys, in the order in which they sign
    List,
    /// Puts another key in the place of the one that signs
    Rotate {
        /// At once, and nothing that the others have signed is believed any more
        #[arg(long)]
        now: bool,
    },
    /// Believes nothing any more that a key has signed
    Retire {
        /// Which: its id, as 'list' shows it
        kid: String,
    },
}

/// How keys are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// A JSON array.
    Json,
}

/// Does it, and prints all keys as they are then.
///
/// # Errors
/// If it could not be tried.
pub async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if config.environment.is_production() && config.has_demo_signing_key() {
        bail!("production mode refuses: {}", Unsafe::NoSigningKey);
    }
    database::insist_on_migrations(&config.database).await?;
    let pool = database::service_pool(&config.database, 1).await?;
    let register = Register::new(pool, config.auth.signing_key.clone());
    let now = SystemClock.now();
    match done(&register, &arguments.deed, now).await {
        Ok(ring) => {
            // A reader that has gone (`| head`) does not change the exit code.
            let _ = writeln!(std::io::stdout(), "{}", told(&ring, arguments.format, now));
            Ok(ExitCode::SUCCESS)
        }
        Err(NotDone::Failed(error)) => Err(NotDone::Failed(error).into()),
        Err(refused) => {
            eprintln!("club: {refused}");
            Ok(ExitCode::from(NOT_DONE))
        }
    }
}

async fn done(register: &Register, deed: &Deed, now: DateTime<Utc>) -> Result<Ring, NotDone> {
    match deed {
        Deed::List => Ok(register.all().await?),
        Deed::Rotate { now: false } => Ok(register.rotate(Rotation::InTime, now).await?.0),
        Deed::Rotate { now: true } => Ok(register.rotate(Rotation::AtOnce, now).await?.0),
        Deed::Retire { kid } => register.retire(kid, now).await,
    }
}

fn told(ring: &Ring, format: Format, now: DateTime<Utc>) -> String {
    match format {
        Format::Json => {
            Value::from_iter(ring.phases(now).map(|(key, phase)| json(key, phase))).to_string()
        }
        Format::Text if ring.is_empty() => {
            "there are no keys: the first start makes one".to_owned()
        }
        Format::Text => {
            let heads = ["KEY", "STATE", "UNTIL OR SINCE", "PUBLISHED", "SIGNS FROM", "MADE OF"];
            columns(heads, ring.phases(now).map(|(key, phase)| row(key, phase)).collect())
                .join("\n")
        }
    }
}

/// What a key does, and until when or since when.
fn state(phase: Phase) -> (&'static str, Option<DateTime<Utc>>) {
    match phase {
        Phase::Next(at) => ("next", Some(at)),
        Phase::Signs => ("signs", None),
        Phase::Verifies(until) => ("verifies", Some(until)),
        Phase::Over(since) => ("over", Some(since)),
        Phase::Revoked(since) => ("retired", Some(since)),
    }
}

fn row(key: &Key, phase: Phase) -> [String; 6] {
    let (state, at) = state(phase);
    let made_of = if key.private.is_some() { "this setting" } else { "another setting" };
    [
        key.kid.to_string(),
        state.to_owned(),
        at.map_or_else(|| "-".to_owned(), rfc3339),
        rfc3339(key.published_at),
        rfc3339(key.signs_from),
        made_of.to_owned(),
    ]
}

fn json(key: &Key, phase: Phase) -> Value {
    let (state, at) = state(phase);
    json!({
        "kid": &*key.kid,
        "state": state,
        "at": at.map(rfc3339),
        "published_at": rfc3339(key.published_at),
        "signs_from": rfc3339(key.signs_from),
        "is_of_this_setting": key.private.is_some(),
    })
}
