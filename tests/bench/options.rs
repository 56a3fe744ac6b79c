//! What the command line says.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::live::Crowd;
use crate::load::Plan;
use crate::old_account::Extent;

/// Printed below the flags by `--help`.
const EXAMPLES: &str = "\
Examples:
  make bench                                             everything, on a private durable PostgreSQL
  export TEST_DATABASE_URL=postgres://postgres@%2Ftmp%2Fpg/postgres
  cargo bench -p tests                                   everything, on that server
  cargo bench -p tests -- --quick                        seconds instead of minutes; figures are rough
  cargo bench -p tests -- --only grant_http_spread_32    one benchmark and what it is compared with
  cargo bench -p tests -- --seconds 20 --repeats 5       longer and more often
  cargo bench -p tests -- --list                         the names

Exit codes: 0 all required minimums reached; 1 one missed, or a benchmark failed; 2 could not start.";

/// Measures the club on this machine against what this machine's PostgreSQL can do at best and
/// against the stock framework, in one run. Prints a table and writes target/bench/latest.json.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo bench -p tests --", after_help = EXAMPLES)]
pub struct Options {
    /// URL of a superuser on a durable PostgreSQL, best by Unix socket; the databases of the
    /// benchmark are made there and dropped again
    #[arg(long, env = "TEST_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Seconds measured in each repeat [default: 8]
    #[arg(long)]
    seconds: Option<f64>,

    /// Seconds of load before each measurement [default: 2]
    #[arg(long)]
    warm_up: Option<f64>,

    /// Repeats, of which the median is reported [default: 3]
    #[arg(long)]
    repeats: Option<usize>,

    /// Only these benchmarks, and the baselines that they are compared with
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Short: 2 seconds once, 100 players, a log of 100,000 events
    #[arg(long)]
    pub quick: bool,

    /// Players in the database of the HTTP benchmarks [default: 1000]
    #[arg(long)]
    players: Option<usize>,

    /// Events in the log that is copied, rebuilt and verified [default: 1000000]
    #[arg(long)]
    events: Option<u64>,

    /// Where club and replay lie; without it they are built by cargo
    #[arg(long, value_name = "FOLDER")]
    pub bin_dir: Option<PathBuf>,

    /// Measure even on a server that may lose commits (the output says so)
    #[arg(long)]
    pub allow_unsafe: bool,

    /// Leave the databases behind, for a look, until the next run
    #[arg(long)]
    pub keep: bool,

    /// Print the names and stop
    #[arg(long)]
    pub list: bool,

    /// What cargo bench adds; without it (cargo test --all-targets) nothing is measured
    #[arg(long, hide = true)]
    pub bench: bool,

    /// Be the server of limit_http_loopback_32
    #[arg(long, hide = true)]
    pub loopback_server: bool,

    /// Be the server of limit_websocket_*
    #[arg(long, hide = true)]
    pub bare_server: bool,
}

impl Options {
    /// How long one repeat takes.
    pub fn plan(&self) -> Plan {
        let warm_up = self.warm_up.unwrap_or(if self.quick { 0.5 } else { 2.0 });
        let window = self.seconds.unwrap_or(if self.quick { 2.0 } else { 8.0 });
        Plan {
            warm_up: Duration::from_secs_f64(warm_up.max(0.0)),
            window: Duration::from_secs_f64(window.max(0.1)),
        }
    }

    /// How often each is measured.
    pub fn repeats(&self) -> usize {
        self.repeats.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }

    /// How many players there are to act on.
    pub fn players(&self) -> usize {
        self.players.unwrap_or(if self.quick { 100 } else { 1_000 }).max(1)
    }

    /// How many claims of one account are measured.
    pub fn extent(&self) -> Extent {
        if self.quick {
            Extent { claims: 100, starts: 2 }
        } else {
            Extent { claims: 1_000, starts: 6 }
        }
    }

    /// How many look on at the live feed, and to how many something happens there.
    pub fn crowd(&self) -> Crowd {
        let idle = if self.quick { 1_000 } else { 10_000 };
        Crowd { idle, players: self.players(), plan: self.plan() }
    }

    /// How long the log of the replay benchmarks is.
    pub fn events(&self) -> u64 {
        self.events.unwrap_or(if self.quick { 100_000 } else { 1_000_000 }).max(1)
    }
}
