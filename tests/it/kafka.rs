//! What is published: brokers of tests, the relay as a process, and a plain consumer that anybody could
//! have written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::app::{App, program};
use crate::database::Database;
use crate::log::entries;

/// Java takes some seconds to start, more on a machine that is busy.
const START: Duration = Duration::from_secs(60);
/// What is written is published within this, also after brokers were away.
const CAUGHT_UP: Duration = Duration::from_secs(60);

/// The broker that all tests share.
pub fn shared_brokers() -> String {
    std::env::var("KAFKA_TEST_BROKERS")
        .expect("KAFKA_TEST_BROKERS is not set: run the tests with `make test`")
}

/// A topic that no other test has.
pub fn new_topic() -> String {
    format!("club.test.{}", uuid::Uuid::now_v7().simple())
}

/// A broker of a test's own, to be killed.
pub struct Broker {
    /// Its address.
    pub address: String,
    directory: PathBuf,
    process: Child,
}

impl Broker {
    /// With nothing in it.
    pub async fn start() -> Self {
        let name = format!("club-kafka-{}", uuid::Uuid::now_v7().simple());
        let directory = std::env::temp_dir().join(name);
        let process = Self::launch(&directory);
        let mut broker = Self { address: String::new(), directory, process };
        broker.listens().await;
        broker
    }

    fn launch(directory: &PathBuf) -> Child {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/kafka");
        let mut command = Command::new(program);
        command.arg("run").arg(directory).stdin(Stdio::null()).stdout(Stdio::null());
        command.kill_on_drop(true).spawn().unwrap()
    }

    async fn listens(&mut self) {
        let latest = Instant::now() + START;
        loop {
            let known = std::fs::read_to_string(self.directory.join("brokers"));
            self.address = known.unwrap_or_default().trim().to_owned();
            let is_known = !self.address.is_empty();
            if is_known && tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return;
            }
            assert!(Instant::now() < latest, "the broker does not listen");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it on the spot.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again, on what it had stored, at the same address.
    pub async fn start_again(&mut self) {
        self.process = Self::launch(&self.directory);
        self.listens().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The role `relay`, as a process.
pub struct Relay {
    /// Where it tells how it is.
    pub url: String,
    process: Child,
}

impl Relay {
    /// From a database to a topic.
    pub async fn start(database: &Database, brokers: &str, topic: &str) -> Self {
        let mut command = program("club", &database.url());
        command.arg("relay").env("CLUB_RELAY_LISTEN", "127.0.0.1:0");
        command.env("KAFKA_BROKERS", brokers).env("KAFKA_TOPIC", topic);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(START, lines.next_line()).await.expect("it listens in time").unwrap();
        let line = line.expect("the relay ended before it listened");
        let url = line.split_once("listening on ").unwrap().1.trim().to_owned();
        Self { url, process }
    }

    /// Ends it as a crash does.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks it to end, and waits; whether it ended well.
    pub async fn stop(mut self) -> bool {
        self.signal("TERM").await;
        timeout(START, self.process.wait()).await.expect("it ends when asked to").unwrap().success()
    }

    /// Sends it a signal, by name.
    pub async fn signal(&self, name: &str) {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// What it says of itself once it is in this state.
    pub async fn is(&self, state: &str) -> Value {
        follower_is(&self.url, |follower| follower["state"] == state, state).await.1
    }

    /// Waits until it has published everything that is in the log now.
    pub async fn has_published_all(&self, database: &Database) {
        published_all(&self.url, database).await;
    }
}

/// What a process says of the relay, once that is so; with the status of the answer.
pub async fn follower_is(
    url: &str,
    is_so: impl Fn(&Value) -> bool,
    what: &str,
) -> (StatusCode, Value) {
    let latest = Instant::now() + CAUGHT_UP;
    loop {
        let (status, follower) = follower(url).await;
        if is_so(&follower) {
            return (status, follower);
        }
        assert!(Instant::now() < latest, "the relay is never {what}: {follower}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What a process says of the relay now.
pub async fn follower(url: &str) -> (StatusCode, Value) {
    let ready = reqwest::get(format!("{url}/ready")).await.unwrap();
    let status = ready.status();
    let ready: Value = ready.json().await.unwrap();
    let followers = ready["followers"].as_array().unwrap();
    let follower = followers.iter().find(|follower| follower["name"] == "kafka");
    (status, follower.cloned().unwrap_or_default())
}

/// Waits until everything that is in the log now is published.
pub async fn published_all(url: &str, database: &Database) {
    let head = u64::try_from(database.head().await).unwrap();
    let is_there = |follower: &Value| follower["position"].as_u64().unwrap_or(0) >= head;
    follower_is(url, is_there, &format!("at {head}")).await;
}

/// Waits until the figures of a process have such a line. They are told once a second.
pub async fn figures_say(url: &str, line: &str) {
    let latest = Instant::now() + CAUGHT_UP;
    loop {
        let figures = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
        if figures.lines().any(|it| it.starts_with(line)) {
            return;
        }
        assert!(Instant::now() < latest, "no line begins with {line}: {figures}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// A node that publishes, or stands by for it.
pub async fn publishing(database: Database, brokers: &str, topic: &str) -> App {
    let kafka = [("KAFKA_BROKERS", brokers), ("KAFKA_TOPIC", topic)];
    App::start_on(database, &[&[("CLUB_LIMITS", "off")], &kafka[..]].concat()).await
}

/// A record as a consumer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub partition: i32,
    pub key: String,
    pub headers: HashMap<String, String>,
    pub payload: String,
}

impl Record {
    /// The event's position in the log.
    pub fn position(&self) -> u64 {
        self.headers["ce_sequence"].parse().unwrap()
    }
}

/// All that is committed in a topic, partition by partition, in the order of each.
pub async fn committed(brokers: &str, topic: &str) -> Vec<Record> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || read_committed(&brokers, &topic));
    let mut records = read.await.unwrap();
    records.sort_by_key(|record| record.partition);
    records
}

fn read_committed(brokers: &str, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), START).unwrap();
    let mut left = metadata.topics()[0].partitions().len();
    assert!(left > 0, "{topic} is not there");
    let mut all = TopicPartitionList::new();
    all.add_partition_range(topic, 0, i32::try_from(left - 1).unwrap());
    all.set_all_offsets(Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let mut records = Vec::new();
    while left > 0 {
        match next(&consumer) {
            Ok(message) => records.push(record(&message)),
            Err(KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    records
}

/// What comes next. A poll gives nothing, and at once, when something else than a record has come.
fn next(consumer: &BaseConsumer) -> Result<BorrowedMessage<'_>, KafkaError> {
    let latest = std::time::Instant::now() + START;
    loop {
        if let Some(next) = consumer.poll(START) {
            return next;
        }
        assert!(std::time::Instant::now() < latest, "brokers do not answer");
    }
}

fn record(message: &impl Message) -> Record {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let headers = message.headers().unwrap().iter();
    Record {
        partition: message.partition(),
        key: text(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        payload: text(message.payload()),
    }
}

/// Holds a topic against the log: each event is there once, as it is in the log; those of one player are in
/// one partition, in order.
pub fn is_the_log(records: &[Record], log: &[crate::log::Entry]) {
    let mut by_position = HashMap::new();
    let mut last_of_key: HashMap<&str, (i32, u64)> = HashMap::new();
    for record in records {
        let position = record.position();
        assert!(by_position.insert(position, record).is_none(), "{position} is there twice");
        let last = last_of_key.insert(&record.key, (record.partition, position));
        let (partition, before) = last.unwrap_or((record.partition, 0));
        assert_eq!(partition, record.partition, "{} is in two partitions", record.key);
        assert!(before < position, "{}: {position} comes after {before}", record.key);
    }
    for crate::log::Entry { recorded, .. } in log {
        let position = recorded.place.position;
        let record = by_position.remove(&position);
        let record = record.unwrap_or_else(|| panic!("{position} is not published"));
        let event = &recorded.event;
        let stream = format!("{}/{}", event.aggregate_type, event.aggregate_id);
        assert_eq!(*record.payload, *event.payload, "{position}");
        assert_eq!(record.headers["ce_id"], format!("{stream}/{}", event.sequence), "{position}");
        assert_eq!(record.headers["ce_cursor"], recorded.place.cursor().to_string());
    }
    assert!(by_position.is_empty(), "not in the log: {by_position:?}");
}

/// Holds a topic against the log, and the place against both.
pub async fn check(brokers: &str, topic: &str, database: &Database) -> usize {
    let log = entries(database).await;
    let records = committed(brokers, topic).await;
    is_the_log(&records, &log);
    let last = log.last().unwrap().recorded.place;
    let place = place(brokers, topic).await;
    assert_eq!(place["position"], last.position, "{place}");
    assert_eq!(place["hash"], last.hash.to_string(), "{place}");
    records.len()
}

/// The relay's place, as it stands in Kafka.
pub async fn place(brokers: &str, topic: &str) -> Value {
    let (brokers, topic) = (brokers.to_owned(), format!("{topic}.place"));
    let read = tokio::task::spawn_blocking(move || last_payload(&brokers, &topic));
    serde_json::from_str(&read.await.unwrap()).unwrap()
}

fn last_payload(brokers: &str, topic: &str) -> String {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partition).unwrap();
    let mut last = String::new();
    loop {
        match next(&consumer) {
            Ok(message) => last = String::from_utf8(message.payload().unwrap().to_vec()).unwrap(),
            Err(KafkaError::PartitionEOF(_)) => return last,
            Err(error) => panic!("{error}"),
        }
    }
}
