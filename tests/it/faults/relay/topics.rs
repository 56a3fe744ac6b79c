//! Topics that somebody deletes or writes to behind the relay's back.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::app::App;
use crate::kafka::{self, Relay, committed, shared_brokers};

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes the first record of a topic once more.
pub async fn publish_again(brokers: &str, topic: &str) {
    let record = committed(brokers, topic).await.remove(0);
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header { key, value: Some(value) })
        });
        let again = BaseRecord::to(&topic).key(&record.key).payload(&record.payload);
        producer.send(again.partition(record.partition).headers(headers)).unwrap();
        producer.flush(PATIENCE).unwrap();
    });
    written.await.unwrap();
}

async fn delete(brokers: &str, topic: &str) {
    let client: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let deleted = client.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
    assert!(deleted[0].is_ok(), "{deleted:?}");
}

/// Publishes everything, lets go, deletes a topic and starts again; what the relay says then.
async fn without(topic_of: impl Fn(&str) -> String) -> (String, String) {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    assert!(relay.stop().await);
    delete(&brokers, &topic_of(&topic)).await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    let is_sure = |follower: &serde_json::Value| {
        follower["error"].as_str().is_some_and(|error| error.contains("KAFKA_TOPIC"))
    };
    let (_, follower) = kafka::follower_is(&relay.url, is_sure, "sure of it").await;
    (topic, follower["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_not_gone_on_with() {
    let (topic, error) = without(str::to_owned).await;
    assert!(error.contains("it was made anew"), "{error}");
    assert!(committed(&shared_brokers(), &topic).await.is_empty());
}

#[tokio::test]
async fn nothing_is_published_twice_when_the_place_is_lost() {
    let (topic, error) = without(|topic| format!("{topic}.place")).await;
    assert!(error.contains("what was published is not known"), "{error}");
    let records = committed(&shared_brokers(), &topic).await;
    let mut positions: Vec<u64> = records.iter().map(kafka::Record::position).collect();
    positions.sort_unstable();
    let head = u64::try_from(positions.len()).unwrap();
    assert!(positions.iter().copied().eq(1..=head), "{positions:?}");
}
