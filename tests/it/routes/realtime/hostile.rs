//! Input that is meant to do harm: refused with the right code, and nothing else happens.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::{App, PLAYER_ID};
use crate::provider::wait_for;
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

/// A ticket in the wrong hands: it is worth nothing once its owner has used it, has signed out, was banned,
/// or half a minute is over; and what is like a ticket never was worth anything.
#[tokio::test]
async fn a_stolen_ticket_opens_nothing() {
    let app = App::without_limits().await;
    let (token, admin) = (app.player().await, app.admin().await);
    let mut random = StdRng::seed_from_u64(11);
    let mine = ticket(&app, &token).await;
    for _ in 0..300 {
        let forged = forged(&mine, &mut random);
        assert_eq!(code_of(&app, &forged).await, 4401, "{forged}");
    }
    // None of them has cost the real one anything.
    let mut feed = Socket::connect(&app, &format!("{SYNC}{mine}")).await;
    assert_eq!(feed.json().await["type"], "hello");
    assert_eq!(code_of(&app, &mine).await, 4401, "it was used");

    let late = ticket(&app, &token).await;
    wait_for(&app, 31).await;
    assert_eq!(code_of(&app, &late).await, 4401, "half a minute is over");

    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let left = ticket(&app, &other).await;
    let out = app.post("/api/auth/logout", Some(&other), json!({})).await;
    assert!(out.status.is_success(), "{}", out.text);
    app.until_refused(&other).await;
    assert_eq!(code_of(&app, &left).await, 4401, "its owner has signed out");

    let banned = ticket(&app, &token).await;
    let ban = json!({"reason": "for the test"});
    let ban = app.post(&format!("/api/admin/users/{PLAYER_ID}/ban"), Some(&admin), ban).await;
    assert_eq!(ban.status, 200, "{}", ban.text);
    app.until_refused(&token).await;
    assert_eq!(code_of(&app, &banned).await, 4403, "its owner was banned");
    assert_eq!(feed.close_code().await, 4403);
}

/// Subscriptions by chance over a real socket, hundreds on one connection: each is answered, from the right
/// place, and none with what is another player's.
#[tokio::test]
async fn any_channel_and_any_cursor_are_answered_by_the_protocol() {
    let app = App::without_limits().await;
    let token = app.player().await;
    let (mut feed, subscribed) = Socket::me(&app, &token, None).await;
    let mine = subscribed["cursor"].as_str().unwrap().to_owned();
    let mut random = StdRng::seed_from_u64(13);
    // Ten messages a second and forty at once are allowed: new connections take their turns.
    for round in 0..400 {
        if round % 30 == 0 {
            feed = greeted(&app, &token).await;
        }
        let channel = channel(&mut random);
        let since = since(&mine, &mut random);
        let answer = feed.join(&channel, Some(&since)).await;
        let is_open = answer["type"] == "subscribed";
        let code = answer["code"].as_str().unwrap_or_default();
        let known = ["UNKNOWN_CHANNEL", "PERMISSION_DENIED", "NO_LEADERBOARD", "TOO_MANY_CHANNELS"];
        assert!(is_open || known.contains(&code), "{channel} since {since}: {answer}");
        assert!(!(is_open && channel == "admin"), "{answer}");
        if is_open && channel == "me" && answer["recovered"] == false {
            assert_eq!(answer["state"]["user_id"], PLAYER_ID, "{answer}");
        }
        if answer["recovered"] == true {
            assert_eq!(since, mine, "of this history: {answer}");
        }
    }
}

const SYNC: &str = "/api/realtime/sync?ticket=";

async fn ticket(app: &App, token: &str) -> String {
    let ticket = app.post("/api/realtime/ticket", Some(token), json!({})).await;
    ticket.body["ticket"].as_str().unwrap().to_owned()
}

async fn code_of(app: &App, ticket: &str) -> u16 {
    Socket::connect(app, &format!("{SYNC}{ticket}")).await.close_code().await
}

/// A ticket of which something is otherwise.
fn forged(ticket: &str, random: &mut StdRng) -> String {
    let mut forged: Vec<char> = ticket.chars().collect();
    let at = random.random_range(0..forged.len());
    match random.random_range(0..4) {
        0 => forged.truncate(at),
        1 => forged.push('A'),
        2 => forged.reverse(),
        _ => forged[at] = if forged[at] == 'A' { 'B' } else { 'A' },
    }
    forged.into_iter().collect()
}

fn channel(random: &mut StdRng) -> String {
    let known = ["me", "catalog", "events", "system", "admin", "leaderboard:1", "leaderboard:"];
    let mut name = known[random.random_range(0..known.len())].to_owned();
    if random.random_ratio(1, 3) {
        let more = ['x', ':', '7', '\u{0}', '한', '-', '"'];
        name.push(more[random.random_range(0..more.len())]);
    }
    name
}

/// The cursor, or one that is none of this history.
fn since(mine: &str, random: &mut StdRng) -> String {
    let (position, hash) = mine.split_once('-').unwrap();
    let other = u64::from_str_radix(hash, 16).unwrap() ^ 1 << random.random_range(0..64);
    match random.random_range(0..4) {
        0 => mine.to_owned(),
        1 => format!("{position}-{other:016x}"),
        2 => format!("{}-{hash}", random.random::<u64>()),
        _ => format!("{}-{:016x}", random.random_range(0..100), random.random::<u64>()),
    }
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
