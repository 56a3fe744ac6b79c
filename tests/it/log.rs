//! The log as an auditor sees it, checked without any of the program's own reading code.

use std::collections::{BTreeMap, HashMap};

use domain::stored::{Hash, Place, Recorded, StoredEvent, chain};
use sqlx::Row;

use crate::database::Database;

/// An event with the request that asked for it.
pub struct Entry {
    /// As recorded.
    pub recorded: Recorded,
    /// From its metadata.
    pub request: Option<String>,
}

/// Everything in the log, in order.
pub async fn entries(database: &Database) -> Vec<Entry> {
    let pool = database.service_pool(1).await;
    let all = "select *, payload::text as payload_text, metadata::text as metadata_text \
               from events order by position";
    let rows = sqlx::query(all).fetch_all(&pool).await.unwrap();
    let number = |number: i64| u64::try_from(number).unwrap();
    let entry = |row: &sqlx::postgres::PgRow| {
        let metadata: String = row.get("metadata_text");
        let texts: BTreeMap<String, String> = serde_json::from_str(&metadata).unwrap();
        let hash: Vec<u8> = row.get("hash");
        let hash = Hash::from_slice(&hash).unwrap();
        let recorded = Recorded {
            place: Place { position: number(row.get("position")), hash },
            recorded_at: row.get("recorded_at"),
            event: StoredEvent {
                aggregate_type: row.get::<String, _>("aggregate_type").into(),
                aggregate_id: row.get::<String, _>("aggregate_id").into(),
                sequence: number(row.get("sequence")),
                event_type: row.get::<String, _>("event_type").into(),
                event_version: row.get::<String, _>("event_version").into(),
                payload: row.get::<&str, _>("payload_text").into(),
                metadata: metadata.into(),
            },
        };
        Entry { recorded, request: texts.get("request").cloned() }
    };
    rows.iter().map(entry).collect()
}

/// Gapless, chained, and each stream numbered from 1.
pub async fn check(database: &Database, entries: &[Entry]) {
    let pool = database.service_pool(1).await;
    let log_id = sqlx::query_scalar::<_, uuid::Uuid>("select log_id from log_head");
    let mut hash = Hash::genesis(log_id.fetch_one(&pool).await.unwrap().as_bytes());
    let mut streams: HashMap<(String, String), u64> = HashMap::new();
    let mut recorded_at = chrono::DateTime::UNIX_EPOCH;
    for (Entry { recorded, .. }, position) in entries.iter().zip(1..) {
        assert_eq!(recorded.place.position, position);
        assert!(recorded.recorded_at >= recorded_at, "time goes back at {position}");
        recorded_at = recorded.recorded_at;
        hash = chain(&hash, position, recorded_at, &recorded.event.digest());
        assert_eq!(recorded.place.hash, hash, "the chain breaks at {position}");
        let event = &recorded.event;
        let stream = (event.aggregate_type.to_string(), event.aggregate_id.to_string());
        let sequence = streams.entry(stream).or_default();
        *sequence += 1;
        assert_eq!(event.sequence, *sequence, "a stream skips a number at {position}");
    }
}
