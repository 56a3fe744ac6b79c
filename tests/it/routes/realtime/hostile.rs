//! Input that is meant to do harm: refused with the right code, and nothing else happens.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::App;
use crate::socket::Socket;

async fn greeted(app: &App, token: &str) -> Socket {
    let mut feed = Socket::feed(app, token).await;
    assert_eq!(feed.json().await["type"], "hello");
    feed
}

#[tokio::test]
async fn whoever_speaks_another_protocol_only_is_turned_away_before_anything_happens() {
    let app = App::start().await;
    let token = app.player().await;
    let ticket = app.post("/api/realtime/ticket", Some(&token), json!({})).await;
    let ticket = ticket.body["ticket"].as_str().unwrap();
    let url = app.url.replace("http://", "ws://");
    let request = |protocols: &str| {
        let url = format!("{url}/api/realtime/sync?ticket={ticket}");
        let mut request = url.into_client_request().unwrap();
        let protocols = HeaderValue::from_str(protocols).unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocols);
        request
    };
    for other in ["club.live.v2", "graphql-ws, soap", ","] {
        match connect_async(request(other)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400, "{other}"),
            other => panic!("{other:?}"),
        }
    }
    // That has not cost the ticket.
    let (_, response) = connect_async(request("club.live.v2, club.live.v1")).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "club.live.v1");
}

#[tokio::test]
async fn too_large_a_message_ends_the_feed() {
    let app = App::start().await;
    let token = app.player().await;
    for size in [5_000, 1 << 20] {
        let mut feed = greeted(&app, &token).await;
        let text = format!(r#"{{"type":"ping","x":"{}"}}"#, "x".repeat(size));
        feed.try_send(Message::text(text)).await;
        assert!(feed.is_over().await, "{size} bytes");
    }
}

#[tokio::test]
async fn thousands_of_subscriptions_end_the_feed_and_hold_nobody_else_up() {
    let app = App::start().await;
    let token = app.player().await;
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let (mut other_feed, _) = Socket::me(&app, &other, None).await;
    let mut feed = greeted(&app, &token).await;
    for event in 0..3_000 {
        let text = json!({"type": "subscribe", "channel": format!("leaderboard:{event}")});
        if !feed.try_send(Message::text(text.to_string())).await {
            break;
        }
    }
    assert_eq!(feed.close_code().await, 4429);
    let spent = app.post("/test/spend", Some(&other), json!({"gold": 1})).await;
    assert_eq!(spent.status, 200, "{}", spent.text);
    assert_eq!(other_feed.named("balance_update").await["data"]["gold"], 999);
}

#[tokio::test]
async fn the_oldest_of_too_many_connections_of_one_player_is_replaced() {
    let app = App::start().await;
    let token = app.player().await;
    let mut oldest = greeted(&app, &token).await;
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(greeted(&app, &token).await);
    }
    assert_eq!(oldest.close_code().await, 4409);
    for feed in &mut others {
        assert_eq!(feed.subscribe(None).await["type"], "subscribed");
    }
}

#[tokio::test]
async fn a_node_that_is_full_says_so() {
    let app = App::start_on(crate::app::demo_database().await, &[("CLUB_LIVE_CONNECTIONS", "1")]);
    let app = app.await;
    let (player, admin) = (app.player().await, app.admin().await);
    let first = greeted(&app, &player).await;
    assert_eq!(Socket::feed(&app, &admin).await.close_code().await, 4429);
    drop(first);
}

/// Anything at all: never an answer that is none of the protocol's, never a node that is worse off.
#[tokio::test]
async fn noise_is_refused_with_a_code_of_the_protocol() {
    let app = App::without_limits().await;
    let token = app.player().await;
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..150 {
        let mut feed = greeted(&app, &token).await;
        let message = noise(&mut random);
        feed.try_send(message.clone()).await;
        // Whatever is a message after all is answered or passed over; then this one is not.
        feed.try_send(Message::binary(vec![0])).await;
        let code = feed.close_code().await;
        assert_eq!(code, 4400, "round {round}: {message:?}");
    }
    let (_, subscribed) = Socket::me(&app, &token, None).await;
    assert_eq!(subscribed["state"]["gold"], 1_000);
    assert_eq!(app.get("/ready", None).await.status, 200);
}

/// A message that is a little, or very much, beside the protocol.
fn noise(random: &mut StdRng) -> Message {
    let good = [
        r#"{"type":"subscribe","channel":"me","since":"12-0123456789abcdef"}"#,
        r#"{"type":"subscribe","channel":"leaderboard:2"}"#,
        r#"{"type":"unsubscribe","channel":"catalog"}"#,
        r#"{"type":"ping"}"#,
    ];
    let mut bytes = good[random.random_range(0..good.len())].as_bytes().to_vec();
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            0 => bytes[at] = random.random_range(32..127),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, random.random_range(32..127)),
            _ => bytes.truncate(at.max(1)),
        }
    }
    if random.random_ratio(1, 4) {
        return Message::binary(bytes);
    }
    Message::text(String::from_utf8(bytes).unwrap())
}
