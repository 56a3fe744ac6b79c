//! The two topics, made where they are missing. Whoever wants other settings makes them beforehand; what
//! is there is left as it is.

use std::time::Duration;

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{Quiet, settings};
use super::{Kafka, RelayError, failed};

/// So many consumers of one group can share the work. Never changed afterwards: a player's events would
/// move to another partition, and lose their order there.
const PARTITIONS: i32 = 12;
/// As the brokers are set: `default.replication.factor`.
const REPLICATION: TopicReplication<'static> = TopicReplication::Fixed(-1);
/// The largest record, in bytes. Events that list very many players are far larger than others.
pub const LARGEST: &str = "8000000";
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes what is missing.
pub fn insist_on_them(kafka: &Kafka) -> Result<(), RelayError> {
    let step = "the topics cannot be made";
    let client: AdminClient<Quiet> =
        settings(kafka).create_with_context(Quiet).map_err(failed(step))?;
    let place_topic = kafka.place_topic();
    let topics = [events(&kafka.topic), place(&place_topic)];
    let options =
        AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    let made = block_on(client.create_topics(&topics, &options)).map_err(failed(step))?;
    for made in made {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(step)(KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

/// Everything is kept: whoever comes new reads from the first event.
fn events(name: &str) -> NewTopic<'_> {
    NewTopic::new(name, PARTITIONS, REPLICATION)
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("compression.type", "producer")
        .set("max.message.bytes", LARGEST)
}

/// Only the last place counts, and it is kept for good. Segments are small, since the last one is never
/// compacted and all of it is read at every start.
fn place(name: &str) -> NewTopic<'_> {
    NewTopic::new(name, 1, REPLICATION)
        .set("cleanup.policy", "compact")
        .set("segment.bytes", "1048576")
        .set("min.cleanable.dirty.ratio", "0.1")
}
