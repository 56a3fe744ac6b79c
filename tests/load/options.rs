//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

/// Printed below the flags by `--help`.
const EXAMPLES: &str = "\
What is measured:
  from request   from sending a request to give gold until the player's screen has it. Both ends are
                 this process, so there is one clock. It holds the whole command, commit included: the
                 time from commit to receipt is less.
  from answer    from the answer, by which the giver knows that it is durable, until the screen has it;
                 0 where the screen was first. The time from commit to receipt is more, by the answer's
                 way.
  memory         resident memory of the server's process, before and with the idle connections. Hashing
                 passwords leaves much memory behind, in which connections find room for nothing: for a
                 true figure, keep the sessions in a file and start the club anew before (see below).

Examples:
  club seed --players 1100                               players to act with, once
  CLUB_LIMITS=off club serve                             a club that lets one machine be so many
  live-load --active 1000 --rate 1000 --seconds 30       latency, loss and repeats
  live-load --idle 10000 --sessions s.json --only-sign-in   sign in; then start the club anew, and:
  live-load --idle 10000 --sessions s.json               memory for each idle connection
  live-load --idle 10000 --active 100 --rate 500         both at once
  live-load --active 100 --format json                   for programs

Exit codes: 0 all came through; 1 something was lost or came twice; 2 it could not be measured.";

/// How the figures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Load on the live feed of a running club: connections that are only there, and players who hear what
/// happens to them. Never use it on a club in production: it gives gold.
#[derive(Debug, Parser)]
#[command(name = "live-load", after_help = EXAMPLES)]
pub struct Options {
    /// Where the club listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    server: SocketAddr,

    /// Connections that are only there, each subscribed to `me`
    #[arg(long, default_value_t = 0)]
    pub idle: usize,

    /// Idle connections of one player
    #[arg(long, value_name = "N", default_value_t = 100)]
    idle_each: usize,

    /// Players who listen, and to whom things happen
    #[arg(long, default_value_t = 0)]
    pub active: usize,

    /// Events a second, over all active players
    #[arg(long, default_value_t = 1_000.0)]
    pub rate: f64,

    /// Seconds measured
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,

    /// Seconds of load before
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,

    /// Seconds of rest before memory is looked at
    #[arg(long, default_value_t = 2.0)]
    rest: f64,

    /// Players are called so, and numbered from 0001
    #[arg(long, default_value = "bench")]
    pub player_name: String,

    /// Their password
    #[arg(long, default_value = "bench-password")]
    pub player_password: String,

    /// Somebody who may give gold
    #[arg(long, default_value = "admin")]
    pub staff_name: String,

    /// Their password
    #[arg(
        long,
        env = "LIVE_LOAD_STAFF_PASSWORD",
        hide_env_values = true,
        default_value = "admin123"
    )]
    pub staff_password: String,

    /// Keep access tokens in this file, and use those that are there and not older than ten minutes
    #[arg(long, value_name = "FILE")]
    pub sessions: Option<PathBuf>,

    /// Sign in, and no more
    #[arg(long, requires = "sessions")]
    pub only_sign_in: bool,

    /// The server's process, for its memory [default: whoever listens there]
    #[arg(long)]
    pub server_pid: Option<u32>,

    /// Load a server that is not on this machine
    #[arg(long)]
    allow_remote: bool,

    /// How the figures are shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Say nothing while it runs
    #[arg(long)]
    pub quiet: bool,
}

impl Options {
    /// The server, if it may be loaded.
    pub fn server(&self) -> Result<SocketAddr> {
        ensure!(
            self.server.ip().is_loopback() || self.allow_remote,
            "{} is not on this machine: add --allow-remote if it is yours",
            self.server
        );
        ensure!(self.rate > 0.0, "--rate must be more than 0");
        Ok(self.server)
    }

    /// Players for the idle connections, who are others than the active ones.
    pub fn onlookers(&self) -> usize {
        self.idle.div_ceil(self.idle_each.max(1))
    }

    /// Load before the measurement.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up.max(0.0))
    }

    /// The measurement.
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.max(0.1))
    }

    /// Before memory is looked at.
    pub fn rest(&self) -> Duration {
        Duration::from_secs_f64(self.rest.max(0.0))
    }
}
