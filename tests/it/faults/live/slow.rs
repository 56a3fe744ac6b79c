//! Screens that stop reading while much happens: they cost little, they are told that they were too
//! slow (or are told the last balance instead of all), and those who read miss nothing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tests::live::{Change, Client, Cut, Mirror, Options, Plain};
use tests::load::resident;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::nodes::{Nodes, Player, demo_players};
use super::topic::{Me, Topic, accounts};
use super::wire::{BadDoor, Weather};
use super::witness::listen;
use crate::app::{App, demo_database};
use crate::contract;
use crate::log::entries;

const SLOW: usize = 40;
/// More than fits into a screen's queue and the kernels' buffers, and more than is read again for it.
const FLOOD: usize = 2_000;
const BATCH: usize = 50;
/// What one that does not read may cost, in bytes. Its queue is a few kilobytes; the rest is what a
/// process's memory goes up and down by, and unoptimised.
const COST: u64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a slow screen has met with.
struct Met {
    was_closed: bool,
    told: usize,
    mirror: Mirror,
}

fn client(nodes: &Arc<Nodes>, weather: &Arc<Weather>, player: &Player) -> Client<BadDoor> {
    let tickets = Plain::new(String::new(), player.token.clone());
    let door = BadDoor::new(nodes.clone(), weather.clone(), 0, tickets);
    let first_pause = Duration::from_millis(5);
    Client::new(
        door,
        Options { first_pause, witness: contract::witness, ..Options::default() },
        [Me::CHANNEL],
    )
}

/// Much happens to one player; by how much the service has grown meanwhile.
async fn flood(nodes: &Nodes, (admin, player): (&str, i64), service: u32) -> u64 {
    let before = resident(service).unwrap();
    let line = |_| json!({"key": uuid::Uuid::now_v7(), "user_id": player, "gold": 1});
    for _ in 0..FLOOD / BATCH {
        let lines: Vec<_> = (0..BATCH).map(line).collect();
        let body = json!({"reason": "much happens", "lines": lines});
        let (status, answer) = nodes.post(0, "/api/admin/grants", admin, &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    resident(service).unwrap().saturating_sub(before)
}

/// Reads on until everything is there.
async fn read_on(mut client: Client<BadDoor>, head: u64) -> Met {
    let mut met = Met { was_closed: false, told: 0, mirror: Mirror::default() };
    loop {
        let change = client.next().await;
        met.mirror.apply(&change);
        match change {
            Change::Cut(Cut::Closed { code: 4408, .. }) => met.was_closed = true,
            Change::Told { .. } => met.told += 1,
            Change::Mark { position, .. } if position >= head => return met,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screens_that_stop_reading_cost_little_and_are_told_so_and_others_miss_nothing() {
    let app = App::start_on(demo_database().await, &super::SETTINGS).await;
    let (service, admin) = (app.id(), app.admin().await);
    let player = demo_players(&app).await.swap_remove(0);
    let (nodes, weather) = (Nodes::of(vec![app]).await, Arc::<Weather>::default());
    weather.calm_down();
    let (goal, reached) = watch::channel(None);
    let witness = listen::<Me, _>(client(&nodes, &weather, &player), Arc::default(), reached);
    let witness = tokio::spawn(witness);

    let alone = flood(&nodes, (&admin, player.id), service).await;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut client = client(&nodes, &weather, &player);
        while !matches!(client.next().await, Change::State { .. }) {}
        slow.push(client);
    }
    let with_slow_ones = flood(&nodes, (&admin, player.id), service).await;
    let cost = with_slow_ones.saturating_sub(alone) / SLOW as u64;
    println!("grown by {alone} bytes alone, by {with_slow_ones} with {SLOW} that do not read");
    assert!(cost < COST, "{cost} bytes for each that does not read");

    let head = u64::try_from(nodes.database.head().await).unwrap();
    goal.send_replace(Some(head));
    let truth = &accounts(&entries(&nodes.database).await)[&player.id];
    let testimony = timeout(PATIENCE, witness).await.expect("who reads has everything").unwrap();
    assert_eq!(testimony.against(truth), Vec::<String>::new());
    // Of the balances that one append makes, the last is told.
    assert!(testimony.told() >= FLOOD / BATCH, "{}", testimony.told());
    let mut reading: JoinSet<Met> = slow.into_iter().map(|it| read_on(it, head)).collect();
    while let Some(met) = timeout(PATIENCE, reading.join_next()).await.expect("all read on") {
        let met = met.unwrap();
        assert!(met.was_closed || met.told < FLOOD, "not told that it was too slow");
        let wallet = met.mirror.wallet().unwrap();
        assert_eq!(
            (wallet.gold_free, wallet.gold_paid),
            (truth.at(head).free, truth.at(head).paid)
        );
    }
}
