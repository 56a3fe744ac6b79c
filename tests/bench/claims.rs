//! Players claim what missions pay. Every claim must pay, and a mission pays once: so there are as many
//! missions as the time takes, and everybody has completed all of them before it begins.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use serde_json::json;

use crate::game_servers::{Deed, GameServer};
use crate::http::{Connection, Template};
use crate::load::{Answer, Client, Plan};
use crate::players::{Session, fresh_key};

/// Faster than any machine so far; a faster one is told that claims ran out.
const MOST_A_SECOND: f64 = 25_000.0;

/// Missions that one action completes: its event names all of them.
const AT_ONCE: usize = 100;

/// Actions in one report.
const REPORTED: usize = 20;

/// Missions that each of so many players needs for one repeat.
pub fn needed(plan: Plan, players: usize) -> usize {
    let claims = (plan.warm_up + plan.window).as_secs_f64() * MOST_A_SECOND;
    (claims / players as f64).ceil() as usize
}

/// Puts missions on the board that one action completes, and lets every player do it. Returns the
/// missions' numbers. `numbers` are those that the benchmark counts them by: each once.
pub async fn complete(
    address: SocketAddr,
    (admin, server): (&Session, &GameServer),
    players: &[Session],
    numbers: Range<usize>,
) -> Result<Vec<i64>> {
    let mut connection = Connection::open(address).await?;
    let mut missions = Vec::with_capacity(numbers.len());
    let mut counters = Vec::new();
    for number in numbers {
        let counter = format!("claimable_{}", number / AT_ONCE);
        missions.push(add(admin, &mut connection, &counter).await?);
        if counters.last() != Some(&counter) {
            counters.push(counter);
        }
    }
    let (mut line, mut random) = (server.connect(address).await?, SmallRng::from_os_rng());
    for counter in &counters {
        for some in players.chunks(REPORTED) {
            let deeds = some.iter().map(|player| Deed { user: &player.user, counter });
            line.report(deeds, &mut random).await?;
        }
    }
    Ok(missions)
}

async fn add(admin: &Session, connection: &mut Connection, counter: &str) -> Result<i64> {
    let terms = json!({
        "name": "벤치마크", "name_en": "Benchmark", "counter": counter, "target": 1,
        "period": "once", "rewards": {"gold": 1},
    });
    let made = admin.post(connection, "/api/admin/missions", &terms).await?;
    made["id"].as_i64().with_context(|| format!("no number in {made}"))
}

/// A claim, ready to be sent.
pub fn request(player: &Session, mission: i64) -> Template {
    let path = format!("/api/events/missions/claim/{mission}");
    Template::command(&path, &player.token, "{}")
}

/// What can be claimed, each by one player once, in any order.
#[derive(Debug)]
pub struct Claimable {
    players: Vec<Session>,
    missions: Vec<i64>,
    /// Player and mission, by their places.
    pairs: Vec<(u32, u32)>,
    next: AtomicUsize,
}

impl Claimable {
    /// Every mission for every player, at random.
    pub fn new(players: &[Session], missions: Vec<i64>) -> Result<Arc<Self>> {
        let (players, mut pairs) = (players.to_vec(), Vec::new());
        for mission in 0..u32::try_from(missions.len())? {
            pairs.extend((0..u32::try_from(players.len())?).map(|player| (player, mission)));
        }
        pairs.shuffle(&mut SmallRng::from_os_rng());
        Ok(Arc::new(Self { players, missions, pairs, next: AtomicUsize::new(0) }))
    }

    /// How many have been claimed.
    pub fn claimed(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    fn next(&self) -> Result<Template> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let (player, mission) =
            self.pairs.get(next).context("everything is claimed: the benchmark needs more")?;
        Ok(request(&self.players[*player as usize], self.missions[*mission as usize]))
    }
}

/// Somebody who claims one after another, each for another player.
pub struct Claimer {
    connection: Connection,
    claimable: Arc<Claimable>,
    random: SmallRng,
    outbox: Vec<u8>,
}

impl Claimer {
    /// Connects so many.
    pub async fn connect(
        address: SocketAddr,
        claimable: &Arc<Claimable>,
        in_flight: usize,
    ) -> Result<Vec<Self>> {
        let mut claimers = Vec::with_capacity(in_flight);
        for _ in 0..in_flight {
            claimers.push(Self {
                connection: Connection::open(address).await?,
                claimable: Arc::clone(claimable),
                random: SmallRng::from_os_rng(),
                outbox: Vec::new(),
            });
        }
        Ok(claimers)
    }
}

impl Client for Claimer {
    async fn once(&mut self) -> Result<Answer> {
        let request = self.claimable.next()?;
        request.fill(fresh_key(&mut self.random)?, &mut self.outbox);
        let reply = self.connection.exchange(&self.outbox).await?;
        let is_paid = reply.status == 200 && reply.is_good();
        Ok(if is_paid { Answer::Good } else { Answer::Bad(reply.describe()) })
    }
}

/// Every claim that was made stands in the log, once.
pub async fn insist_on_all(url: &str, after: i64, claims: usize) -> Result<()> {
    let paid: i64 = sqlx::query_scalar(
        "select count(*) from events where position > $1 and event_type = 'mission_claimed'",
    )
    .bind(after)
    .fetch_one(&mut crate::database::connect(url).await?)
    .await?;
    ensure!(usize::try_from(paid)? == claims, "{claims} claims have left {paid} in the log");
    Ok(())
}
