//! Two nodes, players who play, staff who give, and screens that look on by bad wires.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::money::Wallet;
use rand::random_range;
use serde_json::json;
use tests::live::{Client, Options, Plain};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::nodes::{Nodes, Player, Setting, demo_players};
use super::topic::{Me, Topic, Truth, accounts};
use super::wire::{BadDoor, Weather};
use super::witness::{Cuts, Testimony, listen};
use crate::app::{App, demo_database};
use crate::contract;
use crate::log::{check, entries};

/// Commands at a time.
const AT_WORK: usize = 3;
/// Between two commands of one: what the nodes have to do shall be cuts, for the greater part.
const PACE: Duration = Duration::from_millis(20);
/// How long screens may take to have everything, once nothing is in their way.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub struct Trial {
    pub nodes: Arc<Nodes>,
    pub weather: Arc<Weather>,
    pub cuts: Arc<Cuts>,
    pub players: Vec<Player>,
    pub goal: watch::Sender<Option<u64>>,
    pub witnesses: JoinSet<(i64, Testimony<Me>)>,
    stop: Arc<AtomicBool>,
    working: JoinSet<()>,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is not as the log says.
    pub wrong: Vec<String>,
    /// Times that a screen's state was compared.
    pub notes: usize,
    /// Messages that were counted.
    pub told: usize,
    /// Subscriptions that went on where the last one was cut.
    pub recoveries: u64,
    /// Messages that came again after a cut in the middle of an event.
    pub overlaps: u64,
    /// Subscriptions that could not go on.
    pub gaps: u64,
}

impl Trial {
    /// Begins one with so many screens, dealt out to so many players.
    pub async fn begin(settings: &[Setting], players: usize, screens: usize) -> Self {
        let database = demo_database().await;
        let first = App::start_on(database.clone(), settings).await;
        let mut everybody = demo_players(&first).await;
        everybody.truncate(players);
        let admin = first.admin().await;
        drop(first);
        let nodes = Nodes::start(database, settings).await;
        let (goal, _) = watch::channel(None);
        let mut trial = Self {
            nodes,
            weather: Arc::default(),
            cuts: Arc::default(),
            players: everybody.clone(),
            goal,
            witnesses: JoinSet::new(),
            stop: Arc::default(),
            working: JoinSet::new(),
        };
        trial.look_on(&everybody, screens);
        trial.work(&Arc::new(everybody), &admin);
        trial
    }

    fn look_on(&mut self, players: &[Player], screens: usize) {
        // No connection for tickets is kept: the node at its other end may be gone.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let options = Options {
            first_pause: Duration::from_millis(4),
            longest_pause: Duration::from_millis(100),
            connecting: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            witness: contract::witness,
        };
        for (number, player) in (0..screens).zip(players.iter().cycle()) {
            let tickets = Plain::with(http.clone(), String::new(), player.token.clone());
            let door = BadDoor::new(self.nodes.clone(), self.weather.clone(), number, tickets);
            let client = Client::new(door, options, [Me::CHANNEL]);
            let (id, cuts, goal) = (player.id, self.cuts.clone(), self.goal.subscribe());
            self.witnesses.spawn(async move { (id, listen(client, cuts, goal).await) });
        }
    }

    fn work(&mut self, players: &Arc<Vec<Player>>, admin: &str) {
        for number in 0..AT_WORK {
            let (nodes, players) = (self.nodes.clone(), players.clone());
            let (admin, stop) = (admin.to_owned(), self.stop.clone());
            self.working.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let player = &players[random_range(0..players.len())];
                    something(&nodes, number, player, &admin).await;
                    sleep(PACE).await;
                }
            });
        }
    }

    /// Kills one node after the other, so many times, and goes on until there were so many cuts.
    pub async fn go_on(&self, cuts: usize, kills: usize) {
        for node in 0..kills {
            sleep(Duration::from_millis(random_range(300..1_500))).await;
            self.nodes.kill(node % 2).await;
            self.nodes.revive(node % 2).await;
        }
        let (mut before, mut since) = (0, Instant::now());
        while before < cuts {
            sleep(Duration::from_millis(20)).await;
            let now = self.cuts.all();
            if now > before {
                (before, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "it does not go on: {:?}", self.cuts);
        }
    }

    /// Lets everybody come to an end, and holds what they have seen against the log.
    pub async fn judge(mut self) -> Verdict {
        self.stop.store(true, Ordering::Relaxed);
        let done = async { while self.working.join_next().await.transpose().unwrap().is_some() {} };
        timeout(PATIENCE, done).await.expect("commands end");
        self.weather.calm_down();
        let database = self.nodes.database.clone();
        self.goal.send_replace(Some(u64::try_from(database.head().await).unwrap()));
        let mut testimonies = Vec::new();
        while let Some(testimony) =
            timeout(PATIENCE, self.witnesses.join_next()).await.expect("screens have everything")
        {
            testimonies.push(testimony.unwrap());
        }
        let log = entries(&database).await;
        check(&database, &log).await;
        let truths = accounts(&log);
        self.holds_what_rest_shows(&truths).await;
        let mut verdict = Verdict::default();
        for (player, testimony) in testimonies {
            verdict.wrong.extend(
                testimony.against(&truths[&player]).iter().map(|it| format!("{player}: {it}")),
            );
            verdict.notes += testimony.notes();
            verdict.told += testimony.told();
            verdict.recoveries += testimony.counts.recoveries;
            verdict.overlaps += testimony.counts.overlaps;
            verdict.gaps += testimony.counts.gaps;
        }
        verdict
    }
}

impl Trial {
    /// The truth by the log is what REST answers in the end.
    async fn holds_what_rest_shows(&self, truths: &HashMap<i64, Truth<Wallet>>) {
        for Player { id, token } in &self.players {
            let (status, shown) = self.nodes.get(0, "/api/users/balance", token).await;
            assert_eq!(status, 200, "{shown}");
            let Wallet { paid, free, debt, vip_points } = truths[id].at(u64::MAX);
            let expected = [paid + free, paid, free, debt, vip_points];
            let names = ["gold", "gold_paid", "gold_free", "debt", "vip_points"];
            assert_eq!(names.map(|name| shown[name].as_u64().unwrap()), expected, "{id}: {shown}");
        }
    }
}

/// One command: gold from the staff, gold spent, a pack bought with a good or a bad card.
async fn something(nodes: &Nodes, node: usize, player: &Player, admin: &str) {
    let grant = format!("/api/admin/users/{}/grant", player.id);
    let (path, token, body) = match random_range(0..10) {
        0..2 => (&*grant, admin, json!({"gold": random_range(1..100), "reason": "faults"})),
        2 => (&*grant, admin, json!({"vip_points": 1, "reason": "faults"})),
        3..5 => ("/test/spend", &*player.token, json!({"gold": random_range(1..20)})),
        5..9 => ("/api/shop/buy", &*player.token, json!({"product_id": 1001})),
        _ => (
            "/api/shop/buy",
            &*player.token,
            json!({"product_id": 1001, "card_token": "tok_decline"}),
        ),
    };
    // Spends may find nothing left, and the cards of some are declined; all else is done.
    let known: HashMap<u16, &str> =
        HashMap::from([(200, "done"), (402, "declined"), (409, "not enough")]);
    let (status, answer) = nodes.post(node + random_range(0..2), path, token, &body).await;
    assert!(known.contains_key(&status), "{path}: {status} {answer}");
}
