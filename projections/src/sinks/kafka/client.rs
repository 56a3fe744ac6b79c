//! What all clients of Kafka here have in common.

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::Kafka;

/// Settings of any client.
pub fn settings(kafka: &Kafka) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", "club-relay")
        // Brokers that come back are found soon.
        .set("reconnect.backoff.max.ms", "1000");
    settings
}

/// Hears what the library says by itself: each try to reach a broker that is away, each end of a
/// partition. What stops the relay comes back as an error, and is told once, where it is handled.
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "Kafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka");
    }
}

impl ConsumerContext for Quiet {}

impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    /// What was not delivered, a transaction does not commit.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
