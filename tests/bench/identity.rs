//! People who sign up, sign in and stay signed in; and what hashing a password costs by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::json;

use crate::cpu::CpuMeter;
use crate::http::{Connection, Template};
use crate::load::{Answer, Client, Load, Plan, histogram};
use crate::players::PASSWORD;

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Sign up, under names that nobody has.
    SignUp,
    /// Sign in, by the password.
    SignIn,
    /// Change a refresh token into new tokens.
    Refresh,
}

/// The demo's invite, which everybody may use.
const INVITE: &str = "5858";
/// As `api/src/auth/password.rs` has it.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A client with one connection, that does one deed again and again.
pub struct Person {
    connection: Connection,
    deed: Deed,
    players: usize,
    /// How many have signed up, all clients and repeats together.
    newcomers: Arc<AtomicU64>,
    refresh_token: String,
    random: SmallRng,
}

#[derive(Deserialize)]
struct Tokens {
    refresh_token: String,
}

impl Person {
    /// Connects as many as there shall be requests in flight. Those who refresh are signed in first.
    pub async fn connect(
        address: SocketAddr,
        deed: Deed,
        players: usize,
        newcomers: &Arc<AtomicU64>,
        in_flight: usize,
    ) -> Result<Vec<Self>> {
        let mut people = Vec::with_capacity(in_flight);
        for number in 0..in_flight {
            let mut person = Self {
                connection: Connection::open(address).await?,
                deed,
                players,
                newcomers: Arc::clone(newcomers),
                refresh_token: String::new(),
                random: SmallRng::from_os_rng(),
            };
            if deed == Deed::Refresh {
                let request = sign_in(number % players + 1);
                let reply = person.connection.exchange(request.bytes()).await?;
                ensure!(reply.is_good(), "nobody signs in: {}", reply.describe());
                person.refresh_token = serde_json::from_slice::<Tokens>(reply.body)?.refresh_token;
            }
            people.push(person);
        }
        Ok(people)
    }

    fn request(&mut self) -> Template {
        match self.deed {
            Deed::SignUp => sign_up(self.newcomers.fetch_add(1, Ordering::Relaxed)),
            Deed::SignIn => sign_in(self.random.random_range(1..=self.players)),
            Deed::Refresh => {
                let body = json!({"refresh_token": self.refresh_token});
                Template::post("/api/auth/refresh", &body.to_string())
            }
        }
    }
}

fn sign_in(number: usize) -> Template {
    let body = json!({"site_id": format!("bench{number:04}"), "password": PASSWORD});
    Template::post("/api/auth/login", &body.to_string())
}

fn sign_up(number: u64) -> Template {
    let body = json!({
        "site_id": format!("newcomer{number}"), "nickname": format!("New {number}"),
        "phone_number": format!("0109{number:010}"), "password": PASSWORD, "invite_code": INVITE,
    });
    Template::post("/api/auth/signup", &body.to_string())
}

impl Client for Person {
    async fn once(&mut self) -> Result<Answer> {
        let request = self.request();
        let reply = self.connection.exchange(request.bytes()).await?;
        if !reply.is_good() {
            return Ok(Answer::Bad(reply.describe()));
        }
        if self.deed == Deed::Refresh {
            self.refresh_token = serde_json::from_slice::<Tokens>(reply.body)?.refresh_token;
        }
        Ok(Answer::Good)
    }
}

/// Hashes passwords on every processor, and does nothing else: what signing up and in cost at least.
pub async fn hash_alone(plan: Plan) -> Result<Load> {
    let threads = std::thread::available_parallelism()?.get();
    let cpu = CpuMeter::new([std::process::id()]);
    let from = Instant::now() + plan.warm_up;
    let until = from + plan.window;
    let working: Vec<_> = (0..threads)
        .map(|_| tokio::task::spawn_blocking(move || hash_until(from, until)))
        .collect();
    tokio::time::sleep_until(from.into()).await;
    let before = cpu.read()?;
    tokio::time::sleep_until(until.into()).await;
    let spent = cpu.read()?.saturating_sub(before);
    let (mut latencies, mut operations) = (histogram()?, 0);
    for hashed in working {
        for micros in hashed.await?? {
            latencies.record(micros)?;
            operations += 1;
        }
    }
    Ok(Load { operations, seconds: plan.window.as_secs_f64(), latencies, cpu: spent })
}

/// How long each took that ended in the window, in microseconds.
fn hash_until(from: Instant, until: Instant) -> Result<Vec<u64>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok().context("the parameters")?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = SaltString::encode_b64(b"0123456789abcdef").ok().context("the salt")?;
    let mut taken = Vec::new();
    loop {
        let started = Instant::now();
        argon2.hash_password(PASSWORD.as_bytes(), &salt).ok().context("no hash was made")?;
        let ended = Instant::now();
        if ended >= until {
            return Ok(taken);
        }
        if ended >= from {
            taken.push(u64::try_from((ended - started).as_micros())?);
        }
    }
}
