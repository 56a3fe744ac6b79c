//! Publishing a long log to Kafka: the relay, beside a bare transactional producer that writes the same
//! bytes to the same broker.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::cpu::CpuMeter;
use crate::long_log::Reading;
use crate::players::follower_position;
use crate::service::Server;

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub enum Publishing {
    /// A producer that does nothing else.
    Bare,
    /// `club relay`, from its start until all is published.
    Relay,
}

/// Records of one transaction: as many as a page of the log has.
const TRANSACTION: usize = 5_000;
const PARTITIONS: i32 = 12;
const PATIENCE: Duration = Duration::from_secs(60);
/// The relay is asked so seldom that it does not notice.
const LOOK: Duration = Duration::from_millis(50);

/// A broker of the benchmark's own.
pub struct Broker {
    address: String,
    folder: PathBuf,
    process: Child,
}

impl Broker {
    /// With nothing in it, by `ops/kafka`.
    pub async fn start(folder: &Path) -> Result<Self> {
        let folder = folder.join(format!("kafka.{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/kafka");
        let mut command = Command::new(script);
        let log = File::create(folder.join("log"))?;
        command.arg("run").arg(&folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.kill_on_drop(true).spawn().context("ops/kafka does not start")?;
        let latest = Instant::now() + PATIENCE;
        loop {
            let address = std::fs::read_to_string(folder.join("brokers")).unwrap_or_default();
            let address = address.trim().to_owned();
            let is_known = !address.is_empty();
            if is_known && tokio::net::TcpStream::connect(&address).await.is_ok() {
                return Ok(Self { address, folder, process });
            }
            ensure!(Instant::now() < latest, "no broker after 60 s, see {}", folder.display());
            sleep(LOOK).await;
        }
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    fn id(&self) -> Result<u32> {
        self.process.id().context("the broker has ended")
    }
}

impl Drop for Broker {
    /// The next one begins with nothing.
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Lets the relay publish the whole log to a new topic.
pub async fn relay(
    bin: &Path,
    (url, length): (&str, u64),
    (broker, topic): (&Broker, &str),
    postgres: &CpuMeter,
) -> Result<Reading> {
    let servers = postgres.and(broker.id()?).and(std::process::id());
    let (cpu_before, started) = (servers.read()?, Instant::now());
    let log = broker.folder.join(format!("{topic}.log"));
    let server = Server::relay(bin, url, (&broker.address, topic), &log).await?;
    loop {
        if follower_position(server.address, "kafka").await? >= length {
            break;
        }
        sleep(LOOK).await;
    }
    let (wall, cpu) = (started.elapsed(), servers.read()?.saturating_sub(cpu_before));
    server.stop().await?;
    Ok(Reading { events: length, wall, cpu })
}

/// What is published in a topic, whole and in memory.
pub async fn records(broker: &Broker, topic: &str) -> Result<Vec<OwnedMessage>> {
    let (brokers, topic) = (broker.address.clone(), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", "benchmark")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()?;
        let mut all = TopicPartitionList::new();
        all.add_partition_range(&topic, 0, PARTITIONS - 1);
        all.set_all_offsets(Offset::Beginning)?;
        consumer.assign(&all)?;
        let (mut records, mut left) = (Vec::new(), PARTITIONS);
        let mut heard = Instant::now();
        while left > 0 {
            match consumer.poll(PATIENCE) {
                Some(Ok(record)) => records.push(record.detach()),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => left -= 1,
                Some(Err(error)) => return Err(error.into()),
                // It gives nothing sooner, too, when something else than a record has come.
                None if heard.elapsed() < PATIENCE => continue,
                None => bail!("the broker is silent behind {} records", records.len()),
            }
            heard = Instant::now();
        }
        Ok(records)
    })
    .await?
}

/// Writes records to another topic in transactions, as fast as it goes, and nothing else.
pub async fn bare(broker: &Broker, topic: &str, records: Vec<OwnedMessage>) -> Result<Reading> {
    let servers = CpuMeter::new([broker.id()?, std::process::id()]);
    let (brokers, topic) = (broker.address.clone(), topic.to_owned());
    let events = records.len() as u64;
    make_topic(broker, &topic).await?;
    let cpu_before = servers.read()?;
    let wall = tokio::task::spawn_blocking(move || write(&brokers, &topic, &records)).await??;
    Ok(Reading { events, wall, cpu: servers.read()?.saturating_sub(cpu_before) })
}

async fn make_topic(broker: &Broker, topic: &str) -> Result<()> {
    let mut settings = ClientConfig::new();
    let client: AdminClient<DefaultClientContext> =
        settings.set("bootstrap.servers", &broker.address).create()?;
    let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    for made in client.create_topics(&[topic], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
    }
    Ok(())
}

/// With the settings of the relay.
fn write(brokers: &str, topic: &str, records: &[OwnedMessage]) -> Result<Duration> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", topic)
        .set("acks", "all")
        .set("partitioner", "murmur2")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .create()?;
    let started = Instant::now();
    producer.init_transactions(PATIENCE)?;
    for transaction in records.chunks(TRANSACTION) {
        producer.begin_transaction()?;
        for record in transaction {
            let mut again = BaseRecord::to(topic)
                .key(record.key().unwrap_or_default())
                .payload(record.payload().unwrap_or_default());
            if let Some(headers) = record.headers() {
                again = again.headers(headers.clone());
            }
            producer.send(again).map_err(|(error, _)| error)?;
        }
        producer.commit_transaction(PATIENCE)?;
    }
    Ok(started.elapsed())
}
