//! A long log that is published for the first time, by a relay that is killed all the while.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::stored::{Hash, Place, StoredEvent, chain, truncated};
use sqlx::PgPool;

use crate::app::demo_database;
use crate::database::Database;
use crate::kafka::{self, Broker, Relay, check};
use crate::log;

const EVENTS: u64 = 200_000;
const BATCH: u64 = 10_000;
/// Streams that the events belong to.
const PLAYERS: u64 = 1_000;
const ROUNDS: usize = 10;
/// From one kill to the next, at least.
const STEP: u64 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_published_once_and_in_order_although_relay_and_broker_are_killed() {
    let mut broker = Broker::start().await;
    let topic = kafka::new_topic();
    let database = demo_database().await;
    write(&database).await;
    let mut relay = Relay::start(&database, &broker.address, &topic).await;
    let mut seen = 0;
    for round in 0..ROUNDS {
        // In the middle of its work: it has come further since the last time.
        let further = move |follower: &serde_json::Value| {
            let position = follower["position"].as_u64().unwrap_or(0);
            follower["state"] == "following" && position > seen + STEP
        };
        let (_, follower) = kafka::follower_is(&relay.url, further, "further").await;
        seen = follower["position"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..400))).await;
        if round % 3 == 2 {
            broker.kill().await;
            broker.start_again().await;
        } else {
            relay.kill().await;
            relay = Relay::start(&database, &broker.address, &topic).await;
        }
        println!("round {round}: {seen}");
    }
    relay.has_published_all(&database).await;
    assert!(relay.stop().await);
    let published = check(&broker.address, &topic, &database).await;
    assert!(u64::try_from(published).unwrap() >= EVENTS);
}

/// Writes events at the end of the log, as the appender does, chained and all.
async fn write(database: &Database) {
    let entries = log::entries(database).await;
    let mut head = entries.last().unwrap().recorded.place;
    let pool = database.service_pool(1).await;
    let now: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&pool).await.unwrap();
    for from in (0..EVENTS).step_by(usize::try_from(BATCH).unwrap()) {
        let events: Vec<StoredEvent> = (from..from + BATCH).map(event).collect();
        head = append(&pool, head, truncated(now), &events).await;
    }
}

fn event(number: u64) -> StoredEvent {
    let (player, sequence) = (100_000 + number % PLAYERS, number / PLAYERS + 1);
    let metadata = format!(r#"{{"actor_id":"1","actor_kind":"admin","player":"{player}"}}"#);
    StoredEvent {
        aggregate_type: "account".into(),
        aggregate_id: Arc::from(player.to_string()),
        sequence,
        event_type: "gold_granted".into(),
        event_version: "1".into(),
        payload: format!(
            r#"{{"type":"gold_granted","at":"2026-11-26T00:00:00Z","receipt_code":"{number:012x}","movement":{{"gold":{{"paid":0,"free":1}},"balance":{{"paid":0,"free":{sequence}}}}}}}"#
        ),
        metadata: metadata.into(),
    }
}

async fn append(pool: &PgPool, head: Place, at: DateTime<Utc>, events: &[StoredEvent]) -> Place {
    let mut place = head;
    let hashes: Vec<Vec<u8>> = events
        .iter()
        .map(|event| {
            let position = place.position + 1;
            let hash: Hash = chain(&place.hash, position, at, &event.digest());
            place = Place { position, hash };
            hash.0.to_vec()
        })
        .collect();
    let texts = |text: &dyn Fn(&StoredEvent) -> String| events.iter().map(text).collect::<Vec<_>>();
    let nothing = "array_fill(null::text, array[cardinality($6)])";
    let append = format!(
        "select append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, {nothing}, {nothing},
                {nothing}::bytea[], {nothing}::integer[], '{{}}', '{{}}')"
    );
    let sequences = events.iter().map(|event| i64::try_from(event.sequence).unwrap());
    let done: bool = sqlx::query_scalar(&append)
        .bind(i64::try_from(head.position).unwrap())
        .bind(&head.hash.0[..])
        .bind(at)
        .bind(texts(&|event| event.aggregate_type.to_string()))
        .bind(texts(&|event| event.aggregate_id.to_string()))
        .bind(sequences.collect::<Vec<i64>>())
        .bind(texts(&|event| event.event_type.to_string()))
        .bind(texts(&|event| event.event_version.to_string()))
        .bind(texts(&|event| event.payload.clone()))
        .bind(texts(&|event| event.metadata.to_string()))
        .bind(hashes)
        .fetch_one(pool)
        .await
        .unwrap();
    assert!(done, "somebody else writes");
    place
}
