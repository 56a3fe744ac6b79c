//! Those who consume what is published: the example of the documentation, and what nobody may read.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::app::{Answer, PLAYER, demo_database};
use crate::kafka::{self, committed, publishing, shared_brokers};
use crate::marked::MARK;

/// The example of docs/consuming-events.md, with a database of its own.
struct Example {
    topic: String,
    database: std::path::PathBuf,
}

impl Example {
    fn new(topic: &str) -> Self {
        let name = format!("club-{}.db", uuid::Uuid::now_v7().simple());
        Self { topic: topic.to_owned(), database: std::env::temp_dir().join(name) }
    }

    async fn command(&self) -> Command {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let found = Command::new("ops/kafka").arg("client").current_dir(root).output().await;
        let python = String::from_utf8(found.unwrap().stdout).unwrap();
        let mut command = Command::new(python.trim());
        command.arg("docs/examples/consume_events.py").arg(&self.database).current_dir(root);
        command.env("KAFKA_BROKERS", shared_brokers()).env("KAFKA_TOPIC", &self.topic);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Lets it work for a moment and ends it on the spot.
    async fn is_killed(&self) {
        let mut process = self.command().await.spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(rand::random_range(300..1_500))).await;
        process.kill().await.unwrap();
    }

    /// What it has at the end of the topic: gold by player.
    async fn gold(&self) -> Value {
        let output = self.command().await.arg("--until-end").output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.database);
    }
}

#[tokio::test]
async fn the_example_of_the_documentation_has_every_balance_right_although_it_is_killed() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = publishing(demo_database().await, &brokers, &topic).await;
    let example = Example::new(&topic);
    let players = [(PLAYER, 23), (("minjun", "1234"), 6), (("seoyeon", "1234"), 7)];
    let mut tokens = Vec::new();
    for (who, _) in players {
        tokens.push(app.sign_in("/api/auth/login", who).await);
    }
    for round in 1..=3 {
        for token in tokens.iter().take(round) {
            let bought = app.post("/api/shop/buy", Some(token), json!({"product_id": 1002})).await;
            assert_eq!(bought.status, 200, "{}", bought.text);
            app.post("/api/streak/claim", Some(token), json!({})).await;
            app.post("/api/vip/claim", Some(token), json!({})).await;
        }
        example.is_killed().await;
    }
    kafka::published_all(&app.url, &app.database).await;
    let gold = example.gold().await;
    for ((_, id), token) in players.iter().zip(&tokens) {
        let balance = app.get("/api/users/balance", Some(token)).await;
        assert_eq!(gold[id.to_string()], balance.body["gold"], "player {id}: {}", balance.text);
        assert!(gold[id.to_string()].as_u64().unwrap() > 1_500, "{gold}");
    }
    // Once more, with nothing new.
    assert_eq!(example.gold().await, gold);
}

/// What a request brings along is its sender's word. What people and the staff say is looked for where
/// everything is: see `routes::users::leaving`.
#[tokio::test]
async fn nothing_that_a_request_brings_along_is_published() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = publishing(demo_database().await, &brokers, &topic).await;
    let token = app.player().await;
    for (path, body) in [
        ("/api/shop/buy", json!({"product_id": 1001, "card_token": "tok_qmarkq"})),
        ("/api/events/join", json!({"event_id": 1})),
        ("/api/streak/claim", json!({})),
    ] {
        let request = app.http.post(format!("{}{path}", app.url)).bearer_auth(&token).json(&body);
        let request = request.header("user-agent", MARK).header("x-request-id", MARK);
        let answer = request.header("idempotency-key", format!("{MARK}{path}")).send().await;
        let answer = Answer::read(answer.unwrap()).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }
    kafka::published_all(&app.url, &app.database).await;
    let records = committed(&brokers, &topic).await;
    assert!(records.iter().any(|record| record.key == "23"));
    for record in records {
        assert!(!format!("{record:?}").to_lowercase().contains(MARK), "{record:?}");
    }
}
