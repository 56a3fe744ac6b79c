//! How far the relay is: the last record of a topic of its own, written in the transaction of the events
//! before it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use domain::stored::{Hash, Place};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::client::{Quiet, settings};
use super::{Kafka, RelayError, failed};

/// How long brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: &str = "the place cannot be read";

/// A place as it stands in Kafka.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPlace {
    position: u64,
    hash: String,
}

impl StoredPlace {
    /// Of a place.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        Self { position: place.position, hash: place.hash.to_string() }
    }

    /// The record's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Two plain fields always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn read(text: &[u8]) -> Option<Place> {
        let Self { position, hash } = serde_json::from_slice(text).ok()?;
        let bytes = hash
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        let hash = Hash::from_slice(&bytes.collect::<Option<Vec<u8>>>()?)?;
        Some(Place { position, hash })
    }
}

/// The place of the last transaction that was committed, if there was one. Nobody may be publishing
/// meanwhile.
pub fn read(kafka: &Kafka) -> Result<Option<Place>, RelayError> {
    let consumer = consumer(kafka)?;
    let topic = kafka.place_topic();
    let mut place = None;
    each_committed(&consumer, &topic, |record| {
        let read = record.payload().and_then(StoredPlace::read);
        place = Some(read.ok_or_else(|| RelayError::NotAPlace(topic.clone()))?);
        Ok(())
    })?;
    check_the_topic(&consumer, kafka, place.as_ref())?;
    Ok(place)
}

/// Whether the place can be that of this topic: whoever has deleted one of the two has lost the other.
fn check_the_topic(
    consumer: &Reader,
    kafka: &Kafka,
    place: Option<&Place>,
) -> Result<(), RelayError> {
    let topic = kafka.topic.clone();
    let Some(Place { position: published, .. }) = place.copied() else {
        let lost = |_: &BorrowedMessage<'_>| Err(RelayError::PlaceIsLost { topic: topic.clone() });
        return each_committed(consumer, &topic, lost);
    };
    let records = ends(consumer, &topic)?;
    let is_whole = records >= published;
    is_whole.then_some(()).ok_or(RelayError::TopicIsAnother { topic, records, published })
}

type Reader = BaseConsumer<Quiet>;

/// A consumer of what is committed, which belongs to no group and remembers nothing.
fn consumer(kafka: &Kafka) -> Result<Reader, RelayError> {
    settings(kafka)
        .set("group.id", "club.relay") // asked for, and not used
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // The end of a partition is told when a fetch comes back, also one that has found nothing.
        .set("fetch.wait.max.ms", "10")
        .create_with_context(Quiet)
        .map_err(failed(STEP))
}

/// Hands over what is committed in a topic, from its beginning to the end of each partition.
fn each_committed(
    consumer: &Reader,
    topic: &str,
    mut take: impl FnMut(&BorrowedMessage<'_>) -> Result<(), RelayError>,
) -> Result<(), RelayError> {
    let mut open: HashSet<i32> = (0..partitions(consumer, topic)?).collect();
    let mut from = TopicPartitionList::new();
    for partition in &open {
        let added = from.add_partition_offset(topic, *partition, Offset::Beginning);
        added.map_err(failed(STEP))?;
    }
    consumer.assign(&from).map_err(failed(STEP))?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        let heard_of = consumer.poll(Duration::from_millis(100));
        match heard_of {
            Some(Ok(record)) if record.topic() == topic => take(&record)?,
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            // Brokers that are away for a moment are no failure to a consumer.
            Some(Ok(_) | Err(_)) | None if heard.elapsed() < PATIENCE => continue,
            Some(Err(error)) => return Err(failed(STEP)(error)),
            Some(Ok(_)) | None => {
                let silence = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                return Err(failed(STEP)(silence));
            }
        }
        heard = Instant::now();
    }
    consumer.unassign().map_err(failed(STEP))
}

fn partitions(consumer: &Reader, topic: &str) -> Result<i32, RelayError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(failed(STEP))?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    match i32::try_from(partitions) {
        Ok(partitions) if partitions > 0 => Ok(partitions),
        // It has just been made, and this broker has not heard of it.
        _ => Err(failed(STEP)(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic))),
    }
}

/// One more than the last offset, over all partitions. Marks of transactions have offsets too, so there
/// are never more records than that.
fn ends(consumer: &Reader, topic: &str) -> Result<u64, RelayError> {
    (0..partitions(consumer, topic)?).try_fold(0, |sum: u64, partition| {
        let (_, end) =
            consumer.fetch_watermarks(topic, partition, PATIENCE).map_err(failed(STEP))?;
        Ok(sum.saturating_add(u64::try_from(end).unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_nothing_else_does() {
        let place = Place { position: 7, hash: Hash::genesis(b"log") };
        let text = StoredPlace::of(&place).to_json();
        assert_eq!(StoredPlace::read(text.as_bytes()), Some(place));
        for text in ["", "7", r#"{"position":7}"#, r#"{"position":7,"hash":"00"}"#] {
            assert_eq!(StoredPlace::read(text.as_bytes()), None, "{text}");
        }
    }
}
