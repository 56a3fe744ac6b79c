//! A running club: the real `club serve` as a child process on a database of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::database::{self, Database};

const START: Duration = Duration::from_secs(30);
/// What is decided about somebody works on every node within this.
const REFUSED: Duration = Duration::from_secs(1);
/// How long read models may be behind.
const SHOWN: Duration = Duration::from_secs(10);
/// The demo's player and admin.
pub const PLAYER: (&str, &str) = ("testuser20250926012525", "1234");
pub const PLAYER_ID: i64 = 23;
pub const ADMIN: (&str, &str) = ("admin", "admin123");

/// The folder with `club` and `replay`, built once by this process.
pub fn binaries() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        // <target>/<profile>/deps/it-…
        let this = std::env::current_exe().unwrap();
        let folder = this.ancestors().nth(2).unwrap().to_path_buf();
        let mut cargo = std::process::Command::new(env!("CARGO"));
        // The whole workspace, as `make test` builds it: another selection has other features, and
        // cargo would build every dependency once more.
        cargo.args(["build", "--quiet", "--workspace"]);
        // Some build scripts (ring's) look at what the cargo above says of this package: with it, they and
        // all that needs them would be built anew here, and again by the next `cargo test`.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert!(cargo.status().unwrap().success(), "club and replay do not build");
        folder
    };
    BUILT.get_or_init(build).clone()
}

/// A program of ours on a database, as the service's own role.
pub fn program(name: &str, url: &str) -> Command {
    let mut command = Command::new(binaries().join(name));
    command
        .env("DATABASE_URL", url)
        .env("DATABASE_OWNER_URL", url)
        .env("ENVIRONMENT", "test")
        .env("CLUB_LISTEN", "127.0.0.1:0")
        .env("CLUB_CHECKOUT_GRACE_MS", "1000")
        .env("RUST_LOG", "warn,access=error")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A database with the demo data, copied from a template that `club migrate` and `club seed` made.
pub async fn demo_database() -> Database {
    // Whatever the seed writes is part of the template's name: the binary itself.
    let club = std::fs::metadata(binaries().join("club")).unwrap();
    let built = club.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let template =
        format!("club_demo_{:08x}_{:x}", database::fingerprint() >> 32, built.as_millis());
    Database::copy_of(&template, || async {
        for role in ["migrate", "seed"] {
            let done = program("club", &database::url(&template)).arg(role).status().await;
            assert!(done.unwrap().success(), "club {role} failed");
        }
    })
    .await
}

/// See the module.
pub struct App {
    /// Its database.
    pub database: Database,
    /// Its address, `http://127.0.0.1:…`.
    pub url: String,
    /// For requests by hand.
    pub http: reqwest::Client,
    process: Child,
    said: Arc<Mutex<String>>,
    hearing: JoinHandle<()>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body, `null` if it is not JSON.
    pub body: Value,
    /// Its body as text.
    pub text: String,
}

impl App {
    /// On a fresh database with the demo data.
    pub async fn start() -> Self {
        Self::start_on(demo_database().await, &[]).await
    }

    /// The same, where players and admins may be as fast as they like.
    pub async fn without_limits() -> Self {
        Self::start_on(demo_database().await, &[("CLUB_LIMITS", "off")]).await
    }

    /// Another node, or the same again, on a database; with settings.
    pub async fn start_on(database: Database, settings: &[(&str, &str)]) -> Self {
        let url = database.url();
        let app = Self::launch(database, &url, settings).await;
        app.ready().await;
        app
    }

    /// The same, without waiting until it is ready; it finds its database at `url`.
    pub async fn launch(database: Database, url: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = program("club", url);
        command.arg("serve").envs(settings.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let hearing = tokio::spawn(listen(process.stderr.take().unwrap(), said.clone()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once("listening on ") {
                    return url.trim().to_owned();
                }
            }
            panic!("club serve ended before it listened");
        };
        let url = timeout(START, listening).await.expect("club serve listens in time");
        // Keep the pipe open and empty for as long as it runs.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { database, url, http: reqwest::Client::new(), process, said, hearing }
    }

    /// Waits until `/ready` says so.
    pub async fn ready(&self) {
        let latest = Instant::now() + START;
        while self.call(Method::GET, "/ready", None, None).await.status != StatusCode::OK {
            assert!(Instant::now() < latest, "not ready in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One request with a token and a JSON body, if given.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let by_staff = method != Method::GET && path.starts_with("/api/admin/");
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        if by_staff {
            self.shown_to_all(&answer).await;
        }
        answer
    }

    /// Waits until everybody sees what the staff has changed. Whoever changes something sees it at
    /// once; others, who have been told nothing, a moment later.
    async fn shown_to_all(&self, answer: &Answer) {
        let Some(position) = answer.body["position"].as_u64() else { return };
        let latest = Instant::now() + SHOWN;
        while self.read_models_at().await.is_some_and(|at| at < position) {
            assert!(Instant::now() < latest, "the read models stay behind {position}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn read_models_at(&self) -> Option<u64> {
        let ready = self.http.get(format!("{}/ready", self.url)).send().await.ok()?;
        let ready: Value = ready.json().await.ok()?;
        let followers = ready["followers"].as_array()?;
        followers.iter().find(|it| it["name"] == "read_models")?["position"].as_u64()
    }

    /// `GET`.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    /// `POST` under an idempotency key.
    pub async fn post_keyed(&self, path: &str, token: &str, key: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(token);
        let request = request.header("Idempotency-Key", key).json(body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        if path.starts_with("/api/admin/") {
            self.shown_to_all(&answer).await;
        }
        answer
    }

    /// `GET` that has to see a position.
    pub async fn get_at(&self, path: &str, token: &str, position: u64) -> Answer {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(token);
        Answer::read(request.header("X-Min-Position", position).send().await.unwrap()).await
    }

    /// An access token of the demo's player.
    pub async fn player(&self) -> String {
        self.sign_in("/api/auth/login", PLAYER).await
    }

    /// An access token of the demo's admin.
    pub async fn admin(&self) -> String {
        self.sign_in("/api/auth/admin/login", ADMIN).await
    }

    /// An access token of somebody of the demo's staff, who is an admin from now on.
    pub async fn made_admin(&self, id: i64, person: (&str, &str)) -> String {
        let (admin, path) = (self.admin().await, format!("/api/admin/users/{id}/role"));
        let role = json!({"role": "admin"});
        let given = self.call(Method::PUT, &path, Some(&admin), Some(role)).await;
        assert_eq!(given.status, StatusCode::OK, "{}", given.text);
        self.sign_in("/api/auth/admin/login", person).await
    }

    /// An access token.
    pub async fn sign_in(&self, path: &str, (site_id, password): (&str, &str)) -> String {
        let body = json!({"site_id": site_id, "password": password});
        let answer = self.post(path, None, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// Waits until this node answers with a status, as it does once it knows what was decided.
    pub async fn until(&self, token: &str, path: &str, status: u16) -> Answer {
        let latest = Instant::now() + REFUSED;
        loop {
            let answer = self.get(path, Some(token)).await;
            if answer.status.as_u16() == status {
                return answer;
            }
            assert!(Instant::now() < latest, "{path}: {}", answer.text);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until this node refuses whoever comes with a token; what it answers then.
    pub async fn until_refused(&self, token: &str) -> Answer {
        let latest = Instant::now() + REFUSED;
        loop {
            let answer = self.get("/api/auth/me", Some(token)).await;
            if answer.status != StatusCode::OK {
                return answer;
            }
            assert!(Instant::now() < latest, "still let in after {REFUSED:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it as a crash does, and waits until it is gone.
    pub async fn kill(mut self) -> Database {
        self.process.kill().await.unwrap();
        self.database
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Sends it a signal, by name: `STOP`, `CONT`, `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Asks it to end and waits; its exit status.
    pub async fn stop(mut self) -> std::process::ExitStatus {
        self.signal("TERM").await;
        timeout(START, self.process.wait()).await.expect("it ends when asked to").unwrap()
    }

    /// What it has written to its log.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has ended by itself, and all it said has been heard.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let end = async {
            let status = self.process.wait().await.unwrap();
            (&mut self.hearing).await.unwrap();
            status
        };
        timeout(START, end).await.expect("it ends by itself")
    }
}

/// Passes a process's log on, and keeps it.
async fn listen(log: ChildStderr, said: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{line}");
        said.lock().unwrap().extend([&line, "\n"]);
    }
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, body, text }
    }

    /// Asserts a problem+json with this status and code.
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.body["code"], code, "{}", self.text);
        assert_eq!(self.body["status"], status);
    }
}

/// Runs `replay` with arguments; whether it was clean, and what it printed.
pub async fn replay(database: &Database, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program("replay", &database.url()).args(arguments).output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}
