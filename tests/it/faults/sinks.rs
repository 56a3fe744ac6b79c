//! Kafka and ClickHouse at once: whoever is killed, both have each event once; and nobody waits for either.

use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::load::Load;
use super::olap::say_the_same;
use crate::app::{App, demo_database};
use crate::clickhouse::{self, Server, worker};
use crate::database::Database;
use crate::kafka::{self, Broker, Relay, check};

/// Thousands of events that are in the log before anybody reads it.
const THOUSANDS: u32 = 200;
/// How often each of the four is killed.
const ROUNDS: u32 = 10;
const CLIENTS: usize = 4;
/// How long the club is watched with both of them there.
const BEFORE: Duration = Duration::from_secs(20);
/// How long both are away.
const AWAY: Duration = Duration::from_secs(120);

/// Who is killed in turn.
const VICTIMS: [Victim; 4] = [Victim::Relay, Victim::Worker, Victim::Broker, Victim::ClickHouse];

#[derive(Debug, Clone, Copy)]
enum Victim {
    Relay,
    Worker,
    Broker,
    ClickHouse,
}

/// The two that read the log, and where they bring it.
struct Sinks {
    database: Database,
    broker: Broker,
    topic: String,
    relay: Relay,
    clickhouse: Server,
    worker: Child,
}

impl Sinks {
    async fn start(database: Database) -> Self {
        let (broker, topic) = (Broker::start().await, kafka::new_topic());
        let mut clickhouse = Server::new().await;
        clickhouse.start().await;
        let relay = Relay::start(&database, &broker.address, &topic).await;
        let worker = worker(&database, &clickhouse.url);
        Self { database, broker, topic, relay, clickhouse, worker }
    }

    /// Kills one of the four, in the middle of whatever it does, and starts it again.
    async fn strike(&mut self, victim: Victim) {
        match victim {
            Victim::Relay => {
                self.relay.kill().await;
                self.relay = Relay::start(&self.database, &self.broker.address, &self.topic).await;
            }
            Victim::Worker => {
                self.worker.kill().await.unwrap();
                self.worker = worker(&self.database, &self.clickhouse.url);
            }
            Victim::Broker => {
                self.broker.kill().await;
                self.broker.start_again().await;
            }
            Victim::ClickHouse => {
                self.clickhouse.kill().await;
                self.clickhouse.start().await;
            }
        }
    }

    /// How far both have come.
    async fn positions(&self) -> (Value, String) {
        let published = kafka::follower(&self.relay.url).await.1["position"].clone();
        let place = format!("{}/?database={}", self.clickhouse.url, self.database.name);
        let seen = clickhouse::ask(&place, "select max(position) from events").await;
        (published, seen.unwrap_or_else(|_| "none".to_owned()))
    }
}

/// Gives gold, a thousand times at once.
async fn fill(app: &App, admin: &str) {
    let thousand = async |thousand: u32| {
        let line =
            |n: u32| json!({"key": format!("{thousand}-{n}"), "user_id": 6 + n % 18, "gold": 1});
        let lines: Vec<_> = (0..1_000).map(line).collect();
        let gift = json!({"reason": "many events", "lines": lines});
        let key = format!("fill-{thousand}");
        let given = app.post_keyed("/api/admin/grants", admin, &key, &gift).await;
        assert_eq!(given.status, 200, "{}", given.text);
    };
    stream::iter(0..THOUSANDS).map(thousand).buffer_unordered(4).collect::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_four_are_killed_in_turn_under_load_and_each_event_is_in_both_once() {
    let app = App::without_limits().await;
    let load = Load::sign_in(&app).await;
    let start = Instant::now();
    fill(&app, load.admin()).await;
    println!("filled after {:?}", start.elapsed());
    let mut sinks = Sinks::start(app.database.clone()).await;
    let clients = load.on(&app.url, CLIENTS);
    for round in 0..ROUNDS {
        for victim in VICTIMS {
            sleep(Duration::from_millis(rand::random_range(200..1_500))).await;
            sinks.strike(victim).await;
        }
        println!("round {round} after {:?}: {:?}", start.elapsed(), sinks.positions().await);
    }
    clients.stop().await;
    load.account_for(&app.database).await;
    sinks.relay.has_published_all(&app.database).await;
    say_the_same(&sinks.clickhouse.url, &app.database).await;
    let published = check(&sinks.broker.address, &sinks.topic, &app.database).await;
    println!("{published} events, all the same after {:?}", start.elapsed());
    assert!(published > 1_000 * usize::try_from(THOUSANDS).unwrap());
    assert!(sinks.relay.stop().await, "it ends well when asked to");
    sinks.worker.kill().await.unwrap();
}

/// How many commands are answered in a minute, seen over so long.
async fn rate(load: &Load, time: Duration) -> u128 {
    let (before, start) = (load.answers(), Instant::now());
    sleep(time).await;
    (load.answers() - before) as u128 * 60_000 / start.elapsed().as_millis()
}

/// What `/ready` says of both.
async fn told(app: &App) -> [(Value, Value); 2] {
    let ready = app.get("/ready", None).await;
    assert_eq!(ready.status, 200, "the club is as good without them: {}", ready.text);
    ["kafka", "clickhouse"].map(|sink| {
        let followers = ready.body["followers"].as_array().unwrap();
        let follower = followers.iter().find(|follower| follower["name"] == sink);
        (ready.body["dependencies"][sink].clone(), follower.cloned().unwrap_or_default())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_both_are_away_for_minutes_purchases_go_on_and_both_catch_up_by_themselves() {
    let (mut broker, topic, mut clickhouse) =
        (Broker::start().await, kafka::new_topic(), Server::new().await);
    let database = demo_database().await;
    let (brokers, url) = (broker.address.clone(), clickhouse.url.clone());
    let settings = [
        ("CLUB_LIMITS", "off"),
        ("KAFKA_BROKERS", &*brokers),
        ("KAFKA_TOPIC", &*topic),
        ("CLICKHOUSE_URL", &*url),
        ("CLICKHOUSE_DATABASE", &*database.name),
    ];
    let app = App::start_on(database.clone(), &settings).await;
    let load = Load::sign_in(&app).await;
    let clients = load.on(&app.url, CLIENTS);
    let failing = clickhouse::follower_is(&app, "failing").await;
    assert!(failing["error"].as_str().unwrap().contains("away"), "{failing}");
    clickhouse.start().await;
    clickhouse::follower_is(&app, "following").await;
    kafka::published_all(&app.url, &database).await;
    let with_both = rate(&load, BEFORE).await;
    broker.kill().await;
    clickhouse.kill().await;
    let left = database.head().await;
    let without = rate(&load, AWAY).await;
    println!("{with_both} commands a minute with both, {without} without");
    assert!(without * 2 > with_both, "the club waits for them");
    for (dependency, follower) in told(&app).await {
        assert!(dependency.as_str().unwrap().starts_with("away: "), "{dependency}");
        assert_eq!(follower["state"], "failing", "{follower}");
        assert!(follower["error"].as_str().is_some_and(|error| !error.is_empty()), "{follower}");
        let lag = follower["lag_events"].as_i64().unwrap();
        assert!(lag > (database.head().await - left) / 2, "{follower}");
        let behind = Duration::from_millis(follower["lag_ms"].as_u64().unwrap());
        assert!(behind > AWAY / 2, "{follower}");
    }
    let figures = app.get("/api/admin/analytics/kpis", Some(load.admin())).await;
    figures.is_problem(503, "ANALYTICS_UNAVAILABLE");
    kafka::figures_say(&app.url, "club_follower_well{follower=\"kafka\"} 0").await;
    kafka::figures_say(&app.url, "club_follower_well{follower=\"clickhouse\"} 0").await;
    broker.start_again().await;
    clickhouse.start().await;
    kafka::published_all(&app.url, &database).await;
    clients.stop().await;
    load.account_for(&database).await;
    kafka::published_all(&app.url, &database).await;
    say_the_same(&clickhouse.url, &database).await;
    assert!(app.stop().await.success());
    // What is written while nodes end is brought on by the next one.
    let app = App::start_on(database.clone(), &settings).await;
    kafka::published_all(&app.url, &database).await;
    say_the_same(&clickhouse.url, &database).await;
    let published = check(&broker.address, &topic, &database).await;
    println!("{published} events, {left} of them before both went away");
    for (dependency, follower) in told(&app).await {
        assert_eq!((&dependency, &follower["state"]), (&json!("up"), &json!("following")));
    }
}
