//! Game servers report play in batches: as fast as they are answered, and then at a pace at which
//! nothing is short of anything. Meanwhile probes look how long a player waits, from the answer to a
//! report, until the read model shows the progress.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cpu::CpuMeter;
use crate::game_servers::{Deed, GameServer, Line};
use crate::http::{Connection, Template};
use crate::load::{Answer, Client, Load, Plan, closed_loop, histogram};
use crate::players::{Players, Session, sign_in_demo, worst_lag};

/// Game servers that report.
pub const SERVERS: usize = 4;

/// Connections that each of them keeps, with one batch in flight on each.
const LINES: usize = 4;

/// Actions in one request.
const BATCH: usize = 50;

/// Actions a second while the probes look: twice what is required, and about half of what there is.
pub const PACE: u32 = 10_000;

/// Of so many plays one is won.
const PLAYS_A_WIN: usize = 3;

/// Out of reach: every action brings the goals of the benchmark closer, however long it runs.
const FAR: u64 = 1_000_000_000;

/// Players of the demo for whom only a probe plays.
const PROBED: [&str; 10] = [
    "minjun", "seoyeon", "dohyun", "jiwoo", "haeun", "junseo", "yerin", "taeyang", "subin",
    "hyunwoo",
];

/// A probe rests at most that long between looks: without that, all would look in step with the
/// pages of the follower that they watch.
const LONGEST_REST_MICROS: u64 = 25_000;

const LIST: &str = "/api/events/missions/all";

/// Puts three missions on the board, and publishes an event with a leaderboard, which every player
/// joins. All of them take so much that they are never complete. Returns the number of a mission that
/// counts plays.
pub async fn set_up(address: SocketAddr, players: &Players) -> Result<i64> {
    let mut connection = Connection::open(address).await?;
    let mut mission = 0;
    for (counter, period) in
        [("play_count", "weekly"), ("win_count", "daily"), ("play_count", "once")]
    {
        mission = add(players.admin(), &mut connection, counter, period).await?;
    }
    let event = publish(players.admin(), &mut connection).await?;
    for player in players.all() {
        let body = json!({ "event_id": event });
        player.post(&mut connection, "/api/events/join", &body).await?;
    }
    Ok(mission)
}

async fn add(
    admin: &Session,
    connection: &mut Connection,
    counter: &str,
    period: &str,
) -> Result<i64> {
    let terms = json!({
        "name": "벤치마크", "name_en": "Benchmark", "counter": counter, "target": FAR,
        "period": period, "rewards": {"gold": 1_000},
    });
    number(&admin.post(connection, "/api/admin/missions", &terms).await?)
}

async fn publish(admin: &Session, connection: &mut Connection) -> Result<i64> {
    let terms = json!({
        "name": "벤치마크", "name_en": "Benchmark", "publish": true, "rewards": {"gold": 1_000},
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z",
        "requirements": [{"counter": "play_count", "target": FAR}],
        "leaderboard": {
            "counter": "win_count", "tiers": [{"last_place": 10, "rewards": {"gold": 1_000}}],
        },
    });
    number(&admin.post(connection, "/api/admin/events", &terms).await?)
}

fn number(made: &Value) -> Result<i64> {
    made["id"].as_i64().with_context(|| format!("no number in {made}"))
}

/// What one repeat has measured.
#[derive(Debug)]
pub struct Reported {
    /// Of single actions, with the latencies of batches.
    pub load: Load,
    /// Actions that were reported at the pace.
    pub paced: u64,
    /// How long it took until progress was shown, in microseconds.
    pub shown: Histogram<u64>,
    /// Which follower was furthest behind when the load ended, and how many milliseconds.
    pub furthest_behind: (String, f64),
}

/// One repeat: first as fast as can be, then at the pace, while the probes look at their progress with
/// this mission.
pub async fn report(
    address: SocketAddr,
    (servers, players): (&[GameServer], &Players),
    mission: i64,
    plan: Plan,
    meter: &CpuMeter,
) -> Result<Reported> {
    let fast = reporters(address, servers, players, None).await?;
    let load = closed_loop(fast, plan, meter).await?.in_batches_of(BATCH as u64);
    let furthest_behind = worst_lag(address).await?;
    let probes = probes(address, servers, mission).await?;
    let paced = reporters(address, servers, players, Some(PACE)).await?;
    let paced = async {
        let paced = closed_loop(paced, plan, meter).await?.in_batches_of(BATCH as u64);
        let rate = paced.rate();
        ensure!(rate > f64::from(PACE) * 0.9, "only {rate:.0} actions/s while the probes looked");
        anyhow::Ok(paced.operations)
    };
    let (paced, shown) = tokio::try_join!(paced, look(probes, plan))?;
    Ok(Reported { load, paced, shown, furthest_behind })
}

async fn probes(address: SocketAddr, servers: &[GameServer], mission: i64) -> Result<Vec<Probe>> {
    let players = sign_in_demo(&mut Connection::open(address).await?, &PROBED).await?;
    let mut probes = Vec::with_capacity(players.len());
    for (player, server) in players.into_iter().zip(servers.iter().cycle()) {
        probes.push(Probe::of(address, server, player, mission).await?);
    }
    Ok(probes)
}

async fn reporters(
    address: SocketAddr,
    servers: &[GameServer],
    players: &Players,
    pace: Option<u32>,
) -> Result<Vec<Reporter>> {
    let lines = u32::try_from(servers.len() * LINES)?;
    let every = pace.map(|pace| Duration::from_secs(1) * BATCH as u32 * lines / pace);
    let users: Arc<[String]> = players.all().iter().map(|player| player.user.clone()).collect();
    let mut reporters = Vec::with_capacity(servers.len() * LINES);
    for server in servers {
        for _ in 0..LINES {
            let line = server.connect(address).await?;
            let (users, random) = (Arc::clone(&users), SmallRng::from_os_rng());
            let ticks = every.map(tokio::time::interval);
            reporters.push(Reporter { line, users, random, ticks });
        }
    }
    Ok(reporters)
}

/// A game server that reports one batch after another.
struct Reporter {
    line: Line,
    users: Arc<[String]>,
    random: SmallRng,
    /// When the next one is due, if it does not go as fast as it can.
    ticks: Option<tokio::time::Interval>,
}

impl Client for Reporter {
    async fn once(&mut self) -> Result<Answer> {
        if let Some(ticks) = &mut self.ticks {
            ticks.tick().await;
        }
        let mut chosen = [0; BATCH];
        chosen.fill_with(|| self.random.random_range(0..self.users.len()));
        let users = &self.users;
        let deeds = chosen.iter().enumerate().map(|(number, user)| Deed {
            user: &users[*user],
            counter: if number % PLAYS_A_WIN == 0 { "win_count" } else { "play_count" },
        });
        Ok(match self.line.report(deeds, &mut self.random).await {
            Ok(_) => Answer::Good,
            Err(error) => Answer::Bad(format!("{error:#}")),
        })
    }
}

/// Somebody who plays once, and looks at once how far that has brought them.
struct Probe {
    line: Line,
    connection: Connection,
    player: Session,
    mission: i64,
    random: SmallRng,
    /// All that has been played for this player.
    plays: u64,
}

#[derive(Deserialize)]
struct Shown {
    id: i64,
    progress: u64,
}

impl Probe {
    async fn of(
        address: SocketAddr,
        server: &GameServer,
        player: Session,
        mission: i64,
    ) -> Result<Self> {
        let mut probe = Self {
            line: server.connect(address).await?,
            connection: Connection::open(address).await?,
            player,
            mission,
            random: SmallRng::from_os_rng(),
            plays: 0,
        };
        probe.plays = probe.shown_at(0).await?;
        Ok(probe)
    }

    /// Plays and looks until then; keeps what was looked at after `from`.
    async fn run(mut self, from: Instant, until: Instant) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        while Instant::now() < until {
            let rest = self.random.random_range(0..=LONGEST_REST_MICROS);
            tokio::time::sleep(Duration::from_micros(rest)).await;
            let deed = Deed { user: &self.player.user, counter: "play_count" };
            let position = self.line.report([deed], &mut self.random).await?;
            self.plays += 1;
            let committed = Instant::now();
            let shown = self.shown_at(position).await?;
            if committed >= from {
                times.push(committed.elapsed());
            }
            ensure!(shown == self.plays, "of {} plays only {shown} are shown", self.plays);
        }
        Ok(times)
    }

    /// The progress that the read model shows as soon as it is at this position.
    async fn shown_at(&mut self, position: u64) -> Result<u64> {
        let request = Template::get_at(LIST, &self.player.token, position);
        let reply = self.connection.exchange(request.bytes()).await?;
        ensure!(reply.status == 200, "the missions at {position}: {}", reply.describe());
        let all: Vec<Shown> = serde_json::from_slice(reply.body)
            .with_context(|| format!("unexpected missions: {}", reply.describe()))?;
        let mine = all.iter().find(|mission| mission.id == self.mission);
        Ok(mine.context("the benchmark's mission is not on the board")?.progress)
    }
}

async fn look(probes: Vec<Probe>, plan: Plan) -> Result<Histogram<u64>> {
    let from = Instant::now() + plan.warm_up;
    let until = from + plan.window;
    let mut looking = JoinSet::new();
    for probe in probes {
        looking.spawn(probe.run(from, until));
    }
    let mut shown = histogram()?;
    while let Some(times) = looking.join_next().await {
        for time in times?? {
            shown.record(u64::try_from(time.as_micros())?)?;
        }
    }
    Ok(shown)
}
