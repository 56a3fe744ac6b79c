//! The club's pages in a real browser: the scenarios of `tests/browser`, run by `ops/browser`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::app::{App, binaries, demo_database, program};

/// The longest that a scenario may take, installation included.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a scenario against a club.
async fn passes(scenario: &str, app: &App) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(root.join("ops/browser"));
    command.args(["run", scenario, &app.url]).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// The demo game server, as a program without a database. It ends with this value.
async fn game(club: &App, listen: &str) -> Child {
    let mut services = program("club", &club.database.url());
    let secret = services.args(["services", "secret", "demo-game"]).output().await.unwrap();
    let secret = String::from_utf8(secret.stdout).unwrap();
    let mut command = Command::new(binaries().join("club"));
    command
        .arg("game")
        .env_remove("DATABASE_URL")
        .env("ENVIRONMENT", "test")
        .env("RUST_LOG", "warn")
        .env("CLUB_GAME_LISTEN", listen)
        .env("CLUB_GAME_CLUB", &club.url)
        .env("CLUB_GAME_SECRET", secret.trim())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut game = command.spawn().unwrap();
    let mut lines = BufReader::new(game.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the game listens");
    assert!(line.starts_with("listening on "), "{line}");
    game
}

/// The service tells its page where the game is, and the game must know the service: so one of the
/// addresses is chosen before anybody listens there.
async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn the_page_that_checks_the_live_feed_turns_green() {
    let app = App::start().await;
    passes("live", &app).await;
}

#[tokio::test]
async fn a_new_player_plays_a_mission_and_collects_its_reward_without_a_reload() {
    let listen = free_address().await;
    let origin = format!("http://{listen}");
    let settings = [("CLUB_GAME_ORIGIN", origin.as_str())];
    let app = App::start_on(demo_database().await, &settings).await;
    let _game = game(&app, &listen).await;
    passes("play", &app).await;
}
