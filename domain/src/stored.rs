//! The stored form of the log: what an event looks like at rest, how it is hashed and chained, and
//! how it is read back at its current version.
//!
//! Everything here is forever: a change of the digest or the chain is a new version tag.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use sha2::{Digest, Sha256};

use crate::aggregate::Event;
use crate::encoding;
use crate::id::InvalidId;

const EVENT_TAG: &[u8] = b"club.event.1";
const CHAIN_TAG: &[u8] = b"club.chain.1";
const GENESIS_TAG: &[u8] = b"club.log.1";

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash that stands before the first event of the log with this id.
    #[must_use]
    pub fn genesis(log_id: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(GENESIS_TAG);
        hasher.update(log_id);
        Self(hasher.finalize().into())
    }

    /// From the stored bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in the log: the number of an event, gapless from 1, and its hash. Position 0 with the
/// genesis hash is the place before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The event's number.
    pub position: u64,
    /// The event's hash, which stands for all history up to it.
    pub hash: Hash,
}

impl Place {
    /// What a client keeps.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.hash.0[..8]);
        Cursor { position: self.position, prefix }
    }
}

/// A place as it leaves the system: the position and the first bytes of its hash. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The event's number.
    pub position: u64,
    prefix: [u8; 8],
}

impl Cursor {
    /// Whether the hash at this cursor's position is the one it was made from: whether its owner
    /// has seen this history.
    #[must_use]
    pub fn is_at(&self, hash: &Hash) -> bool {
        hash.0.starts_with(&self.prefix)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.position, u64::from_be_bytes(self.prefix))
    }
}

impl FromStr for Cursor {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { what: "cursor" };
        let (position, prefix) = text.split_once('-').ok_or(invalid.clone())?;
        if prefix.len() != 16 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid);
        }
        let position = position.parse().map_err(|_| invalid.clone())?;
        let prefix = u64::from_str_radix(prefix, 16).map_err(|_| invalid)?;
        Ok(Self { position, prefix: prefix.to_be_bytes() })
    }
}

/// An event as it is written: texts, exactly as they will be stored and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The stream's family.
    pub aggregate_type: Cow<'static, str>,
    /// The stream.
    pub aggregate_id: Arc<str>,
    /// The stream's own number of the event, from 1.
    pub sequence: u64,
    /// The event's stored name.
    pub event_type: Cow<'static, str>,
    /// The version of its shape.
    pub event_version: Cow<'static, str>,
    /// What happened, as JSON text.
    pub payload: Arc<str>,
    /// What is said about it, as JSON text; the same for all events of one command.
    pub metadata: Arc<str>,
}

impl StoredEvent {
    /// SHA-256 over the length-prefixed fields. Needs no place in the log, so it is made before the
    /// log is locked.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut hasher = Sha256::new();
        let sequence = self.sequence.to_string();
        let fields: [&[u8]; 8] = [
            EVENT_TAG,
            self.aggregate_type.as_bytes(),
            self.aggregate_id.as_bytes(),
            sequence.as_bytes(),
            self.event_type.as_bytes(),
            self.event_version.as_bytes(),
            self.payload.as_bytes(),
            self.metadata.as_bytes(),
        ];
        for field in fields {
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field);
        }
        Hash(hasher.finalize().into())
    }

    /// Reads the payload at its current version.
    ///
    /// # Errors
    /// If the payload does not fit the event's shape.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        decode(&self.event_type, &self.event_version, &self.payload)
    }
}

/// The next link of the chain.
#[must_use]
pub fn chain(previous: &Hash, position: u64, recorded_at: DateTime<Utc>, digest: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(CHAIN_TAG);
    hasher.update(previous.0);
    hasher.update(position.to_be_bytes());
    hasher.update(recorded_at.timestamp_micros().to_be_bytes());
    hasher.update(digest.0);
    Hash(hasher.finalize().into())
}

/// The time as the log keeps it: whole microseconds.
#[must_use]
pub fn truncated(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Where.
    pub place: Place,
    /// When it was written; never before the event in front of it.
    pub recorded_at: DateTime<Utc>,
    /// What.
    pub event: StoredEvent,
}

/// Why stored bytes are not an event this program knows.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A family that this program does not know.
    #[error("unknown family of events {0:?}")]
    UnknownFamily(String),
    /// An id that cannot be one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A payload that does not fit.
    #[error("{event_type} version {event_version} cannot be read: {source}")]
    Payload {
        /// The stored name.
        event_type: String,
        /// The stored version.
        event_version: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// Reads a payload, lifting it from the version it was stored at.
///
/// # Errors
/// If the payload does not fit the event's shape.
pub fn decode<E: Event>(event_type: &str, version: &str, payload: &str) -> Result<E, DecodeError> {
    let result = if version == E::current_version(event_type) {
        encoding::decode(event_type, payload)
    } else {
        serde_json::from_str(payload)
            .map(|payload| E::upcast(event_type, version, payload))
            .and_then(|payload| encoding::decode(event_type, &payload.to_string()))
    };
    result.map_err(|source| DecodeError::Payload {
        event_type: event_type.to_owned(),
        event_version: version.to_owned(),
        source,
    })
}

/// Reads a stream's id.
///
/// # Errors
/// If the text is not one.
pub fn decode_id<I: FromStr<Err = InvalidId>>(text: &str) -> Result<I, DecodeError> {
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountEvent;
    use crate::testing::at;

    fn stored() -> StoredEvent {
        StoredEvent {
            aggregate_type: "account".into(),
            aggregate_id: "23".into(),
            sequence: 1,
            event_type: "account_opened".into(),
            event_version: "1".into(),
            payload: r#"{"type":"account_opened","at":"2024-10-04T00:00:00Z"}"#.into(),
            metadata: r#"{"actor_id":"23","actor_kind":"player"}"#.into(),
        }
    }

    /// These bytes are in databases. If this test fails, the change breaks every log there is.
    #[test]
    fn digest_and_chain_are_what_they_always_were() {
        let digest = stored().digest();
        let link = chain(&Hash::genesis(b"log"), 1, at(0), &digest);
        assert_eq!(
            digest.to_string(),
            "8cac5b8c1f5aeaedbb2dfd48ab6e3047b1d713e9ac044c992663972469f7d718"
        );
        assert_eq!(
            link.to_string(),
            "f7829452d34ca90d135ea3c3cdc960ac48f96a81d9fd24db926069b42f801e1e"
        );
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        let moved = StoredEvent {
            aggregate_id: "2".into(),
            aggregate_type: "account".into(),
            sequence: 31,
            ..stored()
        };
        assert_ne!(moved.digest(), stored().digest());
    }

    #[test]
    fn a_cursor_knows_its_history() {
        let place = Place { position: 7, hash: Hash::genesis(b"one") };
        let cursor: Cursor = place.cursor().to_string().parse().unwrap();
        assert_eq!(cursor, place.cursor());
        assert!(cursor.is_at(&place.hash));
        assert!(!cursor.is_at(&Hash::genesis(b"two")));
        for text in
            ["", "7", "7-", "-7", "x-0000000000000000", "7-00000000000000001", "7-+000000000000000"]
        {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_the_event() {
        let error = decode::<AccountEvent>("account_opened", "1", r#"{"type":"nonsense"}"#);
        assert!(error.unwrap_err().to_string().starts_with("account_opened version 1"));
    }
}
