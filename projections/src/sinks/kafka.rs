//! The relay: publishes every event of the log to Kafka, once and in order, for whoever wants our events.
//!
//! A page of the log is one Kafka transaction, and the place behind it is written in that very
//! transaction: whoever reads what is committed sees each event once, whatever crashes. The place is
//! read back at every start, so what became of a transaction that nobody saw the end of is never a
//! question. docs/consuming-events.md is what consumers are told.

mod client;
mod place;
mod producer;
mod record;
mod topics;

use std::time::Duration;

use domain::stored::{Place, Recorded};
use rdkafka::error::KafkaError;
use sqlx::types::Uuid;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::checkpoint::{self, Checkpoint};
use crate::engine::Pace;
use crate::feed::Feed;
use crate::follower::{FollowerError, Resume, Sink};

use place::StoredPlace;
use producer::Transactions;
use record::Source;

/// What `/ready`, metrics and `read.followers` call it. Forever.
pub const NAME: &str = "kafka";
/// A transaction costs the broker a few writes for each partition, however many events are in it.
const PACE: Pace = Pace { busy: Duration::from_millis(100), awaited: Duration::from_millis(10) };
/// How often the place is told to the database, where nodes that stand by and operators see it.
const TELL: Duration = Duration::from_secs(1);

/// Where events are published.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Addresses of brokers.
    pub brokers: String,
    /// The topic of events.
    pub topic: String,
}

impl Kafka {
    /// The topic that holds the relay's place.
    fn place_topic(&self) -> String {
        format!("{}.place", self.topic)
    }
}

/// Why the relay cannot go on. Everything is tried again with another producer.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    /// A broker refused, or none answered.
    #[error("{step}: {source}")]
    Kafka {
        /// What was tried.
        step: &'static str,
        /// What came of it.
        source: KafkaError,
    },
    /// What is said about an event cannot be read.
    #[error("what is said about the event at position {position} cannot be read: {source}")]
    Metadata {
        /// Which event.
        position: u64,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// What stands in the topic of places is no place.
    #[error("the record in {0} is not a place: another program has written there")]
    NotAPlace(String),
    /// The topic was made anew behind the relay's back.
    #[error(
        "{topic} holds {records} records at most, and {published} events have been published to it: it \
         was made anew. name another topic by KAFKA_TOPIC, and all events are published there"
    )]
    TopicIsAnother {
        /// Which.
        topic: String,
        /// How many records it can hold.
        records: u64,
        /// How many it should.
        published: u64,
    },
    /// Nobody knows how far the relay was.
    #[error(
        "{topic} holds events and {topic}.place has no place: what was published is not known. name \
         another topic by KAFKA_TOPIC, and all events are published there"
    )]
    PlaceIsLost {
        /// Which.
        topic: String,
    },
}

/// Puts what was tried beside what came of it.
fn failed(step: &'static str) -> impl Fn(KafkaError) -> RelayError {
    move |source| RelayError::Kafka { step, source }
}

/// See the module.
pub struct Relay {
    kafka: Kafka,
    feed: Feed,
    at_work: Option<AtWork>,
}

/// A producer that nobody else has fenced off yet, and what it has done.
struct AtWork {
    transactions: Transactions,
    source: Source,
    /// The last event in the open transaction.
    sent: Option<Place>,
    /// The last event that consumers see.
    committed: Option<Place>,
    /// What the database was told, and when.
    told: (Option<Place>, Instant),
}

impl Relay {
    /// Not at work yet.
    #[must_use]
    pub fn new(kafka: Kafka, feed: Feed) -> Self {
        Self { kafka, feed, at_work: None }
    }

    async fn source(&self) -> Result<Source, FollowerError> {
        let sql = "select log_id from log_head";
        let log_id: Uuid = sqlx::query_scalar(sql).fetch_one(self.feed.pool()).await?;
        Ok(Source::new(&log_id))
    }

    /// Nodes that stand by, and operators, look into the database; the truth is in Kafka.
    async fn tell(&mut self) -> Result<(), FollowerError> {
        let Some(at_work) = &mut self.at_work else { return Ok(()) };
        let Some(place) = at_work.committed else { return Ok(()) };
        let (told, at) = at_work.told;
        if told == Some(place) || (told.is_some() && at.elapsed() < TELL) {
            return Ok(());
        }
        let mut connection = self.feed.pool().acquire().await?;
        checkpoint::put(&mut connection, NAME, &Checkpoint::only(place)).await?;
        at_work.told = (Some(place), Instant::now());
        Ok(())
    }
}

impl Sink for Relay {
    const NAME: &'static str = NAME;
    const LEASED: bool = true;
    const PACE: Option<Pace> = Some(PACE);

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        // The producer before this one may have failed in a way that it does not recover from.
        block_in_place(|| self.at_work = None);
        let source = self.source().await?;
        let kafka = &self.kafka;
        let (transactions, place) =
            block_in_place(|| start(kafka)).map_err(FollowerError::handler)?;
        let (sent, told) = (None, (None, Instant::now()));
        self.at_work = Some(AtWork { transactions, source, sent, committed: place, told });
        Ok(place.map_or(Resume::Genesis, Resume::After))
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        let Some(at_work) = &mut self.at_work else { return Err(FollowerError::Superseded) };
        block_in_place(|| at_work.send(events)).map_err(FollowerError::handler)
    }

    async fn settle(&mut self) -> Result<(), FollowerError> {
        if let Some(at_work) = &mut self.at_work {
            block_in_place(|| at_work.commit()).map_err(FollowerError::handler)?;
        }
        self.tell().await
    }

    async fn idle(&mut self) -> Result<(), FollowerError> {
        self.tell().await
    }
}

/// Makes the topics, fences off whoever published before and finishes what they left open, and only
/// then reads how far they came: nobody can move that place any more but this producer.
fn start(kafka: &Kafka) -> Result<(Transactions, Option<Place>), RelayError> {
    topics::insist_on_them(kafka)?;
    let transactions = Transactions::start(kafka)?;
    let place = place::read(kafka)?;
    Ok((transactions, place))
}

impl AtWork {
    fn send(&mut self, events: &[Recorded]) -> Result<(), RelayError> {
        let Some(last) = events.last() else { return Ok(()) };
        if self.sent.is_none() {
            self.transactions.begin()?;
        }
        self.sent = Some(last.place);
        events.iter().try_for_each(|event| self.transactions.send(event, &self.source))
    }

    fn commit(&mut self) -> Result<(), RelayError> {
        let Some(place) = self.sent else { return Ok(()) };
        self.transactions.commit(&StoredPlace::of(&place))?;
        let before = self.committed.map_or(0, |place| place.position);
        metrics::counter!("club_relay_events_total").increment(place.position - before);
        metrics::counter!("club_relay_transactions_total").increment(1);
        (self.sent, self.committed) = (None, Some(place));
        Ok(())
    }
}
