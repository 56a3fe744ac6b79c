//! A ClickHouse engine of a test's own, which can be killed, and what is asked of one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::app::{App, program};
use crate::database::Database;

/// Whatever comes by itself comes within this.
pub const SOON: Duration = Duration::from_secs(90);

/// The tests' ClickHouse, which all share: each has a database of its own there.
pub fn shared_url() -> String {
    std::env::var("CLICKHOUSE_TEST_URL")
        .expect("CLICKHOUSE_TEST_URL is not set: run the tests with `make test`")
}

/// A server that nobody else uses, at one address for good.
pub struct Server {
    pub url: String,
    folder: PathBuf,
    address: String,
    process: Option<Child>,
}

impl Server {
    /// Nothing listens there yet.
    pub async fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap().to_string();
        let folder =
            std::env::temp_dir().join(format!("club-clickhouse-{:016x}", rand::random::<u64>()));
        Self { url: format!("http://{address}"), folder, address, process: None }
    }

    /// Starts it, with what it stored before, and waits until it answers.
    pub async fn start(&mut self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut command = Command::new(root.join("ops/clickhouse"));
        command.arg("serve").arg(&self.folder).arg(&self.address);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        self.process = Some(command.spawn().unwrap());
        let latest = Instant::now() + SOON;
        while ask(&self.url, "select 1").await.is_err() {
            assert!(Instant::now() < latest, "ClickHouse does not start");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// As kill -9 does.
    pub async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a server answers, as text.
pub async fn ask(url: &str, sql: &str) -> Result<String, String> {
    let request = reqwest::Client::new().post(url).body(sql.to_owned());
    let response = request.send().await.map_err(|error| error.to_string())?;
    let is_answer = response.status().is_success();
    let text = response.text().await.map_err(|error| error.to_string())?;
    if is_answer { Ok(text.trim().to_owned()) } else { Err(text) }
}

/// Runs `club olap` with arguments; its exit code, and the JSON that it printed.
pub async fn olap(database: &Database, url: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = program("club", &database.url());
    command.arg("olap").args(arguments).args(["--format", "json"]);
    command.env("CLICKHOUSE_URL", url).env("CLICKHOUSE_DATABASE", &database.name);
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let value = serde_json::from_str(&said)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&output.stderr).into_owned()));
    (output.status.code(), value)
}

/// `club olap run`.
pub fn worker(database: &Database, url: &str) -> Child {
    let mut command = program("club", &database.url());
    command.args(["olap", "run"]);
    command.env("CLICKHOUSE_URL", url).env("CLICKHOUSE_DATABASE", &database.name);
    command.spawn().unwrap()
}

/// Waits until everything in the log is in ClickHouse, once.
pub async fn caught_up(database: &Database, url: &str) -> u64 {
    let latest = Instant::now() + SOON;
    loop {
        let head = u64::try_from(database.head().await).unwrap();
        let (code, status) = olap(database, url, &["status"]).await;
        if code == Some(0)
            && status["place"] == head
            && database.head().await.cast_unsigned() == head
        {
            assert_eq!((&status["distinct"], &status["rows"]), (&head.into(), &head.into()));
            return head;
        }
        assert!(Instant::now() < latest, "ClickHouse stays behind {head}: {status}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// What `/ready` says of the follower.
pub async fn follower(app: &App) -> Value {
    let ready = app.get("/ready", None).await;
    let followers = ready.body["followers"].as_array().unwrap();
    followers.iter().find(|follower| follower["name"] == "clickhouse").cloned().unwrap_or_default()
}

/// Waits until it is in this state.
pub async fn follower_is(app: &App, state: &str) -> Value {
    let latest = Instant::now() + SOON;
    loop {
        let follower = follower(app).await;
        if follower["state"] == state {
            return follower;
        }
        assert!(Instant::now() < latest, "never {state}: {follower}");
        sleep(Duration::from_millis(20)).await;
    }
}
