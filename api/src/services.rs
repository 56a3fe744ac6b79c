//! The role `services`: who runs the club lets programs in, changes their secrets and takes them out.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use commands::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::auth::services::{
    NotDone, OVERLAP, Register, Registered, Scope, Scopes, ServiceId, ServiceKey,
};
use crate::auth::sign_in::rfc3339;
use crate::columns::columns;
use crate::config::{Config, Unsafe};
use crate::database;

/// It could not be tried: settings that cannot be used, or no database.
pub const COULD_NOT_TRY: u8 = 2;
/// It was not done: the name is taken, unknown or revoked.
const NOT_DONE: u8 = 1;

const EXAMPLES: &str = "\
Examples:
  club services add game-eu --scope actions:*        let it in; prints its secret
  club services add slots --scope actions:play_count --scope actions:win_count
  club services list                                 who is let in, and what they may do
  club services list --format json                   … for programs
  club services rotate game-eu                       next secret; the one before counts for 24 h
  club services rotate game-eu --at-once             … for one that leaked: the one before ends now
  club services allow game-eu --scope actions:win_count
                                                     it may do this from now on, and nothing else
  club services revoke game-eu                       out, within about a second on every node
  SECRET=$(club services secret game-eu)             its present secret, for scripts

How a program signs its requests stands in docs/game-servers.md. Secrets are made of CLUB_SERVICE_KEY,
so set it as the service has it.

Exit codes: 0 done, 1 not done (the name is taken, unknown or revoked), 2 could not try (arguments,
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
    /// Lets a program in, and prints its secret
    Add {
        /// 1 to 40 small letters, digits and -
        name: ServiceId,
        /// What it may do: actions:*, or one type of action; several times for several
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
    },
    /// Lists all programs, also the revoked
    List {
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Gives a program its next secret, and prints it; the one before counts for 24 h more
    Rotate {
        /// Which
        name: ServiceId,
        /// The one before ends now
        #[arg(long)]
        at_once: bool,
    },
    /// Changes what a program may do
    Allow {
        /// Which
        name: ServiceId,
        /// Everything that it may do from now on
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
    },
    /// Takes a program out; all its secrets end
    Revoke {
        /// Which
        name: ServiceId,
    },
    /// Prints the present secret of a program, and nothing else
    Secret {
        /// Which
        name: ServiceId,
    },
}

/// How the list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// A JSON array.
    Json,
}

/// Does it, and prints what is to be known.
///
/// # Errors
/// If it could not be tried.
pub async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if config.environment.is_production() && config.has_demo_service_key() {
        bail!("production mode refuses: {}", Unsafe::DefaultServiceKey);
    }
    database::insist_on_migrations(&config.database).await?;
    let register = Register::new(database::service_pool(&config.database, 1).await?);
    let key = ServiceKey::new(&config.auth.service_key);
    match done(&register, &key, &arguments.deed, SystemClock.now()).await {
        Ok(text) => {
            // A reader that has gone (`| head`) does not change the exit code.
            let _ = writeln!(std::io::stdout(), "{text}");
            Ok(ExitCode::SUCCESS)
        }
        Err(NotDone::Database(error)) => Err(NotDone::Database(error).into()),
        Err(refused) => {
            eprintln!("club: {refused}");
            Ok(ExitCode::from(NOT_DONE))
        }
    }
}

async fn done(
    register: &Register,
    key: &ServiceKey,
    deed: &Deed,
    now: DateTime<Utc>,
) -> Result<String, NotDone> {
    Ok(match deed {
        Deed::Add { name, scopes } => {
            let added = register.add(name, &Scopes::new(scopes), now).await?;
            let first = format!("# {name} may do {}.", added.scopes);
            hand_out(&first, &added, key)
        }
        Deed::List { format } => list(&register.all().await?, *format, now),
        Deed::Rotate { name, at_once } => {
            let rotated = register.rotate(name, *at_once, now).await?;
            hand_out(&overlap(&rotated, now), &rotated, key)
        }
        Deed::Allow { name, scopes } => {
            let allowed = register.allow(name, &Scopes::new(scopes)).await?;
            format!("{name} may do {}, and nothing else", allowed.scopes)
        }
        Deed::Revoke { name } => {
            let revoked = register.revoke(name, now).await?;
            let since = revoked.revoked_at.map(rfc3339).unwrap_or_default();
            format!("{name} is revoked since {since}")
        }
        Deed::Secret { name } => register.secret(name, key).await?.reveal().to_owned(),
    })
}

/// A file of settings, as shells and containers read it.
fn hand_out(first: &str, service: &Registered, key: &ServiceKey) -> String {
    let secret = key.secret_of(&service.id, service.version);
    format!(
        "{first}\n\
         # Set these two where the program runs, and nowhere else:\n\
         CLUB_SERVICE_ID={id}\n\
         CLUB_SERVICE_SECRET={secret}\n\
         # It signs every request with the secret: see docs/game-servers.md. 'club services secret {id}'\n\
         # prints it again.",
        id = service.id,
        secret = secret.reveal()
    )
}

fn overlap(service: &Registered, now: DateTime<Utc>) -> String {
    let id = &service.id;
    match service.overlaps_until(now) {
        Some(until) => format!(
            "# {id} has another secret. The one before counts until {}, for {} h.",
            rfc3339(until),
            OVERLAP.num_hours()
        ),
        None => format!("# {id} has another secret. The one before has ended."),
    }
}

fn list(all: &[Registered], format: Format, now: DateTime<Utc>) -> String {
    match format {
        Format::Json => Value::from_iter(all.iter().map(|one| told(one, now))).to_string(),
        Format::Text if all.is_empty() => "there are no services".to_owned(),
        Format::Text => {
            let heads = ["SERVICE", "STATE", "SECRET", "SINCE", "SCOPES"];
            columns(heads, all.iter().map(|one| row(one, now)).collect()).join("\n")
        }
    }
}

fn row(service: &Registered, now: DateTime<Utc>) -> [String; 5] {
    let state = match (service.revoked_at, service.overlaps_until(now)) {
        (Some(at), _) => format!("revoked {}", rfc3339(at)),
        (None, Some(until)) => format!("changing over until {}", rfc3339(until)),
        (None, None) => "active".to_owned(),
    };
    let (id, scopes) = (service.id.to_string(), service.scopes.to_string());
    [id, state, format!("version {}", service.version), rfc3339(service.created_at), scopes]
}

fn told(service: &Registered, now: DateTime<Utc>) -> Value {
    json!({
        "id": service.id.as_str(),
        "scopes": service.scopes.texts(),
        "version": service.version,
        "created_at": rfc3339(service.created_at),
        "rotated_at": service.rotated_at.map(rfc3339),
        "previous_until": service.overlaps_until(now).map(rfc3339),
        "revoked_at": service.revoked_at.map(rfc3339),
    })
}
