//! `/ws`, `/api/realtime/ticket` and `/api/realtime/sync`.

mod channels;
mod hostile;
mod schema;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::app::{Answer, App, PLAYER_ID};
use crate::socket::Socket;

async fn spend(app: &App, token: &str, gold: u64) -> u64 {
    let spent = app.post("/test/spend", Some(token), json!({"gold": gold})).await;
    assert_eq!(spent.status, 200, "{}", spent.text);
    spent.body["position"].as_u64().unwrap()
}

fn position(message: &Value) -> u64 {
    message["position"].as_u64().unwrap()
}

#[tokio::test]
async fn the_connection_check_greets_and_says_again_what_it_hears() {
    let app = App::start().await;
    for path in ["/ws", "/ws/"] {
        let mut socket = Socket::connect(&app, path).await;
        assert_eq!(socket.text().await, "Connected to WebSocket");
        for text in ["X", "", "안녕", "{\"type\":\"subscribe\"}"] {
            socket.say(text).await;
            assert_eq!(socket.text().await, format!("Echo: {text}"));
        }
    }
    for path in ["/ws", "/api/realtime/sync"] {
        app.get(path, None).await.is_problem(426, "UPGRADE_REQUIRED");
    }
}

#[tokio::test]
async fn a_purchase_arrives_with_the_whole_balance_at_its_position() {
    let app = App::start().await;
    let token = app.player().await;
    let (mut feed, subscribed) = Socket::me(&app, &token, None).await;
    assert_eq!((&subscribed["recovered"], &subscribed["channel"]), (&json!(false), &json!("me")));
    assert_eq!(position(&subscribed), u64::try_from(app.database.head().await).unwrap());
    let state = &subscribed["state"];
    assert_eq!((&state["gold"], &state["user_id"]), (&json!(1000), &json!(PLAYER_ID)));
    let balance = app.get("/api/users/balance", Some(&token)).await;
    for name in ["gold", "gold_paid", "gold_free", "vip_points", "debt"] {
        assert_eq!(state[name], balance.body[name], "{name}");
    }

    // Somebody else's purchase is nobody else's business: it would come before the own one.
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    app.post("/api/shop/buy", Some(&other), json!({"product_id": 1001})).await;
    let bought = app.post("/api/shop/buy", Some(&token), json!({"product_id": 1001})).await;
    let pending = feed.named("purchase_update").await;
    assert_eq!(pending["data"]["status"], "pending");
    assert_eq!(pending["data"]["receipt_code"], bought.body["receipt_code"]);
    let completed = feed.named("purchase_update").await;
    assert_eq!(completed["data"]["status"], "completed");
    assert_eq!(completed["data"]["receipt_code"], bought.body["receipt_code"]);
    let update = feed.named("balance_update").await;
    assert_eq!((&update["data"]["gold"], &update["channel"]), (&json!(1100), &json!("me")));
    assert_eq!(update["position"], bought.body["position"]);
    assert_eq!(completed["position"], bought.body["position"]);
}

#[tokio::test]
async fn a_ticket_opens_one_feed_once() {
    let app = App::start().await;
    let token = app.player().await;
    app.post("/api/realtime/ticket", None, json!({})).await.is_problem(401, "UNAUTHENTICATED");
    let ticket = app.post("/api/realtime/ticket", Some(&token), json!({})).await;
    assert_eq!(ticket.body["expires_in"], 30, "{}", ticket.text);
    let ticket = ticket.body["ticket"].as_str().unwrap();
    let path = format!("/api/realtime/sync?ticket={ticket}");
    // A page of somebody else's is turned away, and that does not cost the ticket.
    let foreign =
        app.http.get(format!("{}{path}", app.url)).header("Origin", "http://evil.example");
    let foreign = foreign.header("Connection", "upgrade").header("Upgrade", "websocket");
    let foreign = foreign.header("Sec-WebSocket-Version", "13");
    let foreign = foreign.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    Answer::read(foreign.send().await.unwrap()).await.is_problem(403, "ORIGIN_REFUSED");

    let mut first = Socket::connect(&app, &path).await;
    assert_eq!(first.json().await["type"], "hello");
    assert_eq!(Socket::connect(&app, &path).await.close_code().await, 4401, "a second time");
    for query in ["?ticket=made-up", "?ticket=", "", "?ticket=%00", &format!("?ticket={token}")] {
        let path = format!("/api/realtime/sync{query}");
        assert_eq!(Socket::connect(&app, &path).await.close_code().await, 4401, "{query}");
    }
    assert_eq!(first.subscribe(None).await["type"], "subscribed", "the first one stays open");
}

#[tokio::test]
async fn what_is_no_message_ends_the_feed_and_an_unknown_channel_does_not() {
    let app = App::start().await;
    let token = app.player().await;
    let bad = [
        Message::text("hello"),
        Message::text("[]"),
        Message::text(r#"["ping"]"#),
        Message::text(r#"{"type":"dance"}"#),
        Message::text(r#"{"type":"subscribe"}"#),
        Message::text(r#"{"type":"subscribe","channel":"me","since":7}"#),
        Message::text(r#"{"type":"subscribe","channel":"me","since":"7-x"}"#),
        Message::binary(vec![0, 1, 2]),
    ];
    for message in bad {
        let mut feed = Socket::feed(&app, &token).await;
        assert_eq!(feed.json().await["type"], "hello");
        feed.send(message.clone()).await;
        assert_eq!(feed.close_code().await, 4400, "{message:?}");
    }
    let mut feed = Socket::feed(&app, &token).await;
    feed.named("hello").await;
    feed.say(r#"{"type":"ping"}"#).await;
    assert_eq!(feed.json().await["type"], "pong");
    feed.say(r#"{"type":"subscribe","channel":"weather"}"#).await;
    let refused = feed.named("error").await;
    assert_eq!(refused["code"], "UNKNOWN_CHANNEL");
    assert_eq!(feed.subscribe(None).await["state"]["gold"], 1000);
}

/// The gold and the position of the next balance, with its cursor.
async fn balance(feed: &mut Socket) -> (u64, u64, String) {
    let message = feed.named("balance_update").await;
    let gold = message["data"]["gold"].as_u64().unwrap();
    (gold, position(&message), message["cursor"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_cursor_resumes_with_exactly_what_was_missed() {
    let app = App::start().await;
    let token = app.player().await;
    let (mut feed, subscribed) = Socket::me(&app, &token, None).await;
    let begin = subscribed["cursor"].as_str().unwrap().to_owned();
    let mut told = Vec::new();
    for count in 1..=3 {
        let at = spend(&app, &token, 10).await;
        let (gold, position, cursor) = balance(&mut feed).await;
        assert_eq!((gold, position), (1000 - 10 * count, at));
        told.push((gold, position, cursor));
    }
    drop(feed);
    for count in 4..=60 {
        let at = spend(&app, &token, 10).await;
        told.push((1000 - 10 * count, at, String::new()));
    }
    let from_the_middle = told[2].2.clone();
    let mut feeds = Vec::new();
    for (cursor, missed) in [(from_the_middle, &told[3..]), (begin, &told[..])] {
        let (mut feed, subscribed) = Socket::me(&app, &token, Some(&cursor)).await;
        assert_eq!(subscribed["recovered"], true, "{subscribed}");
        assert!(subscribed.get("state").is_none());
        for (gold, position, _) in missed {
            let (got, at, _) = balance(&mut feed).await;
            assert_eq!((got, at), (*gold, *position));
        }
        feeds.push(feed);
    }
    // What follows is the present: nothing in between, nothing twice.
    let at = spend(&app, &token, 1).await;
    let mut last = String::new();
    for feed in &mut feeds {
        let (_, position, cursor) = balance(feed).await;
        assert_eq!(position, at);
        last = cursor;
    }
    let (mut feed, subscribed) = Socket::me(&app, &token, Some(&last)).await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(subscribed["cursor"], last.as_str(), "nothing was missed");
    let at = spend(&app, &token, 1).await;
    assert_eq!(balance(&mut feed).await.1, at);
}

#[tokio::test]
async fn a_cursor_of_another_history_begins_anew_and_says_so() {
    let app = App::start().await;
    let token = app.player().await;
    let (_, subscribed) = Socket::me(&app, &token, None).await;
    let head = position(&subscribed);
    let forgotten = [
        format!("{head}-0123456789abcdef"),
        format!("{}-0123456789abcdef", head + 1_000),
        format!("{}-0123456789abcdef", u64::MAX),
    ];
    for cursor in &forgotten {
        let (mut feed, subscribed) = Socket::me(&app, &token, Some(cursor)).await;
        assert_eq!(subscribed["recovered"], false, "{cursor}");
        assert!(subscribed["state"]["gold"].is_u64(), "{cursor}: {subscribed}");
        let at = spend(&app, &token, 1).await;
        assert_eq!(balance(&mut feed).await.1, at, "{cursor}");
    }
}

#[tokio::test]
async fn who_has_missed_too_much_gets_the_state_and_never_a_part() {
    let app = App::start().await;
    let token = app.player().await;
    let (feed, subscribed) = Socket::me(&app, &token, None).await;
    let cursor = subscribed["cursor"].as_str().unwrap();
    drop(feed);
    // The last 1,000 events are read again for a screen.
    let spends = futures::stream::iter(0..1_000).map(|_| spend(&app, &token, 1));
    let last = spends.buffer_unordered(64).fold(0, async |last, at| at.max(last)).await;
    let (mut feed, subscribed) = Socket::me(&app, &token, Some(cursor)).await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    for _ in 1..1_000 {
        balance(&mut feed).await;
    }
    let (gold, position, _) = balance(&mut feed).await;
    assert_eq!((gold, position), (0, last));

    // What is further back than a node's memory is read from the log, up to a thousand events.
    let later = App::start_on(app.database.clone(), &[]).await;
    let (mut feed, subscribed) = Socket::me(&later, &token, Some(cursor)).await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    for _ in 0..1_000 {
        balance(&mut feed).await;
    }
    let back = json!({"vip_points": 1, "reason": "one more"});
    let grant = format!("/api/admin/users/{PLAYER_ID}/grant");
    app.post_keyed(&grant, &app.admin().await, "g", &back).await;
    let latest = App::start_on(app.database.clone(), &[]).await;
    let (_, subscribed) = Socket::me(&latest, &token, Some(cursor)).await;
    assert_eq!(subscribed["recovered"], false);
    let state = &subscribed["state"];
    assert_eq!((&state["gold"], &state["vip_points"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn two_messages_about_one_event_are_missed_together() {
    let app = App::start().await;
    let token = app.player().await;
    let (mut feed, _) = Socket::me(&app, &token, None).await;
    let bought = app.post("/api/shop/buy", Some(&token), json!({"product_id": 1001})).await;
    let pending = feed.named("purchase_update").await;
    assert_eq!(pending["data"]["status"], "pending");
    let completed = feed.named("purchase_update").await;
    assert_eq!(completed["position"], bought.body["position"]);
    // Whoever stops between the two messages gets both again, and not the balance alone or none.
    let cursor = completed["cursor"].as_str().unwrap();
    let (mut again, subscribed) = Socket::me(&app, &token, Some(cursor)).await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(again.named("purchase_update").await["data"], completed["data"]);
    let (gold, position, last) = balance(&mut again).await;
    assert_eq!((gold, json!(position)), (1100, bought.body["position"].clone()));
    assert_eq!(balance(&mut feed).await, (gold, position, last));
}

#[tokio::test]
async fn a_write_on_one_node_arrives_on_the_other_and_quiet_channels_get_marks() {
    let first = App::start().await;
    let marks = [("CLUB_MARK_INTERVAL_MS", "100")];
    let second = App::start_on(first.database.clone(), &marks).await;
    let token = first.player().await;
    let (mut feed, _) = Socket::me(&second, &token, None).await;
    for count in 1..=10 {
        let at = spend(&first, &token, 1).await;
        let (gold, position, _) = balance(&mut feed).await;
        assert_eq!((gold, position), (1000 - count, at));
    }
    let ticket = first.post("/api/realtime/ticket", Some(&token), json!({})).await;
    let ticket = ticket.body["ticket"].as_str().unwrap();
    let path = format!("/api/realtime/sync?ticket={ticket}");
    let hello = Socket::connect(&second, &path).await.json().await;
    assert_eq!(hello["type"], "hello", "a ticket of one node opens a feed on the other");
    assert_eq!(Socket::connect(&first, &path).await.close_code().await, 4401, "and once only");

    // Something that is nobody's on this channel moves the mark, which is a place to resume from.
    let other = first.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let at = spend(&first, &other, 1).await;
    let mark = loop {
        let mark = feed.json().await;
        assert_eq!(mark["type"], "mark", "{mark}");
        if position(&mark) >= at {
            break mark;
        }
    };
    let (mut resumed, subscribed) = Socket::me(&first, &token, mark["cursor"].as_str()).await;
    assert_eq!(subscribed["recovered"], true);
    let at = spend(&second, &token, 1).await;
    assert_eq!(balance(&mut resumed).await.1, at);
}
