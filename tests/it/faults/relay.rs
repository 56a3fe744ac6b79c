//! The relay, its broker and the database, each gone or gone back in the middle of its work.

mod topics;

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::load::Load;
use crate::app::{App, PLAYER_ID};
use crate::kafka::{self, Relay, check, committed, shared_brokers};

const CLIENTS: usize = 8;
/// A node that does nothing keeps the lease for so long.
const LEASE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_one_works_and_one_that_was_stopped_meanwhile_is_fenced_off() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    let first = Relay::start(&app.database, &brokers, &topic).await;
    first.is("following").await;
    let second = Relay::start(&app.database, &brokers, &topic).await;
    second.is("standing_by").await;
    let load = Load::sign_in(&app).await;
    let clients = load.on(&app.url, CLIENTS);
    let (mut working, mut other) = (first, second);
    for _ in 0..3 {
        sleep(Duration::from_millis(rand::random_range(300..900))).await;
        // In the middle of a transaction, as like as not. It keeps its lease for a while, and then its
        // connections to the broker are all it has.
        working.signal("STOP").await;
        sleep(LEASE).await;
        other.is("following").await;
        other.has_published_all(&app.database).await;
        working.signal("CONT").await;
        working.is("standing_by").await;
        (working, other) = (other, working);
    }
    clients.stop().await;
    load.account_for(&app.database).await;
    working.has_published_all(&app.database).await;
    assert!(working.stop().await && other.stop().await);
    check(&brokers, &topic, &app.database).await;
}

#[tokio::test]
async fn a_database_that_went_back_stops_the_relay_which_says_so_and_publishes_nothing() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    let earlier = app.database.clone();
    assert!(app.stop().await.success());
    let database = earlier.copied().await;
    let app = App::start_on(database, &[]).await;
    grant(&app, 100).await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    assert!(relay.stop().await);
    let published = committed(&brokers, &topic).await;
    drop(app.kill().await);

    // The copy is lost, and the original takes its place. Something else happens there, more of it.
    let app = App::start_on(earlier, &[]).await;
    for _ in 0..5 {
        grant(&app, 3).await;
    }
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    let stopped = relay.is("place_gone").await;
    let error = stopped["error"].as_str().unwrap();
    assert!(error.contains("has gone from the log"), "{error}");
    grant(&app, 3).await;
    sleep(Duration::from_secs(1)).await; // it tries again meanwhile
    relay.is("place_gone").await;
    assert_eq!(committed(&brokers, &topic).await, published);

    // Another topic gets all of the history that there is.
    assert!(relay.stop().await);
    let another = kafka::new_topic();
    let relay = Relay::start(&app.database, &brokers, &another).await;
    relay.has_published_all(&app.database).await;
    check(&brokers, &another, &app.database).await;
}

async fn grant(app: &App, gold: u64) {
    let admin = app.admin().await;
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let key = uuid::Uuid::now_v7().to_string();
    let body = json!({"gold": gold, "reason": "faults"});
    let granted = app.post_keyed(&path, &admin, &key, &body).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
}

/// What would be found if the relay lost, repeated or moved something.
#[tokio::test]
#[should_panic(expected = "is there twice")]
async fn the_check_finds_an_event_that_is_published_twice() {
    let (brokers, topic) = (shared_brokers(), kafka::new_topic());
    let app = App::without_limits().await;
    let relay = Relay::start(&app.database, &brokers, &topic).await;
    relay.has_published_all(&app.database).await;
    assert!(relay.stop().await);
    topics::publish_again(&brokers, &topic).await;
    check(&brokers, &topic, &app.database).await;
}
