//! The channels that many listen to, and the staff's.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::events::{join, moment, play, publish};
use crate::app::{App, PLAYER_ID, demo_database};
use crate::socket::Socket;

const MARKS: [(&str, &str); 1] = [("CLUB_MARK_INTERVAL_MS", "100")];

/// A feed that was greeted, and what it was told about a channel.
async fn listening(app: &App, token: &str, channel: &str, since: Option<&str>) -> (Socket, Value) {
    let mut feed = Socket::feed(app, token).await;
    assert_eq!(feed.json().await["type"], "hello");
    let subscribed = feed.join(channel, since).await;
    (feed, subscribed)
}

fn cursor(message: &Value) -> String {
    message["cursor"].as_str().unwrap().to_owned()
}

/// The entry of a list with this id.
fn entry<'a>(state: &'a Value, id: &Value) -> Option<&'a Value> {
    state["state"]["items"].as_array().unwrap().iter().find(|item| item["id"] == *id)
}

async fn put_pack(app: &App, admin: &str, terms: Value) -> Value {
    let path = "/api/admin/shop/products/1001";
    let answer = app.call(Method::PUT, path, Some(admin), Some(terms)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

fn pack(gold: u32) -> Value {
    json!({"sku": "PACK", "name": "팩", "name_en": "Pack", "price_cents": 100, "gold": gold})
}

#[tokio::test]
async fn the_catalogue_is_told_whole_and_then_entry_by_entry_on_every_node() {
    let database = demo_database().await;
    let first = App::start_on(database.clone(), &MARKS).await;
    let second = App::start_on(database, &MARKS).await;
    let (player, admin) = (first.player().await, first.admin().await);
    let (mut feed, state) = listening(&second, &player, "catalog", None).await;
    assert_eq!(state["recovered"], false);
    let shown = first.get("/api/shop/catalog", None).await;
    for pack in shown.body.as_array().unwrap() {
        let told = entry(&state, &pack["id"]).unwrap();
        for name in ["sku", "name", "name_en", "price_cents", "gold", "version", "min_rank"] {
            assert_eq!(told[name], pack[name], "{name} of {pack}");
        }
    }
    assert!(entry(&state, &json!("WEEKEND_STARTER")).is_some(), "{state}");

    let changed = put_pack(&first, &admin, pack(7)).await;
    let told = feed.until_on("catalog", |message| message["type"] == "catalog_update").await;
    assert_eq!((&told["data"]["id"], &told["data"]["gold"]), (&json!(1001), &json!(7)));
    assert_eq!(told["position"], changed["position"]);
    let seen = cursor(&told);

    // A package's stock is told as it is sold.
    let bought = json!({"package_id": "WEEKEND_STARTER", "quantity": 1});
    let bought = first.post("/api/shop/buy-limited", Some(&player), bought).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let packages = first.get_at(
        "/api/shop/limited-packages",
        &player,
        bought.body["position"].as_u64().unwrap(),
    );
    let left = packages.await.body[0]["remaining_stock"].clone();
    let is_sold = |told: &Value| told["data"]["remaining_stock"] == left;
    feed.until_on("catalog", is_sold).await;

    // What is off sale tells its name and nothing else, and is not listed any more.
    let off = "/api/admin/shop/products/1001/deactivate";
    assert_eq!(first.post(off, Some(&admin), json!({})).await.status, 200);
    let gone = feed.until_on("catalog", |told| told["data"]["on_sale"] == false).await;
    assert_eq!(gone["data"], json!({"kind": "pack", "id": 1001, "on_sale": false}));
    let (_, state) = listening(&second, &player, "catalog", None).await;
    assert!(entry(&state, &json!(1001)).is_none());

    // Whoever was away gets what has changed since, the newest of each, on any node.
    let (mut back, recovered) = listening(&first, &player, "catalog", Some(&seen)).await;
    assert_eq!(recovered["recovered"], true, "{recovered}");
    let mut missed = Vec::new();
    while missed.len() < 2 {
        missed.push(back.until_on("catalog", |m| m["type"] == "catalog_update").await);
    }
    let ids: Vec<_> = missed.iter().map(|told| told["data"]["id"].clone()).collect();
    assert_eq!(ids, [json!("WEEKEND_STARTER"), json!(1001)]);
    let through = first.database.head().await;
    let mark = back.until_on("catalog", |message| message["type"] == "mark").await;
    assert_eq!(mark["position"], through);
    let (_, anew) = listening(&first, &player, "catalog", Some("3-0123456789abcdef")).await;
    assert_eq!(anew["recovered"], false, "a cursor of another history");
}

#[tokio::test]
async fn events_are_told_when_they_can_be_seen_and_as_seats_are_taken() {
    let app = App::start_on(demo_database().await, &MARKS).await;
    let player = app.player().await;
    let (mut feed, state) = listening(&app, &player, "events", None).await;
    assert_eq!(entry(&state, &json!(1)).unwrap()["name"], "데일리 로그인");
    let ends_at = moment(&app).await + TimeDelta::minutes(30);
    let id = publish(&app, json!({"ends_at": ends_at, "capacity": 2, "rewards": {}})).await;
    let is_it = |told: &Value| told["type"] == "event_update" && told["data"]["id"] == id;
    let published = feed.until_on("events", is_it).await;
    assert_eq!(
        (&published["data"]["status"], &published["data"]["capacity"]),
        (&json!("published"), &json!(2))
    );
    assert_eq!(published["data"]["seats"], Value::Null);
    assert_eq!(join(&app, &player, id).await.status, 200);
    let seated = feed.until_on("events", is_it).await;
    assert_eq!(seated["data"]["seats"]["taken"], 1, "{seated}");
    let admin = app.admin().await;
    let ended = app.post(&format!("/api/admin/events/{id}/end"), Some(&admin), json!({})).await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    let told = feed.until_on("events", is_it).await;
    assert_eq!(
        (&told["data"]["status"], &told["position"]),
        (&json!("ended"), &ended.body["position"])
    );
}

#[tokio::test]
async fn a_leaderboard_is_told_as_it_is_read() {
    let app = App::start_on(demo_database().await, &MARKS).await;
    let player = app.player().await;
    let board = json!({"counter": "win_count", "tiers": []});
    let ends_at = moment(&app).await + TimeDelta::minutes(30);
    let id = publish(&app, json!({"ends_at": ends_at, "rewards": {}, "leaderboard": board})).await;
    let channel = format!("leaderboard:{id}");
    assert_eq!(join(&app, &player, id).await.status, 200);
    let (mut feed, state) = listening(&app, &player, &channel, None).await;
    assert_eq!(state["state"]["items"][0]["top"], json!([]), "{state}");
    for wins in 1..=3 {
        let played = play(&app, PLAYER_ID, "win_count", wins).await;
        let at = played.body["position"].as_u64().unwrap();
        let has_it = |told: &Value| {
            told["type"] == "leaderboard_update" && told["position"].as_u64().unwrap() >= at
        };
        let told = feed.until_on(&channel, has_it).await;
        let path = format!("/api/events/{id}/leaderboard");
        let shown = app.get_at(&path, &player, at).await;
        let (told, shown) = (&told["data"]["top"][0], &shown.body["top"][0]);
        for name in ["place", "user_id", "nickname", "score"] {
            assert_eq!(told[name], shown[name], "{name}: {told}");
        }
    }
    feed.until_on(&channel, |told| told["type"] == "mark").await;
    // Nobody keeps one that is not there.
    for none in ["leaderboard:1", "leaderboard:999"] {
        assert_eq!(feed.join(none, None).await["code"], "NO_LEADERBOARD");
    }
}

#[tokio::test]
async fn the_staff_sees_the_log_as_it_is_written_and_players_do_not() {
    let app = App::start_on(demo_database().await, &MARKS).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let (_, refused) = listening(&app, &player, "admin", None).await;
    assert_eq!(refused["code"], "PERMISSION_DENIED", "{refused}");
    let (mut feed, state) = listening(&app, &admin, "admin", None).await;
    let begin = cursor(&state);
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let secret = json!({"gold": 5, "reason": "a word about somebody"});
    let granted = app.post_keyed(&path, &admin, "g-1", &secret).await;
    let told = feed.until_on("admin", |told| told["data"]["event_type"] == "gold_granted").await;
    assert_eq!(told["position"], granted.body["position"]);
    assert_eq!(told["data"]["aggregate_id"], PLAYER_ID.to_string());
    assert!(!told.to_string().contains("a word about"), "texts are not in the log: {told}");
    let (mut back, recovered) = listening(&app, &admin, "admin", Some(&begin)).await;
    assert_eq!(recovered["recovered"], true, "{recovered}");
    let again = back.until_on("admin", |told| told["type"] == "log_event").await;
    assert_eq!(again, told);

    // Who is no longer of the staff hears nothing more of it, and goes on with the rest.
    back.join("me", None).await;
    let role = json!({"role": "player"});
    let second = app.sign_in("/api/auth/admin/login", ("admin2", "admin123")).await;
    let taken = app.call(Method::PUT, "/api/admin/users/1/role", Some(&second), Some(role)).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    back.until_on("admin", |told| told["type"] == "unsubscribed").await;
    assert_eq!(back.join("admin", None).await["code"], "PERMISSION_DENIED");
}

#[tokio::test]
async fn it_is_told_how_many_are_here_on_all_nodes_together() {
    let database = demo_database().await;
    let first = App::start_on(database.clone(), &MARKS).await;
    let second = App::start_on(database, &MARKS).await;
    let (player, admin) = (first.player().await, first.admin().await);
    let (mut feed, _) = listening(&first, &player, "system", None).await;
    let other = Socket::feed(&second, &admin).await;
    let two = |told: &Value| told["type"] == "system" && told["data"]["online"] == 2;
    feed.until_on("system", two).await;
    let path = format!("/api/admin/users/{PLAYER_ID}");
    assert_eq!(second.get(&path, Some(&admin)).await.body["online"], true);
    // Nothing has been written meanwhile: a cursor says nothing about who is here.
    let (mut back, state) = listening(&first, &player, "system", None).await;
    let (_, anew) = listening(&second, &player, "system", Some(&cursor(&state))).await;
    assert_eq!(anew["recovered"], false, "{anew}");
    back.join("system", Some(&cursor(&state))).await;
    drop(other);
    let one = |told: &Value| told["type"] == "system" && told["data"]["online"] == 1;
    feed.until_on("system", one).await;
    back.until_on("system", one).await;
}

#[tokio::test]
async fn what_one_unsubscribes_from_is_not_told_any_more() {
    let app = App::start_on(demo_database().await, &MARKS).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let (mut feed, _) = listening(&app, &player, "catalog", None).await;
    feed.join("me", None).await;
    feed.say(r#"{"type":"unsubscribe","channel":"catalog"}"#).await;
    feed.until_on("catalog", |told| told["type"] == "unsubscribed").await;
    put_pack(&app, &admin, pack(9)).await;
    let bought = app.post("/api/shop/buy", Some(&player), json!({"product_id": 1002})).await;
    loop {
        let message = feed.json().await;
        assert_eq!(message["channel"], "me", "{message}");
        if message["type"] == "mark"
            && message["position"].as_u64() >= bought.body["position"].as_u64()
        {
            break;
        }
    }
}

#[tokio::test]
async fn another_rank_is_told() {
    let app = App::start_on(demo_database().await, &MARKS).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let (mut feed, _) = listening(&app, &player, "me", None).await;
    let path = format!("/api/admin/users/{PLAYER_ID}/rank");
    let ranked = app.call(Method::PUT, &path, Some(&admin), Some(json!({"rank": "VIP"}))).await;
    assert_eq!(ranked.status, 200, "{}", ranked.text);
    let told = feed.named("profile_update").await;
    assert_eq!(told["data"], json!({"user_id": PLAYER_ID, "rank": "VIP"}));
    assert_eq!(told["position"], ranked.body["position"]);
}
