//! One who has played for ten years claims beside others who have just begun: in memory, and as the
//! first thing that is asked of a service that has just started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use commands::Commands;
use commands::clock::{Clock, SystemClock};
use commands::context::{Caller, IdempotencyKey};
use commands::play::Action;
use domain::event::Actor;
use domain::id::{MissionId, PlayerId};
use domain::mission::{Cadence, MissionTerms};
use domain::money::Gold;
use domain::reward::Rewards;
use hdrhistogram::Histogram;
use sqlx::Row;

use crate::claims;
use crate::database::Database;
use crate::game_servers::GameServer;
use crate::http::Connection;
use crate::in_process::Node;
use crate::load::{histogram, on_all_cores};
use crate::players::{Players, Session, settle};
use crate::report::{Beside, Measured, Outcome};
use crate::service::{self, Server};

/// The first player whom the seed enters after the demo's.
const OLD: PlayerId = PlayerId(25);

/// Ten years.
const DAYS: i64 = 3_653;

/// Actions of a day: 100,000 in all.
const PLAYS_A_DAY: usize = 28;

/// The mission of every day and that of every week are claimed: 4,000 claims in all.
const TARGETS: [(Cadence, u64); 2] = [(Cadence::Daily, 5), (Cadence::Weekly, 20)];

/// A snapshot is due every 500 events, and one may have been left out when others were waiting.
const MOST_AFTER_SNAPSHOT: i64 = 1_000;

/// Who has just begun. They take turns, so that none of them grows old meanwhile.
const NEW: usize = 20;

/// Claims of either kind before anything is counted.
const WARM_UP: usize = 50;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Claims of the old account, and as many of new ones.
    pub claims: usize,
    /// Starts of the service, with one first claim of either kind each.
    pub starts: usize,
}

/// A clock that stands at noon, and goes on by a day with every day that has been lived: none ends
/// between what is done in it and its claim.
#[derive(Debug)]
struct LivedClock {
    first_noon: DateTime<Utc>,
    days: AtomicI64,
}

impl LivedClock {
    /// Ten years ago.
    fn start() -> Result<Self> {
        let today = SystemClock.now().date_naive();
        let first_day = today - TimeDelta::days(DAYS);
        let first_noon = first_day.and_hms_opt(12, 0, 0).context("every day has a noon")?.and_utc();
        Ok(Self { first_noon, days: AtomicI64::new(0) })
    }

    fn next_day(&self) {
        self.days.fetch_add(1, Ordering::SeqCst);
    }
}

impl Clock for LivedClock {
    fn now(&self) -> DateTime<Utc> {
        self.first_noon + TimeDelta::days(self.days.load(Ordering::SeqCst))
    }
}

/// Makes a club in which one account has been played on for ten years, by the commands and the clock
/// of those days: its streams and snapshots are what a service would have left.
pub async fn live(bin: &Path, database: &Database) -> Result<()> {
    service::club(bin, &database.url, &["migrate"]).await?;
    let url = database.url.clone();
    on_all_cores(move || async move {
        let clock = Arc::new(LivedClock::start()?);
        let node = Node::start_by(&url, Arc::<LivedClock>::clone(&clock)).await?;
        let lived = live_all_days(&node.commands, &clock).await;
        node.close().await;
        lived
    })
    .await?;
    let players = (1 + NEW).to_string();
    service::club(bin, &database.url, &["seed", "--players", &players]).await?;
    tell_of(database).await
}

async fn live_all_days(commands: &Commands, clock: &LivedClock) -> Result<()> {
    let club = Caller::system("benchmark");
    commands.open_account(&club, OLD).await?;
    let mut missions = Vec::new();
    for (cadence, target) in TARGETS {
        let terms = terms(cadence, target)?;
        missions.push((cadence, commands.add_mission(&club, terms, None).await?.mission));
    }
    for day in 0..DAYS {
        play(commands).await?;
        claim(commands, missions[0].1).await?;
        // A day's plays are enough, whatever day of the week it is.
        if day % 7 == 6 {
            claim(commands, missions[1].1).await?;
        }
        clock.next_day();
    }
    Ok(())
}

fn terms(cadence: Cadence, target: u64) -> Result<MissionTerms> {
    let gold = Gold::new(10).context("ten is not too much")?;
    Ok(MissionTerms {
        name: "벤치마크".to_owned(),
        name_en: "Benchmark".to_owned(),
        counter: "play_count".parse()?,
        target,
        cadence,
        starts_at: None,
        ends_at: None,
        rewards: Rewards { gold, ..Rewards::default() },
        requires: None,
        priority: 0,
        is_active: true,
    })
}

async fn play(commands: &Commands) -> Result<()> {
    let game =
        Caller { actor: Actor::Service("bench-1".to_owned()), ..Caller::system("benchmark") };
    let mut actions = Vec::with_capacity(PLAYS_A_DAY);
    for _ in 0..PLAYS_A_DAY {
        actions.push(Action {
            action_id: fresh_key()?,
            player: OLD,
            action: "play_count".parse()?,
            amount: 1,
            at: None,
        });
    }
    commands.record_actions(&game, actions).await?;
    Ok(())
}

async fn claim(commands: &Commands, mission: MissionId) -> Result<()> {
    let player = Caller {
        actor: Actor::Player(OLD),
        key: Some(fresh_key()?),
        ..Caller::system("benchmark")
    };
    commands.claim_mission(&player, OLD, mission).await?;
    Ok(())
}

fn fresh_key() -> Result<IdempotencyKey> {
    Ok(IdempotencyKey::parse(&uuid::Uuid::now_v7().to_string())?)
}

/// Says how long the account's streams are, and insists on the snapshot that such a life leaves.
async fn tell_of(database: &Database) -> Result<()> {
    let row = sqlx::query(
        "select count(*) filter (where event_type = 'action_recorded') as actions,
                count(*) filter (where event_type = 'mission_claimed') as claims,
                coalesce((select sequence from snapshots
                           where aggregate_type = 'activity' and aggregate_id = $1), 0) as snapshot
           from events where aggregate_id = $1 and aggregate_type in ('account', 'activity')",
    )
    .bind(OLD.0.to_string())
    .fetch_one(&mut database.connect().await?)
    .await?;
    let [actions, claims, snapshot] =
        [row.try_get::<i64, _>("actions")?, row.try_get("claims")?, row.try_get("snapshot")?];
    eprintln!("  ten years: {actions} actions, {claims} claims, a snapshot at action {snapshot}");
    ensure!(actions >= 100_000 && claims >= 4_000, "that was no life of ten years");
    ensure!(
        actions - snapshot <= MOST_AFTER_SNAPSHOT,
        "snapshots are not stored as they should be"
    );
    Ok(())
}

/// How long claims have taken, in microseconds.
struct Times {
    old: Histogram<u64>,
    new: Histogram<u64>,
}

impl Times {
    fn none() -> Result<Self> {
        Ok(Self { old: histogram()?, new: histogram()? })
    }
}

/// Whose claim it is.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Old,
    New,
}

/// The old account and new ones, with what they can claim.
struct Claims {
    old: Session,
    new: Vec<Session>,
    missions: Vec<i64>,
    /// Claims so far, of either kind.
    old_claims: usize,
    new_claims: usize,
}

impl Claims {
    /// Claims, and says how many microseconds that took.
    async fn claim(&mut self, connection: &mut Connection, whose: Whose) -> Result<u64> {
        let (player, mission) = match whose {
            Whose::Old => (&self.old, self.old_claims),
            Whose::New => (&self.new[self.new_claims % NEW], self.new_claims / NEW),
        };
        let mission = self.missions.get(mission).context("everything is claimed")?;
        let mut request = Vec::new();
        claims::request(player, *mission).fill(uuid::Uuid::now_v7(), &mut request);
        let asked = Instant::now();
        let reply = connection.exchange(&request).await?;
        let time = asked.elapsed();
        ensure!(reply.status == 200 && reply.is_good(), "a claim: {}", reply.describe());
        match whose {
            Whose::Old => self.old_claims += 1,
            Whose::New => self.new_claims += 1,
        }
        Ok(u64::try_from(time.as_micros())?)
    }

    /// One after another, old and new alternating.
    async fn warm(&mut self, address: SocketAddr, claims: usize) -> Result<Times> {
        let (mut connection, mut times) = (Connection::open(address).await?, Times::none()?);
        for number in 0..WARM_UP + claims {
            let old = self.claim(&mut connection, Whose::Old).await?;
            let new = self.claim(&mut connection, Whose::New).await?;
            if number >= WARM_UP {
                times.old.record(old)?;
                times.new.record(new)?;
            }
        }
        Ok(times)
    }

    /// The first claims of a process that has just started. Somebody else has claimed before: what the
    /// process does once is not what is measured.
    async fn cold(
        &mut self,
        address: SocketAddr,
        old_first: bool,
        times: &mut Times,
    ) -> Result<()> {
        settle(address).await?;
        let mut connection = Connection::open(address).await?;
        self.claim(&mut connection, Whose::New).await?;
        for is_old in [old_first, !old_first] {
            let whose = if is_old { Whose::Old } else { Whose::New };
            let time = self.claim(&mut connection, whose).await?;
            if is_old { &mut times.old } else { &mut times.new }.record(time)?;
        }
        Ok(())
    }
}

/// A service, started again and again on the same club.
pub struct Host {
    /// Where the programs are.
    pub bin: PathBuf,
    /// The club's database.
    pub url: String,
    /// Where the service writes.
    pub log: PathBuf,
}

impl Host {
    async fn start(&self) -> Result<Server> {
        Server::club(&self.bin, &self.url, &self.log).await
    }

    /// Measures claims in memory, then the first ones after each of some starts.
    pub async fn measure(&self, extent: Extent) -> Result<Outcome> {
        let game = GameServer::let_in(&self.bin, &self.url, 1).await?;
        let game = game.first().context("one was let in")?;
        let server = self.start().await?;
        let mut claims = prepare(server.address, game, extent).await?;
        settle(server.address).await?;
        let warm = claims.warm(server.address, extent.claims).await?;
        server.stop().await?;
        let mut cold = Times::none()?;
        for start in 0..extent.starts {
            let server = self.start().await?;
            claims.cold(server.address, start % 2 == 0, &mut cold).await?;
            server.stop().await?;
        }
        Ok(outcome(&warm, &cold))
    }
}

async fn prepare(address: SocketAddr, game: &GameServer, extent: Extent) -> Result<Claims> {
    let players = Players::sign_in(address, 1 + NEW).await?;
    let count = WARM_UP + extent.claims + extent.starts;
    let parties = (players.admin(), game);
    let missions = claims::complete(address, parties, players.all(), 0..count).await?;
    let is_old = |player: &&Session| player.user == OLD.0.to_string();
    let old = players.all().iter().find(is_old).context("the old account has no player")?.clone();
    let new = players.all().iter().filter(|player| !is_old(player)).cloned().collect();
    Ok(Claims { old, new, missions, old_claims: 0, new_claims: 0 })
}

fn outcome(warm: &Times, cold: &Times) -> Outcome {
    let beside = |name, times| Beside { name, unit: "ms", measured: Measured::of_times(times) };
    Outcome {
        own: Measured::of_times(&warm.old),
        beside: vec![
            beside("claim_new_account", &warm.new),
            beside("claim_old_account_cold", &cold.old),
            beside("claim_new_account_cold", &cold.new),
        ],
    }
}
