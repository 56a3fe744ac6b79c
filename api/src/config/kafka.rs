//! Where events are published.

use std::net::SocketAddr;

use projections::sinks::kafka::Kafka;

use super::variables::{InvalidSetting, Setting, Variables};

/// The topic of events unless another is named.
const DEFAULT_TOPIC: &str = "club.events";

/// See the module.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `KAFKA_BROKERS`: addresses of brokers, `host:port`, separated by commas. Without them nothing is
    /// published.
    pub brokers: Option<String>,
    /// `KAFKA_TOPIC`: where events go, default `club.events`. How far the relay is stands in a topic of
    /// the same name with `.place`. The same on every node.
    pub topic: String,
    /// `CLUB_RELAY_LISTEN`: where the role `relay` answers `/health`, `/ready` and `/metrics`; default
    /// `127.0.0.1:8001`, port 0 takes a free one.
    pub listen: SocketAddr,
}

/// Addresses of brokers.
struct Brokers(String);

impl Setting for Brokers {
    const EXPECTED: &'static str = "addresses of brokers such as kafka1:9092,kafka2:9092";

    fn from_text(text: &str) -> Option<Self> {
        let is_address = |address: &str| {
            let (host, port) = address.trim().rsplit_once(':')?;
            (!host.is_empty() && port.parse::<u16>().is_ok()).then_some(())
        };
        text.split(',').all(|address| is_address(address).is_some()).then(|| Self(text.to_owned()))
    }
}

/// A topic's name. There has to be room for `.place` behind it.
struct Topic(String);

impl Setting for Topic {
    const EXPECTED: &'static str = "up to 240 of a-z A-Z 0-9 . _ - such as club.events";

    fn from_text(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        (text.len() <= 240 && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }
}

impl KafkaConfig {
    pub(super) fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8001));
        Ok(Self {
            brokers: variables.optional::<Brokers>("KAFKA_BROKERS")?.map(|brokers| brokers.0),
            topic: variables.parse("KAFKA_TOPIC", Topic(DEFAULT_TOPIC.to_owned()))?.0,
            listen: variables.parse("CLUB_RELAY_LISTEN", listen)?,
        })
    }

    /// Where events are published; `None` if nowhere.
    #[must_use]
    pub fn kafka(&self) -> Option<Kafka> {
        let topic = self.topic.clone();
        self.brokers.clone().map(|brokers| Kafka { brokers, topic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<KafkaConfig, InvalidSetting> {
        KafkaConfig::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn nothing_is_published_unless_a_broker_is_named() {
        let config = read(&[]).unwrap();
        assert_eq!((config.brokers, config.topic.as_str()), (None, "club.events"));
        let config = read(&[("KAFKA_BROKERS", "one:9092,two:9092")]).unwrap();
        assert_eq!(config.brokers.unwrap(), "one:9092,two:9092");
    }

    #[test]
    fn what_is_no_address_and_no_topic_is_refused() {
        for (name, value) in [
            ("KAFKA_BROKERS", "localhost"),
            ("KAFKA_BROKERS", "one:9092,"),
            ("KAFKA_TOPIC", "club events"),
            ("CLUB_RELAY_LISTEN", "8001"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().to_string().starts_with(name), "{value}");
        }
    }
}
