//! Admins give gold to many: batches, each for random players, one after another on each connection.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use crate::http::{Connection, Reply};
use crate::load::{Answer, Client};
use crate::players::{Players, fresh_key};

/// Grants in one request.
pub const BATCH: usize = 50;

/// What giving to many is held against, in turns: one by one, so many in flight.
pub const APPENDS: &str = "append_in_process_64";
/// See there.
pub const APPENDS_IN_FLIGHT: usize = 64;

/// Connections, with one batch in flight on each: as many as `grant_http_spread_32` has.
const LINES: usize = 32;

/// Somebody who gives gold to many.
pub struct Giver {
    connection: Connection,
    token: String,
    users: Arc<[String]>,
    random: SmallRng,
    body: String,
    outbox: String,
}

/// The answer to a batch.
#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow)]
    results: Vec<LineGiven<'a>>,
}

#[derive(Deserialize)]
struct LineGiven<'a> {
    status: &'a str,
}

impl Giver {
    /// Connects as many as there shall be batches in flight.
    pub async fn connect(address: SocketAddr, players: &Players) -> Result<Vec<Self>> {
        let users: Arc<[String]> = players.all().iter().map(|player| player.user.clone()).collect();
        let mut givers = Vec::with_capacity(LINES);
        for _ in 0..LINES {
            givers.push(Self {
                connection: Connection::open(address).await?,
                token: players.admin().token.clone(),
                users: Arc::clone(&users),
                random: SmallRng::from_os_rng(),
                body: String::new(),
                outbox: String::new(),
            });
        }
        Ok(givers)
    }

    /// The next batch, each line under a fresh key.
    fn write(&mut self) -> Result<()> {
        self.body.clear();
        self.body.push_str("{\"reason\":\"benchmark\",\"lines\":[");
        for number in 0..BATCH {
            let comma = if number == 0 { "" } else { "," };
            let key = fresh_key(&mut self.random)?;
            let user = &self.users[self.random.random_range(0..self.users.len())];
            write!(self.body, "{comma}{{\"key\":\"{key}\",\"user_id\":{user},\"gold\":1}}")?;
        }
        self.body.push_str("]}");
        self.outbox.clear();
        let (token, body, length) = (&self.token, &self.body, self.body.len());
        write!(
            self.outbox,
            "POST /api/admin/grants HTTP/1.1\r\nhost: club\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        Ok(())
    }
}

impl Client for Giver {
    async fn once(&mut self) -> Result<Answer> {
        self.write()?;
        let reply = self.connection.exchange(self.outbox.as_bytes()).await?;
        let is_good = reply.status == 200 && all_given(&reply)?;
        Ok(if is_good { Answer::Good } else { Answer::Bad(reply.describe()) })
    }
}

/// Whether something was given for every line.
fn all_given(reply: &Reply<'_>) -> Result<bool> {
    let given: Given<'_> = serde_json::from_slice(reply.body)
        .with_context(|| format!("unexpected answer to a batch: {}", reply.describe()))?;
    let is_given = |line: &LineGiven<'_>| line.status == "granted";
    Ok(given.results.len() == BATCH && given.results.iter().all(is_given))
}
