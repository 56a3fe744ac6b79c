//! The relay, its broker and the database, each gone or gone back in the middle of its work.

mod backlog;
mod topics;

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::load::Load;
use crate::app::{App, PLAYER_ID, demo_database};
use crate::kafka::{self, Broker, Relay, check, committed, publishing, shared_brokers};

/// Who is killed in turn: relay and broker.
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_millis(1_200);
const CLIENTS: usize = 8;
/// A node that does nothing keeps the lease for so long.
const LEASE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relay_and_broker_are_killed_in_turn_and_each_event_is_seen_once_and_in_order() {
    let mut broker = Broker::start().await;
    let topic = kafka::new_topic();
    let app = App::without_limits().await;
    let mut relay = Relay::start(&app.database, &broker.address, &topic).await;
    relay.is("following").await;
    let load = Load::sign_in(&app).await;
    let clients = load.on(&app.url, CLIENTS);
    for round in 0..ROUNDS {
        let at_work = ROUND + Duration::from_millis(rand::random_range(0..300));
        sleep(at_work).await;
        if round % 2 == 0 {
            relay.kill().await;
            relay = Relay::start(&app.database, &broker.address, &topic).await;
        } else {
            broker.kill().await;
            sleep(Duration::from_millis(300)).await;
            broker.start_again().await;
        }
        // It has got over it, so that the next one does not strike a relay that does not work yet.
        relay.is("following").await;
    }
    clients.stop().await;
    relay.has_published_all(&app.database).await;
    load.account_for(&app.database).await;
    relay.has_published_all(&app.database).await;
    let published = check(&broker.address, &topic, &app.database).await;
    println!("{published} events");
    assert!(published > 1_000, "not much of a test: {published}");
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_the_club_goes_on_says_what_lags_and_the_relay_catches_up() {
    let mut broker = Broker::start().await;
    let topic = kafka::new_topic();
    let app = publishing(demo_database().await, &broker.address, &topic).await;
    kafka::published_all(&app.url, &app.database).await;
    let player = app.player().await;
    buy(&app, &player).await;
    let with_it = fastest_of_many(&app, &player).await;
    kafka::published_all(&app.url, &app.database).await;
    broker.kill().await;
    let without_it = fastest_of_many(&app, &player).await;
    println!("a purchase takes {with_it:?}, without a broker {without_it:?}");
    assert!(without_it < with_it * 2, "{without_it:?} without a broker, {with_it:?} with one");
    let is_failing = |follower: &serde_json::Value| follower["state"] == "failing";
    let (status, follower) = kafka::follower_is(&app.url, is_failing, "failing").await;
    assert_eq!(status, 200, "the club is as good without it");
    assert!(follower["lag_events"].as_u64().unwrap() > 0, "{follower}");
    assert!(follower["error"].as_str().is_some_and(|error| !error.is_empty()), "{follower}");
    let ready = app.get("/ready", None).await;
    let kafka = ready.body["dependencies"]["kafka"].as_str().unwrap();
    assert!(kafka.starts_with("away: "), "{}", ready.text);
    kafka::figures_say(&app.url, "club_follower_well{follower=\"kafka\"} 0").await;

    broker.start_again().await;
    kafka::published_all(&app.url, &app.database).await;
    let database = app.database.clone();
    assert!(app.stop().await.success());
    // What is written while nodes end is published by the next one.
    let app = publishing(database, &broker.address, &topic).await;
    kafka::published_all(&app.url, &app.database).await;
    check(&broker.address, &topic, &app.database).await;
}

async fn buy(app: &App, player: &str) {
    let body = json!({"product_id": 1001, "quantity": 1});
    let bought = app.post("/api/shop/buy", Some(player), body).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
}

/// How long the median of many purchases takes.
async fn fastest_of_many(app: &App, player: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        buy(app, player).await;
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
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
