//! The programs that are measured from outside, as child processes: `club` and `replay`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};

use crate::cpu;

/// How long `club serve` may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to end when asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What it says, before its address.
const LISTENING: &str = "listening on http://";

/// The folder of the binaries: the one given, or cargo's after building them there.
pub async fn binaries(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = given {
        return Ok(folder.to_owned());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--workspace"]).current_dir(workspace);
    without_this_package(&mut build);
    let status = build.status().await.context("cargo does not start")?;
    ensure!(status.success(), "club and replay do not build");
    Ok(target_folder()?.join("release"))
}

/// Takes away what the cargo above says about this package. Some build scripts (ring's) look at it: with
/// it, half of everything would be built anew here, and again by the next `cargo bench`.
fn without_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// Cargo's target folder, from where this program lies: `<target>/release/deps/club-…`.
pub fn target_folder() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.ancestors().nth(3).context("not run from cargo's target folder")?.to_owned())
}

/// A program on a database of this run, with an environment of its own.
fn program(binary: &Path, database_url: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .env("DATABASE_URL", database_url)
        .env("DATABASE_OWNER_URL", database_url)
        .env("CLUB_LISTEN", "127.0.0.1:0")
        .env("CLUB_LIMITS", "off")
        .env("CLUB_WEBHOOK_SECRETS", crate::provider::SECRET)
        .env_remove("TEST_DATABASE_URL")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a program to its end; what it said is in the error if it failed.
async fn finish(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output().await.with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&said));
    }
    Ok(output.stdout)
}

/// Runs one of `club`'s short commands, such as `migrate`. Returns what it printed.
pub async fn club(bin: &Path, database_url: &str, arguments: &[&str]) -> Result<String> {
    let mut command = program(&bin.join("club"), database_url);
    command.args(arguments);
    Ok(String::from_utf8(finish(command).await?)?)
}

/// What a run of `replay` cost.
#[derive(Debug)]
pub struct Replayed<T> {
    /// What it printed as JSON.
    pub report: T,
    /// From start to end.
    pub wall: Duration,
    /// Its own processor time, without the database's.
    pub cpu: Duration,
}

/// Runs `replay` and reads its JSON.
pub async fn replay<T: DeserializeOwned>(
    bin: &Path,
    database_url: &str,
    arguments: &[&str],
) -> Result<Replayed<T>> {
    let mut command = program(&bin.join("replay"), database_url);
    command.args(arguments);
    let (started, cpu_before) = (Instant::now(), cpu::of_ended_children()?);
    let said = finish(command).await?;
    let wall = started.elapsed();
    let cpu = cpu::of_ended_children()?.saturating_sub(cpu_before);
    let report = serde_json::from_slice(&said)
        .with_context(|| format!("not as expected: {}", String::from_utf8_lossy(&said)))?;
    Ok(Replayed { report, wall, cpu })
}

/// One of `club`'s roles that runs until it is stopped and listens nowhere.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts it.
    pub fn start(
        bin: &Path,
        database_url: &str,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = program(&bin.join("club"), database_url);
        command.args(arguments).envs(settings.iter().copied());
        Ok(Self(command.spawn().with_context(|| format!("{command:?} does not start"))?))
    }

    /// Asks it to end, and waits.
    pub async fn stop(mut self) -> Result<()> {
        let id = self.0.id().context("it has ended already")?;
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        if tokio::time::timeout(STOP_PATIENCE, self.0.wait()).await.is_err() {
            self.0.kill().await?;
        }
        Ok(())
    }
}

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Its process id, for its processor time.
    pub id: u32,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `club serve`, with all followers in it.
    pub async fn club(bin: &Path, database_url: &str, log: &Path) -> Result<Self> {
        let mut command = program(&bin.join("club"), database_url);
        command.arg("serve");
        Self::start(command, log).await
    }

    /// Starts `club relay`, from a database to a topic of a broker.
    pub async fn relay(
        bin: &Path,
        database_url: &str,
        (broker, topic): (&str, &str),
        log: &Path,
    ) -> Result<Self> {
        let mut command = program(&bin.join("club"), database_url);
        command.arg("relay").env("CLUB_RELAY_LISTEN", "127.0.0.1:0");
        command.env("KAFKA_BROKERS", broker).env("KAFKA_TOPIC", topic);
        Self::start(command, log).await
    }

    /// Starts this program again as the server of the load generator's own limit.
    pub async fn loopback(log: &Path) -> Result<Self> {
        Self::this_program("--loopback-server", log).await
    }

    /// Starts this program again as a server of its own.
    pub async fn this_program(flag: &str, log: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--bench", flag]).kill_on_drop(true);
        Self::start(command, log).await
    }

    /// What it says goes to a file, so that reading it costs nothing during the load.
    async fn start(mut command: Command, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        command.stdout(output.try_clone()?).stderr(output);
        let mut process = command.spawn().with_context(|| format!("{command:?} does not start"))?;
        let id = process.id().context("it has ended already")?;
        let latest = Instant::now() + START_PATIENCE;
        loop {
            if let Some(address) = address_in(&fs::read_to_string(log)?) {
                return Ok(Self { process, id, address });
            }
            if let Some(status) = process.try_wait()? {
                bail!("{command:?} ended with {status}: {}", fs::read_to_string(log)?);
            }
            ensure!(
                Instant::now() < latest,
                "it does not listen after 60 s, see {}",
                log.display()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub async fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.id.to_string()]).status().await?;
        if tokio::time::timeout(STOP_PATIENCE, self.process.wait()).await.is_err() {
            self.process.kill().await?;
        }
        Ok(())
    }
}

fn address_in(log: &str) -> Option<SocketAddr> {
    let rest = &log[log.find(LISTENING)? + LISTENING.len()..];
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    rest[..end].parse().ok()
}
