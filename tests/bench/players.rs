//! The club seen by its clients: signing in, and the requests that the benchmarks send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::{Connection, Template};
use crate::load::{Answer, Client};
use crate::provider;

/// Password of the players that `club seed --players` makes.
pub const PASSWORD: &str = "bench-password";

/// Password of the demo's players.
const DEMO_PASSWORD: &str = "1234";

/// Sign-ins at a time: hashing keeps every core busy long before that.
const SIGN_INS: usize = 8;

/// What a benchmark asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// An admin gives one gold.
    Grant,
    /// A player buys gold.
    Purchase,
    /// A player buys the one limited package that there is: the hottest case.
    LimitedPurchase,
    /// A player buys with a card that leaves the provider undecided; the provider's message decides,
    /// and the player asks until it is settled.
    PendingSettled,
    /// A player reads the balance.
    Balance,
}

/// The limited package of the benchmark.
const PACKAGE: &str = "BENCHMARK";

impl Request {
    /// The least number of events that one must leave in the log when it is answered. A purchase is
    /// followed by an action, which the reaction `deeds` writes later.
    pub fn events(self) -> u64 {
        match self {
            Self::Grant => 1,
            Self::Purchase | Self::PendingSettled => 2,
            // The account's and the package's.
            Self::LimitedPurchase => 4,
            Self::Balance => 0,
        }
    }
}

/// How many accounts are acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    /// All, at random.
    Spread,
    /// Always the same.
    Hot,
}

/// Who has signed in.
#[derive(Debug, Clone)]
pub struct Session {
    /// The user's number.
    pub user: String,
    /// The access token.
    pub token: String,
}

impl Session {
    /// Asks for something under a fresh key. Fails if the answer is not a success.
    pub async fn post(
        &self,
        connection: &mut Connection,
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        let mut request = Vec::new();
        let template = Template::command(path, &self.token, &body.to_string());
        template.fill(uuid::Uuid::now_v7(), &mut request);
        let reply = connection.exchange(&request).await?;
        ensure!(reply.is_good(), "POST {path}: {}", reply.describe());
        Ok(serde_json::from_slice(reply.body)?)
    }
}

/// The players and an admin, signed in.
#[derive(Debug)]
pub struct Players {
    admin: Session,
    players: Vec<Session>,
    valid_until: Instant,
}

#[derive(Deserialize)]
struct SignedIn {
    access_token: String,
    expires_in: u64,
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: serde_json::Value,
}

impl Players {
    /// Signs everybody in.
    pub async fn sign_in(address: SocketAddr, count: usize) -> Result<Self> {
        let started = Instant::now();
        let mut connection = Connection::open(address).await?;
        let admin = ("/api/auth/admin/login", "admin", "admin123");
        let (admin, mut expires_in) = sign_in(&mut connection, admin).await?;
        let mut signing_in = JoinSet::new();
        for first in 1..=SIGN_INS {
            signing_in.spawn(sign_in_some(address, first, count));
        }
        let mut players = Vec::with_capacity(count);
        while let Some(some) = signing_in.join_next().await {
            for (session, expires) in some?? {
                players.push(session);
                expires_in = expires_in.min(expires);
            }
        }
        eprintln!("  {count} players signed in, {:.1} s", started.elapsed().as_secs_f64());
        Ok(Self { admin, players, valid_until: started + Duration::from_secs(expires_in) })
    }

    /// Offers the limited package of the benchmark. It may be there already.
    pub async fn offer_package(&self, address: SocketAddr) -> Result<()> {
        let terms = json!({
            "code": PACKAGE, "name": "벤치마크", "name_en": "Benchmark", "price_cents": 499,
            "gold": 600, "stock_total": 100_000_000, "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2036-01-01T00:00:00Z", "is_active": true,
        });
        let mut connection = Connection::open(address).await?;
        self.admin.post(&mut connection, "/api/admin/limited-packages", &terms).await?;
        Ok(())
    }

    /// The admin.
    pub fn admin(&self) -> &Session {
        &self.admin
    }

    /// All players, in no order.
    pub fn all(&self) -> &[Session] {
        &self.players
    }

    /// Whether every token will still be valid after that time.
    pub fn outlast(&self, time: Duration) -> bool {
        Instant::now() + time < self.valid_until
    }

    /// The requests to choose from at random.
    pub fn requests(&self, request: Request, accounts: Accounts) -> Arc<[Template]> {
        let count = match accounts {
            Accounts::Spread => self.players.len(),
            Accounts::Hot => 1,
        };
        self.players.iter().take(count).map(|player| self.request(request, player)).collect()
    }

    fn request(&self, request: Request, player: &Session) -> Template {
        match request {
            Request::Grant => {
                let path = format!("/api/admin/users/{}/grant", player.user);
                let body = json!({"gold": 1, "reason": "benchmark"});
                Template::command(&path, &self.admin.token, &body.to_string())
            }
            Request::Purchase => {
                let body = json!({"product_id": 1001, "quantity": 1, "card_token": "tok_approve"});
                Template::command("/api/shop/buy", &player.token, &body.to_string())
            }
            Request::LimitedPurchase => {
                let body = json!({"package_id": PACKAGE, "card_token": "tok_approve"});
                Template::command("/api/shop/buy-limited", &player.token, &body.to_string())
            }
            Request::PendingSettled => {
                let body = json!({"product_id": 1001, "card_token": "tok_pending"});
                Template::command("/api/shop/buy", &player.token, &body.to_string())
            }
            Request::Balance => Template::get("/api/users/balance", &player.token),
        }
    }
}

/// Signs in every eighth player, beginning with this one.
async fn sign_in_some(
    address: SocketAddr,
    first: usize,
    count: usize,
) -> Result<Vec<(Session, u64)>> {
    let mut connection = Connection::open(address).await?;
    let mut sessions = Vec::new();
    for number in (first..=count).step_by(SIGN_INS) {
        let name = format!("bench{number:04}");
        sessions.push(sign_in(&mut connection, ("/api/auth/login", &name, PASSWORD)).await?);
    }
    Ok(sessions)
}

/// Signs in some of the demo's players: nobody plays for them but the probes.
pub async fn sign_in_demo(connection: &mut Connection, names: &[&str]) -> Result<Vec<Session>> {
    let mut sessions = Vec::with_capacity(names.len());
    for name in names {
        let (session, _) = sign_in(connection, ("/api/auth/login", name, DEMO_PASSWORD)).await?;
        sessions.push(session);
    }
    Ok(sessions)
}

/// Signs in (where, who, password), and for how many seconds.
async fn sign_in(
    connection: &mut Connection,
    (path, site_id, password): (&str, &str, &str),
) -> Result<(Session, u64)> {
    let body = json!({"site_id": site_id, "password": password}).to_string();
    let reply = connection.exchange(Template::post(path, &body).bytes()).await?;
    ensure!(reply.is_good(), "{site_id} cannot sign in: {}", reply.describe());
    let answer: SignedIn = serde_json::from_slice(reply.body)
        .with_context(|| format!("unexpected answer to a sign-in: {}", reply.describe()))?;
    // An id is a number or its text.
    let user = answer.user.id.to_string().trim_matches('"').to_owned();
    Ok((Session { user, token: answer.access_token }, answer.expires_in))
}

/// A follower, as `/ready` shows it.
#[derive(Debug, Deserialize)]
pub struct Follower {
    name: String,
    #[serde(default)]
    position: u64,
    lag_events: i64,
    lag_ms: f64,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct Ready {
    followers: Vec<Follower>,
}

/// The followers now. Asked of a server that is not ready, too: it says why.
async fn followers(address: SocketAddr) -> Result<Vec<Follower>> {
    let mut connection = Connection::open(address).await?;
    let reply = connection.exchange(Template::get("/ready", "none").bytes()).await?;
    let ready: Ready = serde_json::from_slice(reply.body)
        .with_context(|| format!("unexpected /ready: {}", reply.describe()))?;
    Ok(ready.followers)
}

/// The name and the lag, in milliseconds, of the follower that is furthest behind.
pub async fn worst_lag(address: SocketAddr) -> Result<(String, f64)> {
    let followers = followers(address).await?;
    followers
        .into_iter()
        .max_by(|a, b| a.lag_ms.total_cmp(&b.lag_ms))
        .map(|worst| (format!("{} ({})", worst.name, worst.state), worst.lag_ms))
        .context("/ready shows no follower: all must run during the benchmark")
}

/// How far this follower has come by its own work; 0 while it only knows what another process has written down.
pub async fn follower_position(address: SocketAddr, name: &str) -> Result<u64> {
    let followers = followers(address).await?;
    let follower = followers.into_iter().find(|follower| follower.name == name);
    let follower = follower.with_context(|| format!("/ready shows no follower {name}"))?;
    Ok(if follower.state == "following" { follower.position } else { 0 })
}

/// Waits until every follower is at the head, so that one benchmark does not slow the next.
pub async fn settle(address: SocketAddr) -> Result<()> {
    let latest = Instant::now() + Duration::from_secs(60);
    while followers(address).await?.iter().any(|follower| follower.lag_events > 0) {
        ensure!(Instant::now() < latest, "the followers are still behind after 60 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A client with one connection, that sends one of some requests at a time.
pub struct Visitor {
    connection: Connection,
    requests: Arc<[Template]>,
    request: Request,
    random: SmallRng,
    outbox: Vec<u8>,
}

impl Visitor {
    /// Connects as many as there shall be requests in flight.
    pub async fn connect(
        address: SocketAddr,
        request: Request,
        requests: &Arc<[Template]>,
        in_flight: usize,
    ) -> Result<Vec<Self>> {
        let mut visitors = Vec::with_capacity(in_flight);
        for _ in 0..in_flight {
            visitors.push(Self {
                connection: Connection::open(address).await?,
                requests: Arc::clone(requests),
                request,
                random: SmallRng::from_os_rng(),
                outbox: Vec::with_capacity(2 * 1024),
            });
        }
        Ok(visitors)
    }
}

/// A UUIDv7, as the club's own clients send them, without a system call for its random part.
pub fn fresh_key(random: &mut SmallRng) -> Result<uuid::Uuid> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let millis = u64::try_from(now.as_millis())?;
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random.random()).into_uuid())
}

impl Client for Visitor {
    async fn once(&mut self) -> Result<Answer> {
        let key = fresh_key(&mut self.random)?;
        let chosen = self.random.random_range(0..self.requests.len());
        self.requests[chosen].fill(key, &mut self.outbox);
        let reply = self.connection.exchange(&self.outbox).await?;
        if self.request == Request::PendingSettled {
            let pending = provider::pending(&reply)?;
            return provider::settle(&mut self.connection, &self.requests[chosen], &pending).await;
        }
        Ok(if reply.is_good() { Answer::Good } else { Answer::Bad(reply.describe()) })
    }
}
