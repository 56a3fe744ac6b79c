//! What is published to Kafka, by nodes and by the role `relay`.

mod consumers;

use serde_json::{Value, json};

use crate::app::{App, PLAYER_ID, demo_database, program};
use crate::contract;
use crate::kafka::{self, Record, Relay, check, committed, publishing, shared_brokers};
use crate::log::entries;

#[tokio::test]
async fn a_node_publishes_every_event_once_and_in_order_per_player() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = publishing(demo_database().await, &brokers, &topic).await;
    kafka::published_all(&app.url, &app.database).await;
    let player = app.player().await;
    for _ in 0..20 {
        let body = json!({"product_id": 1001, "quantity": 1});
        let bought = app.post("/api/shop/buy", Some(&player), body).await;
        assert_eq!(bought.status, 200, "{}", bought.text);
    }
    kafka::published_all(&app.url, &app.database).await;
    let ready = app.get("/ready", None).await;
    assert_eq!(ready.body["dependencies"]["kafka"], "up", "{}", ready.text);
    kafka::figures_say(&app.url, "club_follower_well{follower=\"kafka\"} 1").await;
    kafka::figures_say(&app.url, "club_follower_lag_events{follower=\"kafka\"} 0").await;
    kafka::figures_say(&app.url, "club_relay_events_total ").await;
    let database = app.database.clone();
    assert!(app.stop().await.success());
    check(&brokers, &topic, &database).await;
}

#[tokio::test]
async fn the_role_publishes_what_was_there_and_what_comes_and_goes_on_where_it_was() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    relay.is("following").await;
    assert!(relay.stop().await);
    let before = committed(&brokers, &topic).await.len();
    grant(&app).await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    kafka::figures_say(&relay.url, "club_relay_transactions_total ").await;
    assert!(relay.stop().await);
    assert!(check(&brokers, &topic, &app.database).await > before);
}

async fn grant(app: &App) {
    let admin = app.admin().await;
    let body = json!({"gold": 5, "reason": "published"});
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let key = uuid::Uuid::now_v7().to_string();
    let granted = app.post_keyed(&path, &admin, &key, &body).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
}

#[tokio::test]
async fn records_are_cloud_events_keyed_by_player_in_the_partition_that_any_client_finds() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    grant(&app).await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    let records = committed(&brokers, &topic).await;
    let granted = |record: &&Record| record.headers["ce_type"] == "club.account.gold_granted";
    let granted = records.iter().rfind(granted).unwrap();
    assert_eq!(granted.key, "23");
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_subject", "account/23"),
        ("ce_dataschema", "urn:club:event:account:gold_granted:1"),
        ("ce_family", "account"),
    ] {
        assert_eq!(granted.headers[name], value, "{granted:?}");
    }
    assert!(granted.headers["ce_actor"].starts_with("admin:"), "{granted:?}");
    assert!(granted.headers["ce_source"].starts_with("urn:uuid:"), "{granted:?}");
    let time = chrono::DateTime::parse_from_rfc3339(&granted.headers["ce_time"]).unwrap();
    let log = entries(&app.database).await;
    let in_log = log.iter().find(|it| it.recorded.place.position == granted.position()).unwrap();
    assert_eq!(time.to_utc(), in_log.recorded.recorded_at);
    for record in &records {
        let partition = i32::try_from(murmur2(record.key.as_bytes()) & 0x7fff_ffff).unwrap() % 12;
        assert_eq!(record.partition, partition, "{record:?}");
        is_as_its_schema_says(record);
    }
}

/// Whoever has the folder docs/events finds the schema by the record alone.
fn is_as_its_schema_says(record: &Record) {
    let id = record.headers["ce_dataschema"].strip_prefix("urn:club:event:").unwrap();
    let [family, event, version] = id.split(':').collect::<Vec<_>>().try_into().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/../docs/events/{family}/{event}.{version}.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let payload: Value = serde_json::from_str(&record.payload).unwrap();
    if let Err(why) = contract::is_as_says(schema, &payload) {
        panic!("{record:?}: {why}");
    }
}

#[tokio::test]
async fn a_schema_that_consumers_rely_on_is_not_written_over() {
    let folder = std::env::temp_dir().join(format!("club-{}", uuid::Uuid::now_v7().simple()));
    let write = async || {
        let mut club = program("club", "postgres://nobody@nowhere/nothing");
        club.args(["schemas", "--write", "--folder"]).arg(&folder);
        let output = club.output().await.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (done, said) = write().await;
    assert!(done, "{said}");
    let file = folder.join("account/gold_granted.1.json");
    let written = std::fs::read_to_string(&file).unwrap();
    // As if the code had lost a field since.
    let mut before: Value = serde_json::from_str(&written).unwrap();
    before["properties"]["season"] = json!({"type": "integer"});
    std::fs::write(&file, before.to_string()).unwrap();
    let (done, said) = write().await;
    assert!(!done);
    assert!(said.contains("account/gold_granted.1.json cannot become that"), "{said}");
    assert!(said.contains("the event.season is gone"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before.to_string());
    // And as if it had more than before, which nobody minds.
    before["properties"].as_object_mut().unwrap().retain(|field, _| field != "season");
    before["properties"]["movement"]["properties"].as_object_mut().unwrap().remove("debt");
    std::fs::write(&file, before.to_string()).unwrap();
    let (done, said) = write().await;
    assert!(done, "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// As Java's clients compute it.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(bytes.len()).unwrap();
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |all, byte| (all << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Versions that stand in several places.
#[test]
fn what_is_run_here_is_what_is_run_in_containers_and_what_the_documentation_says() {
    let read = |path: &str| {
        std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let between = |text: &str, before: &str, after: &str| {
        let (_, rest) = text.split_once(before).unwrap();
        rest.split_once(after).unwrap().0.trim().to_owned()
    };
    let kafka =
        between(&read("ops/kafka_pom.xml"), "<artifactId>kafka_2.13</artifactId>", "</version>");
    let kafka = kafka.trim_start_matches("<version>");
    assert!(
        read("docker-compose.yml").contains(&format!("image: apache/kafka:{kafka}\n")),
        "{kafka}"
    );
    let client = between(&read("ops/kafka"), "client_version=", " ");
    for path in ["docs/consuming-events.md", "docs/examples/consume_events.py"] {
        assert!(read(path).contains(&format!("confluent-kafka=={client}\n")), "{path}: {client}");
    }
}
