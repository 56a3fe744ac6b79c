//! An event as others read it: a CloudEvent 1.0 in the binary mode of its Kafka binding, keyed by player.

use std::borrow::Cow;

use chrono::SecondsFormat;
use domain::account::Account;
use domain::activity::Activity;
use domain::aggregate::Aggregate;
use domain::identity::Identity;
use domain::stored::Recorded;
use rdkafka::message::{Header, OwnedHeaders};
use serde::Deserialize;
use sqlx::types::Uuid;

/// The log that events come from: ids are unique in it.
#[derive(Debug)]
pub struct Source(String);

impl Source {
    /// Of the log with this id.
    #[must_use]
    pub fn new(log_id: &Uuid) -> Self {
        Self(log_id.urn().to_string())
    }
}

/// Of what is said about an event, only what is told to others. What a request brought along, such as
/// its id, is its sender's word, and nobody knows what it says.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    actor_kind: Cow<'a, str>,
    #[serde(borrow)]
    actor_id: Cow<'a, str>,
    #[serde(borrow)]
    player: Option<Cow<'a, str>>,
}

/// What goes beside an event's payload.
pub struct Envelope {
    /// Which partition: all events of one player are in one.
    pub key: String,
    /// The attributes.
    pub headers: OwnedHeaders,
    /// When it was recorded, in milliseconds.
    pub timestamp: i64,
}

impl Envelope {
    /// Of an event.
    ///
    /// # Errors
    /// If what is said about it cannot be read: the log is newer than this program.
    pub fn of(recorded: &Recorded, Source(source): &Source) -> Result<Self, serde_json::Error> {
        let event = &recorded.event;
        let told: Told<'_> = serde_json::from_str(&event.metadata)?;
        let (family, name, version) =
            (&event.aggregate_type, &event.event_type, &event.event_version);
        let stream = format!("{family}/{}", event.aggregate_id);
        // As texts these are in order, too, which the extension asks for.
        let sequence = format!("{:020}", recorded.place.position);
        let time = recorded.recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let headers = OwnedHeaders::new_with_capacity(11)
            .attribute("content-type", "application/json")
            .attribute("ce_specversion", "1.0")
            .attribute("ce_id", &format!("{stream}/{}", event.sequence))
            .attribute("ce_source", source)
            .attribute("ce_type", &format!("club.{family}.{name}"))
            .attribute("ce_time", &time)
            .attribute("ce_subject", &stream)
            .attribute("ce_dataschema", &domain::schema::id(family, name, version))
            .attribute("ce_sequence", &sequence)
            .attribute("ce_family", family)
            .attribute("ce_cursor", &recorded.place.cursor().to_string())
            .attribute("ce_actor", &format!("{}:{}", told.actor_kind, told.actor_id));
        let player = match told.player {
            Some(player) => Some(player.into_owned()),
            None => is_of_a_player(family).then(|| event.aggregate_id.to_string()),
        };
        let timestamp = recorded.recorded_at.timestamp_millis();
        Ok(Self { key: player.unwrap_or(stream), headers, timestamp })
    }
}

/// Whether a stream of this family has its player's number.
fn is_of_a_player(family: &str) -> bool {
    [Account::TYPE, Identity::TYPE, Activity::TYPE].contains(&family)
}

trait Attributes {
    fn attribute(self, key: &str, value: &str) -> Self;
}

impl Attributes for OwnedHeaders {
    fn attribute(self, key: &str, value: &str) -> Self {
        self.insert(Header { key, value: Some(value) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use domain::stored::{Hash, Place, StoredEvent};
    use rdkafka::message::Headers;

    use super::*;

    fn recorded(family: &'static str, id: &str, metadata: &str) -> Recorded {
        Recorded {
            place: Place { position: 1_234, hash: Hash::genesis(b"log") },
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            event: StoredEvent {
                aggregate_type: family.into(),
                aggregate_id: Arc::from(id),
                sequence: 7,
                event_type: "gold_granted".into(),
                event_version: "1".into(),
                payload: "{}".into(),
                metadata: Arc::from(metadata),
            },
        }
    }

    fn envelope(family: &'static str, id: &str, metadata: &str) -> Envelope {
        let source = Source::new(&Uuid::from_u128(5));
        Envelope::of(&recorded(family, id, metadata), &source).unwrap()
    }

    #[test]
    fn an_event_is_a_cloud_event_and_nothing_of_the_request_is_told() {
        let metadata = r#"{"actor_id":"24","actor_kind":"admin","player":"23","request":"Kim"}"#;
        let envelope = envelope("account", "23", metadata);
        let headers: Vec<(String, String)> = envelope
            .headers
            .iter()
            .map(|it| (it.key.to_owned(), String::from_utf8(it.value.unwrap().to_vec()).unwrap()))
            .collect();
        let expected = [
            ("content-type", "application/json"),
            ("ce_specversion", "1.0"),
            ("ce_id", "account/23/7"),
            ("ce_source", "urn:uuid:00000000-0000-0000-0000-000000000005"),
            ("ce_type", "club.account.gold_granted"),
            ("ce_time", "2023-11-14T22:13:20.000001Z"),
            ("ce_subject", "account/23"),
            ("ce_dataschema", "urn:club:event:account:gold_granted:1"),
            ("ce_sequence", "00000000000000001234"),
            ("ce_family", "account"),
            ("ce_cursor", &recorded("", "", "").place.cursor().to_string()),
            ("ce_actor", "admin:24"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
        assert_eq!(envelope.timestamp, 1_700_000_000_000);
    }

    #[test]
    fn the_key_is_the_player_or_else_the_stream() {
        let nobody = r#"{"actor_id":"seed","actor_kind":"system"}"#;
        let somebody = r#"{"actor_id":"seed","actor_kind":"system","player":"23"}"#;
        assert_eq!(envelope("account", "23", nobody).key, "23");
        assert_eq!(envelope("product", "1001", nobody).key, "product/1001");
        assert_eq!(envelope("package", "VIP_BLITZ", somebody).key, "23");
    }
}
