//! The published schema (`/docs/asyncapi.json`): all that it promises is said, and as it says.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::events::{join, moment, play, publish};
use crate::app::{App, PLAYER_ID, demo_database};
use crate::contract;
use crate::socket::Socket;

#[tokio::test]
async fn the_schema_is_the_one_in_the_repository() {
    let app = App::start().await;
    let answer = app.get("/docs/asyncapi.json", None).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let committed = include_str!("../../../../api/asyncapi.json");
    assert!(
        answer.text.trim() == committed.trim(),
        "api/asyncapi.json is out of date: run 'club asyncapi > api/asyncapi.json'"
    );
}

/// One message of each kind that a club has said, by its name in the schema.
#[derive(Default)]
struct Heard(BTreeMap<String, Value>);

impl Heard {
    /// Reads until there is one of this name.
    async fn until(&mut self, feed: &mut Socket, name: &str) {
        while !self.0.contains_key(name) {
            let message = feed.json().await;
            let name = contract::name_of(&message).unwrap();
            self.0.insert(name, message);
        }
    }
}

/// An open feed.
struct Listening<'a> {
    app: &'a App,
    feed: Socket,
}

impl<'a> Listening<'a> {
    async fn begin(app: &'a App, token: &str, heard: &mut Heard) -> Self {
        let mut feed = Socket::feed(app, token).await;
        heard.until(&mut feed, "Hello").await;
        Self { app, feed }
    }

    async fn subscribe(&mut self, channel: &str, since: Option<&str>) {
        let wish = json!({"type": "subscribe", "channel": channel, "since": since});
        self.feed.say(&wish.to_string()).await;
    }

    /// Subscribes, and does so once more from the cursor that came with the state.
    async fn come_and_come_back(&mut self, (channel, name): (&str, &str), heard: &mut Heard) {
        self.subscribe(channel, None).await;
        let state = format!("{name}State");
        heard.until(&mut self.feed, &state).await;
        let cursor = heard.0[&state]["cursor"].as_str().unwrap().to_owned();
        self.subscribe(channel, Some(&cursor)).await;
        heard.until(&mut self.feed, &format!("{name}Resumed")).await;
    }

    async fn all_that_happens_to_a_player(&mut self, token: &str, admin: &str, heard: &mut Heard) {
        self.come_and_come_back(("me", "Me"), heard).await;
        let app = self.app;
        let bought = app.post("/api/shop/buy", Some(token), json!({"product_id": 1001})).await;
        assert_eq!(bought.status, 200, "{}", bought.text);
        heard.until(&mut self.feed, "PurchaseUpdate").await;
        heard.until(&mut self.feed, "BalanceUpdate").await;
        let joined = join(app, token, 1).await;
        assert_eq!(joined.status, 200, "{}", joined.text);
        heard.until(&mut self.feed, "EventProgress").await;
        heard.until(&mut self.feed, "RewardGranted").await;
        play(app, PLAYER_ID, "play_count", 1).await;
        heard.until(&mut self.feed, "MissionProgress").await;
        app.post("/api/streak/claim", Some(token), json!({})).await;
        heard.until(&mut self.feed, "StreakUpdate").await;
        let path = format!("/api/admin/users/{PLAYER_ID}/rank");
        app.call(Method::PUT, &path, Some(admin), Some(json!({"rank": "VIP"}))).await;
        heard.until(&mut self.feed, "ProfileUpdate").await;
        heard.until(&mut self.feed, "Mark").await;
    }

    async fn all_that_is_about_the_feed(&mut self, heard: &mut Heard) {
        self.feed.say(r#"{"type":"ping"}"#).await;
        heard.until(&mut self.feed, "Pong").await;
        self.subscribe("weather", None).await;
        heard.until(&mut self.feed, "Error").await;
        self.feed.say(r#"{"type":"unsubscribe","channel":"me"}"#).await;
        heard.until(&mut self.feed, "Unsubscribed").await;
    }

    async fn all_that_many_are_told(&mut self, token: &str, admin: &str, heard: &mut Heard) {
        let app = self.app;
        for channel in [("catalog", "Catalog"), ("events", "Events"), ("admin", "Admin")] {
            self.come_and_come_back(channel, heard).await;
        }
        self.subscribe("system", None).await;
        heard.until(&mut self.feed, "SystemState").await;
        let off = "/api/admin/shop/products/1001/deactivate";
        assert_eq!(app.post(off, Some(admin), json!({})).await.status, 200);
        heard.until(&mut self.feed, "CatalogUpdate").await;
        heard.until(&mut self.feed, "LogEvent").await;
        let board = json!({"counter": "win_count", "tiers": []});
        let ends_at = moment(app).await + TimeDelta::minutes(30);
        let contest = json!({"ends_at": ends_at, "rewards": {}, "leaderboard": board});
        let id = publish(app, contest).await;
        heard.until(&mut self.feed, "EventUpdate").await;
        assert_eq!(join(app, token, id).await.status, 200);
        self.subscribe(&format!("leaderboard:{id}"), None).await;
        heard.until(&mut self.feed, "LeaderboardState").await;
        play(app, PLAYER_ID, "win_count", 1).await;
        heard.until(&mut self.feed, "LeaderboardUpdate").await;
        heard.until(&mut self.feed, "System").await;
    }
}

/// Everything that a message holds, by the way to it.
fn ways(value: &Value, way: &str, found: &mut Vec<String>) {
    let Value::Object(members) = value else { return };
    // What is stored is told as it is.
    if way.ends_with("/payload") || way.ends_with("/metadata") {
        return;
    }
    for (name, member) in members {
        let way = format!("{way}/{name}");
        ways(member, &way, found);
        found.push(way);
    }
}

/// Messages that are not as this one: a field of another type, and one field more, everywhere.
fn deviations(message: &Value) -> Vec<Value> {
    let (mut found, mut deviations) = (Vec::new(), Vec::new());
    ways(message, "", &mut found);
    for way in found {
        let mut other = message.clone();
        *other.pointer_mut(&way).unwrap() = json!([[]]);
        deviations.push(other);
        let (parent, _) = way.rsplit_once('/').unwrap();
        let mut more = message.clone();
        more.pointer_mut(parent).unwrap()["one_more"] = json!(1);
        deviations.push(more);
    }
    for required in ["type", "channel", "position", "cursor", "data"] {
        let mut less = message.clone();
        if less.as_object_mut().unwrap().remove(required).is_some() {
            deviations.push(less);
        }
    }
    deviations
}

#[tokio::test]
async fn every_message_of_the_schema_is_said_and_a_deviation_in_any_field_is_found() {
    let app = App::start_on(demo_database().await, &[("CLUB_MARK_INTERVAL_MS", "100")]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let mut heard = Heard::default();
    let mut own = Listening::begin(&app, &player, &mut heard).await;
    own.all_that_happens_to_a_player(&player, &admin, &mut heard).await;
    own.all_that_is_about_the_feed(&mut heard).await;
    let mut staff = Listening::begin(&app, &admin, &mut heard).await;
    staff.all_that_many_are_told(&player, &admin, &mut heard).await;

    let said: BTreeSet<String> = heard.0.keys().cloned().collect();
    let unsaid: Vec<String> = contract::names().difference(&said).cloned().collect();
    assert_eq!(unsaid, ["Ping"], "that comes after half a minute of silence");
    let mut planted = 0;
    for (name, message) in &heard.0 {
        for deviation in deviations(message) {
            let deviation = deviation.to_string();
            assert!(contract::fits(&deviation).is_err(), "{name}: {deviation}");
            planted += 1;
        }
    }
    assert!(planted > 300, "only {planted}");
}
