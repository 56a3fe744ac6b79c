//! Clients that keep a service busy, and remember what they were told: in the end every command has
//! to be accounted for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::app::{App, replay};
use crate::database::Database;
use crate::log::{self, Entry, entries};

/// The longest that anybody may wait for any answer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How long purchases may take to end once nothing is in their way.
const SETTLING: Duration = Duration::from_secs(20);
/// Players of the demo, by name and number; all have one password.
const PLAYERS: [(&str, i64); 6] =
    [("minjun", 6), ("seoyeon", 7), ("dohyun", 8), ("jiwoo", 9), ("haeun", 10), ("junseo", 11)];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A few gold from the staff.
    Grant,
    /// A pack, with a card that is good.
    Purchase,
    /// A pack, with a card that is declined.
    Declined,
}

/// One command, and the answers to it and its repeats that said what became of it.
#[derive(Debug, Clone)]
struct Asked {
    what: What,
    player: usize,
    key: String,
    answers: Vec<(u16, Value)>,
}

/// See the module.
pub struct Load {
    http: reqwest::Client,
    players: Vec<(i64, String)>,
    admin: String,
    asked: Mutex<Vec<Asked>>,
}

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// What there was to account for.
#[derive(Debug)]
pub struct Account {
    /// Commands.
    pub asked: usize,
    /// Answers that said what became of one.
    pub answers: usize,
    /// Purchases in the log.
    pub purchases: usize,
    /// Those that were given up.
    pub voided: usize,
}

impl Load {
    /// Signs some players and an admin in.
    pub async fn sign_in(app: &App) -> Arc<Self> {
        let mut players = Vec::new();
        for (name, id) in PLAYERS {
            players.push((id, app.sign_in("/api/auth/login", (name, "1234")).await));
        }
        let admin = app.admin().await;
        Arc::new(Self { http: reqwest::Client::new(), players, admin, asked: Mutex::default() })
    }

    /// How many answers there are so far.
    pub fn answers(&self) -> usize {
        self.asked.lock().unwrap().iter().map(|asked| asked.answers.len()).sum()
    }

    /// Players with their tokens.
    pub fn players(&self) -> &[(i64, String)] {
        &self.players
    }

    /// The admin's token.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Notes a command that somebody is about to ask; its number.
    pub fn note(&self, what: What, player: usize) -> usize {
        let mut asked = self.asked.lock().unwrap();
        let number = asked.len();
        // Half of the keys are time-ordered, the others could be from any time.
        let time_ordered = number.is_multiple_of(2);
        let key = if time_ordered { uuid::Uuid::now_v7() } else { uuid::Uuid::new_v4() };
        asked.push(Asked { what, player, key: key.to_string(), answers: Vec::new() });
        number
    }

    /// The address, token, key and body of a command.
    pub fn request(&self, number: usize) -> (String, &str, String, Value) {
        let Asked { what, player, key, .. } = self.asked.lock().unwrap()[number].clone();
        let (id, token) = &self.players[player];
        let buy = |card| json!({"product_id": 1001, "card_token": card});
        let shop = "/api/shop/buy".to_owned();
        match what {
            What::Grant => {
                let path = format!("/api/admin/users/{id}/grant");
                (path, &self.admin, key, json!({"gold": 7, "reason": "faults"}))
            }
            What::Purchase => (shop, token, key, buy("tok_approve")),
            What::Declined => (shop, token, key, buy("tok_decline")),
        }
    }

    /// Keeps a node busy with some clients, each asking one thing after another.
    pub fn on(self: &Arc<Self>, url: &str, clients: usize) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            tasks.spawn(self.clone().keep_asking(url.to_owned(), stop.clone()));
        }
        Clients { stop, tasks }
    }

    async fn keep_asking(self: Arc<Self>, url: String, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let asked = self.asked.lock().unwrap().len();
            // One in four is something that was asked before, by whomever.
            let number = if asked > 20 && rand::random_ratio(1, 4) {
                rand::random_range(asked.saturating_sub(200)..asked)
            } else {
                let whats = [What::Grant, What::Purchase, What::Purchase, What::Declined];
                let what = whats[rand::random_range(0..whats.len())];
                self.note(what, rand::random_range(0..self.players.len()))
            };
            if !self.ask(&url, number).await {
                sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Asks for a command once; whether the answer said what became of it.
    pub async fn ask(&self, url: &str, number: usize) -> bool {
        let (path, token, key, body) = self.request(number);
        let request = self.http.post(format!("{url}{path}")).bearer_auth(token).json(&body);
        let request = request.header("Idempotency-Key", key);
        let request = request.header("X-Request-Id", name(number));
        let answered = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.json::<Value>().await?))
        };
        match timeout(LONGEST_WAIT, answered).await.expect("nobody waits for ever") {
            // 409: it was given up, and nothing was charged.
            Ok((status @ (200 | 202 | 402 | 409), body)) => {
                self.asked.lock().unwrap()[number].answers.push((status, body));
                true
            }
            // What became of it is unknown.
            Ok((503, _)) | Err(_) => false,
            Ok((status, body)) => panic!("{} was answered {status} {body}", name(number)),
        }
    }

    /// Holds what was answered against the log, and the log against the provider's records; then
    /// everything against everything. No purchase may be left open.
    pub async fn account_for(&self, database: &Database) -> Account {
        let events = settled(database).await;
        log::check(database, &events).await;
        let told = Told::by(&events);
        let asked = self.asked.lock().unwrap().clone();
        for (number, asked) in asked.iter().enumerate() {
            match asked.what {
                What::Grant => told.check_grant(&name(number), asked),
                What::Purchase | What::Declined => told.check_purchase(&name(number), asked),
            }
        }
        let purchases = &told.purchases;
        check_provider(database, purchases).await;
        let (code, said) = replay(database, &["verify"]).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("compared with the log"), "{said}");
        let is_voided = |purchase: &&Purchase<'_>| purchase.ends[0].0 == "purchase_voided";
        Account {
            asked: asked.len(),
            answers: asked.iter().map(|asked| asked.answers.len()).sum(),
            purchases: purchases.len(),
            voided: purchases.values().filter(is_voided).count(),
        }
    }
}

impl Clients {
    /// Lets each of them finish what it is at.
    pub async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// What a command is called in the log.
fn name(number: usize) -> String {
    format!("load-{number}")
}

/// The log, once every purchase has ended.
async fn settled(database: &Database) -> Vec<Entry> {
    let pool = database.service_pool(1).await;
    let latest = Instant::now() + SETTLING;
    let open = "select count(*) filter (where event_type = 'purchase_requested') \
                     - count(*) filter (where event_type in \
                         ('purchase_completed', 'purchase_failed', 'purchase_voided')) from events";
    loop {
        let open: i64 = sqlx::query_scalar(open).fetch_one(&pool).await.unwrap();
        if open == 0 {
            return entries(database).await;
        }
        assert!(Instant::now() < latest, "{open} purchases stay unfinished");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A purchase, and every end that the log gives it.
struct Purchase<'a> {
    charge: String,
    ends: Vec<(&'a str, u64)>,
}

/// What the log tells of commands, by their names.
#[derive(Default)]
struct Told<'a> {
    grants: HashMap<&'a str, Vec<u64>>,
    /// Receipts.
    requested: HashMap<&'a str, Vec<String>>,
    /// By receipt.
    purchases: HashMap<String, Purchase<'a>>,
}

impl<'a> Told<'a> {
    fn by(events: &'a [Entry]) -> Self {
        let mut told = Self::default();
        for Entry { recorded, request } in events {
            let (position, event) = (recorded.place.position, &recorded.event);
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            let text = |field: &str| payload[field].as_str().unwrap_or_default().to_owned();
            let name = request.as_deref().unwrap_or_default();
            match &*event.event_type {
                "gold_granted" => told.grants.entry(name).or_default().push(position),
                "purchase_requested" => {
                    told.requested.entry(name).or_default().push(text("receipt_code"));
                    let purchase = Purchase { charge: text("charge_id"), ends: Vec::new() };
                    let before = told.purchases.insert(text("receipt_code"), purchase);
                    assert!(before.is_none(), "a receipt code comes twice at {position}");
                }
                end @ ("purchase_completed" | "purchase_failed" | "purchase_voided") => {
                    let purchase = told.purchases.get_mut(&text("receipt_code"));
                    purchase.expect("a purchase is requested first").ends.push((end, position));
                }
                _ => {}
            }
        }
        for (receipt, purchase) in &told.purchases {
            assert_eq!(purchase.ends.len(), 1, "{receipt} ends as {:?}", purchase.ends);
        }
        told
    }

    fn check_grant(&self, name: &str, asked: &Asked) {
        let there = self.grants.get(name).map_or(&[][..], Vec::as_slice);
        assert!(there.len() <= 1, "{name} is in the log at {there:?}");
        for (status, body) in &asked.answers {
            let position = body["position"].as_u64();
            assert_eq!((*status, position), (200, there.first().copied()), "{name}: {body}");
        }
    }

    fn check_purchase(&self, name: &str, asked: &Asked) {
        let there = self.requested.get(name).map_or(&[][..], Vec::as_slice);
        assert!(there.len() <= 1, "{name} is in the log as {there:?}");
        for (status, body) in &asked.answers {
            assert_eq!(body["receipt_code"].as_str(), there.first().map(String::as_str), "{name}");
            let (end, position) = self.purchases[&there[0]].ends[0];
            let answer = match body["purchase_status"].as_str() {
                _ if *status == 202 => continue,
                Some("failed") => "purchase_failed",
                Some("voided") => "purchase_voided",
                Some(other) => panic!("{other}"),
                None => "purchase_completed",
            };
            let told = (answer, body["position"].as_u64().unwrap());
            assert_eq!(told, (end, position), "{name} was answered {status} {body}");
        }
    }
}

/// The provider took money exactly for what was completed, and has heard of nothing else.
async fn check_provider(database: &Database, purchases: &HashMap<String, Purchase<'_>>) {
    let pool = database.service_pool(1).await;
    let all = "select charge_id, state from sandbox.charges";
    let records: Vec<(String, String)> = sqlx::query_as(all).fetch_all(&pool).await.unwrap();
    let mut records: HashMap<String, String> = records.into_iter().collect();
    for (receipt, purchase) in purchases {
        let record = records.remove(&purchase.charge).unwrap_or_else(|| "absent".to_owned());
        let agree = match purchase.ends[0].0 {
            "purchase_completed" => record == "captured",
            "purchase_failed" => record == "declined",
            _ => record == "voided" || record == "absent",
        };
        assert!(agree, "{receipt} is {:?} and its charge is {record}", purchase.ends);
    }
    assert!(records.is_empty(), "charges that nobody asked for: {records:?}");
}
