//! PostgreSQL itself is killed, with all that it had not written yet, while the club lives on and knows things
//! that are lost: what was answered is in the log, and the provider's books agree with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::random_range;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::load::Load;
use crate::app::{App, program};
use crate::database::Database;

const ROUNDS: u32 = 6;
const CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// A durable server of a test's own.
struct Server {
    directory: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(script());
        let _ = command.arg("remove").arg("--dir").arg(&self.directory).status();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("ops/postgres")
}

impl Server {
    async fn start() -> Self {
        let name = format!("club-power-{:016x}", rand::random::<u64>());
        let server = Self { directory: std::env::temp_dir().join(name) };
        assert!(server.asked(&["start"]).await.is_some(), "PostgreSQL does not start");
        server
    }

    /// What `ops/postgres` says, if it does it.
    async fn asked(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(script());
        command.arg(arguments[0]).arg("--dir").arg(&self.directory).args(&arguments[1..]);
        let output = command.output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| said.trim().to_owned())
    }

    /// Its demo's database.
    async fn database(&self) -> Database {
        let address = self.asked(&["url", "super", "club"]).await.unwrap();
        let (server, name) = address.rsplit_once('/').unwrap();
        let database = Database::on(server, name);
        for role in ["migrate", "seed"] {
            let done = program("club", &database.url()).arg(role).status().await;
            assert!(done.unwrap().success(), "club {role} failed");
        }
        database
    }

    /// Ends it on the spot and starts it again, on what had reached its files.
    async fn kill(&self) {
        let pid = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().trim();
        let killed = Command::new("kill").args(["-9", pid]).status().await;
        assert!(killed.unwrap().success());
        let latest = Instant::now() + PATIENCE;
        // Its processes are still ending when the first of them has gone.
        while self.asked(&["start"]).await.is_none() {
            assert!(Instant::now() < latest, "PostgreSQL does not start again");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_killed_in_mid_load_and_log_and_provider_agree() {
    let server = Server::start().await;
    let settings = [("CLUB_LIMITS", "off"), ("CLUB_CHECKOUT_GRACE_MS", "500")];
    let app = App::start_on(server.database().await, &settings).await;
    let load = Load::sign_in(&app).await;
    let clients = load.on(&app.url, CLIENTS);
    for _ in 0..ROUNDS {
        sleep(Duration::from_millis(random_range(300..1_500))).await;
        let before = load.answers();
        server.kill().await;
        let latest = Instant::now() + PATIENCE;
        while load.answers() < before + 50 {
            assert!(Instant::now() < latest, "the club does not come back");
            sleep(Duration::from_millis(20)).await;
        }
    }
    clients.stop().await;
    let account = load.account_for(&app.database).await;
    println!("{account:?}");
    assert!(account.purchases > 100, "not much of a test: {account:?}");
    assert!(app.stop().await.success());
}
