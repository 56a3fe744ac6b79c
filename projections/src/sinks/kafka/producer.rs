//! The transactional producer. There is one at a time: whoever starts under the same transactional id
//! fences off the one before.

use std::time::Duration;

use domain::stored::Recorded;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::client::{Quiet, settings};
use super::place::StoredPlace;
use super::record::{Envelope, Source};
use super::topics::LARGEST;
use super::{Kafka, RelayError, failed};

/// How long brokers may take for one step of a transaction.
const PATIENCE: Duration = Duration::from_secs(10);
/// A transaction whose producer is not heard of any more is aborted after this. Consumers wait for it.
const LONGEST_TRANSACTION: &str = "30000";

/// See the module.
pub struct Transactions {
    producer: BaseProducer<Quiet>,
    topic: String,
    place_topic: String,
}

impl Transactions {
    /// Fences off whoever produced before, and finishes what they left open.
    pub fn start(kafka: &Kafka) -> Result<Self, RelayError> {
        let step = "no transactions can be begun";
        let producer: BaseProducer<Quiet> = settings(kafka)
            .set("transactional.id", format!("club.relay.{}", kafka.topic))
            .set("transaction.timeout.ms", LONGEST_TRANSACTION)
            .set("acks", "all")
            // As Java's clients do it: whoever computes a key's partition finds the same one.
            .set("partitioner", "murmur2")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("message.max.bytes", LARGEST)
            .create_with_context(Quiet)
            .map_err(failed(step))?;
        producer.init_transactions(PATIENCE).map_err(failed(step))?;
        let (topic, place_topic) = (kafka.topic.clone(), kafka.place_topic());
        Ok(Self { producer, topic, place_topic })
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<(), RelayError> {
        self.producer.begin_transaction().map_err(failed("a transaction cannot be begun"))
    }

    /// Puts an event into it. It goes out in the background.
    pub fn send(&self, event: &Recorded, source: &Source) -> Result<(), RelayError> {
        let Envelope { key, headers, timestamp } = Envelope::of(event, source)
            .map_err(|source| RelayError::Metadata { position: event.place.position, source })?;
        let record = BaseRecord::to(&self.topic)
            .key(&key)
            .payload(&*event.event.payload)
            .headers(headers)
            .timestamp(timestamp);
        self.enqueue(record)
    }

    /// Puts the place into it and ends it: consumers see all of it, or nothing.
    pub fn commit(&self, place: &StoredPlace) -> Result<(), RelayError> {
        let place = place.to_json();
        self.enqueue(BaseRecord::to(&self.place_topic).key(&self.topic).payload(&place))?;
        self.producer
            .commit_transaction(PATIENCE)
            .map_err(failed("the transaction was not committed"))
    }

    fn enqueue(&self, record: BaseRecord<'_, String, str>) -> Result<(), RelayError> {
        let sent = self.producer.send(record);
        sent.map_err(|(source, _): (KafkaError, _)| failed("an event cannot be sent")(source))
    }
}
