//! Those who consume what is published: the example of the documentation, and what nobody may read.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::app::{App, PLAYER, demo_database};
use crate::kafka::{self, Relay, committed, publishing, shared_brokers};
use crate::newcomers;

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

/// In whatever a person or the staff may type about a person.
const MARK: &str = "zzmarked";
const MARKED_PHONE: &str = "01055551234567";

#[tokio::test]
async fn nothing_personal_is_published() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    let id = somebody_marked(&app).await;
    let admin = app.admin().await;
    let path = |what: &str| format!("/api/admin/users/{id}/{what}");
    let text = format!("{MARK} wanted it");
    for (what, wish) in [
        ("grant", json!({"gold": 50, "reason": text})),
        ("ban", json!({"reason": text, "duration_hours": 24})),
        ("unban", json!({"reason": text})),
        ("logout-all", json!({"reason": text})),
    ] {
        let key = format!("{MARK}-{what}");
        let done = app.post_keyed(&path(what), &admin, &key, &wish).await;
        assert_eq!(done.status, 200, "{what}: {}", done.text);
    }
    // What is in the database, so that the search means something.
    let texts = "select count(*) from event_texts where text like '%zzmarked%'";
    let mut superuser = app.database.superuser().await;
    let texts: i64 = sqlx::query_scalar(texts).fetch_one(&mut superuser).await.unwrap();
    assert!(texts >= 3, "{texts}");

    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    let records = committed(&brokers, &topic).await;
    assert!(records.iter().any(|record| record.key == id.to_string()));
    for record in records {
        let all = format!("{record:?}").to_lowercase();
        for mark in [MARK, MARKED_PHONE] {
            assert!(!all.contains(mark), "{record:?}");
        }
    }
}

/// Somebody whose names, password, address, browser, requests and card all carry the mark.
async fn somebody_marked(app: &App) -> i64 {
    newcomers::invite(app, "MARKED", 1).await;
    let (site_id, password) = (format!("{MARK}-id"), format!("{MARK} pass phrase"));
    let wish = json!({
        "site_id": site_id, "nickname": format!("{MARK} name"), "phone_number": MARKED_PHONE,
        "password": password, "invite_code": "MARKED",
    });
    let signed_up = newcomers::sign_up(app, &wish).await;
    assert!(signed_up.status.is_success(), "{}", signed_up.text);
    let id = signed_up.body["user"]["id"].as_i64().unwrap();
    let token = app.sign_in("/api/auth/login", (&site_id, &password)).await;
    for (method, path, body) in [
        (
            Method::POST,
            "/api/shop/buy",
            json!({"product_id": 1001, "card_token": format!("tok_{MARK}")}),
        ),
        (Method::POST, "/api/shop/buy", json!({"product_id": 1001})),
        (Method::POST, "/api/events/join", json!({"event_id": 1})),
        (Method::PUT, "/api/users/profile", json!({"nickname": format!("{MARK} two")})),
        (Method::POST, "/api/streak/claim", json!({})),
    ] {
        let request = app.http.request(method, format!("{}{path}", app.url)).bearer_auth(&token);
        let request = request.header("user-agent", MARK).header("x-request-id", MARK);
        let request =
            request.header("if-match", "*").header("idempotency-key", format!("{MARK}{path}"));
        let answer = request.json(&body).send().await.unwrap();
        println!("{path}: {} {}", answer.status(), answer.text().await.unwrap());
    }
    id
}
