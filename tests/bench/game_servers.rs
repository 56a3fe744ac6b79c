//! Game servers: programs that the club lets in, and that report play by signed requests.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, Mac};
use rand::rngs::SmallRng;
use serde::Deserialize;
use sha2::Sha256;

use crate::http::Connection;
use crate::players::fresh_key;
use crate::service;

/// Where they report.
const PATH: &str = "/api/actions";

/// One game server, by its name and its secret.
#[derive(Debug, Clone)]
pub struct GameServer {
    id: String,
    secret: String,
}

/// What a player did, once.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// Who.
    pub user: &'a str,
    /// What is counted.
    pub counter: &'a str,
}

/// The answer to a report.
#[derive(Debug, Deserialize)]
struct Taken {
    accepted: usize,
    position: u64,
}

impl GameServer {
    /// Lets so many in, each allowed to report everything. They are there when the service starts.
    pub async fn let_in(bin: &Path, database_url: &str, count: usize) -> Result<Vec<Self>> {
        let mut servers = Vec::with_capacity(count);
        for number in 1..=count {
            let id = format!("bench-{number}");
            let add = ["services", "add", &id, "--scope", "actions:*"];
            service::club(bin, database_url, &add).await?;
            let secret = service::club(bin, database_url, &["services", "secret", &id]).await?;
            servers.push(Self { id, secret: secret.trim().to_owned() });
        }
        Ok(servers)
    }

    /// Opens a connection that is kept.
    pub async fn connect(&self, address: SocketAddr) -> Result<Line> {
        Ok(Line {
            server: self.clone(),
            connection: Connection::open(address).await?,
            body: String::new(),
            outbox: Vec::new(),
        })
    }

    /// The head of a report of this body, signed now.
    fn head(&self, body: &str) -> Result<String> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())?;
        mac.update(format!("{timestamp}\nPOST\n{PATH}\n").as_bytes());
        mac.update(body.as_bytes());
        let mut signature = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            write!(signature, "{byte:02x}")?;
        }
        let (id, length) = (&self.id, body.len());
        Ok(format!(
            "POST {PATH} HTTP/1.1\r\nhost: club\r\nx-service-id: {id}\r\n\
             x-timestamp: {timestamp}\r\nx-signature: {signature}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        ))
    }
}

/// One connection of a game server to the club.
#[derive(Debug)]
pub struct Line {
    server: GameServer,
    connection: Connection,
    body: String,
    outbox: Vec<u8>,
}

impl Line {
    /// Reports deeds in one request, each under a fresh id. Returns where the last of them stands in
    /// the log; fails unless every one of them was written.
    pub async fn report<'a>(
        &mut self,
        deeds: impl IntoIterator<Item = Deed<'a>>,
        random: &mut SmallRng,
    ) -> Result<u64> {
        let count = self.write(deeds, random)?;
        let reply = self.connection.exchange(&self.outbox).await?;
        ensure!(reply.status == 200, "a report of {count} actions: {}", reply.describe());
        let taken: Taken = serde_json::from_slice(reply.body)
            .with_context(|| format!("unexpected answer to a report: {}", reply.describe()))?;
        ensure!(taken.accepted == count, "of {count} actions: {}", reply.describe());
        Ok(taken.position)
    }

    fn write<'a>(
        &mut self,
        deeds: impl IntoIterator<Item = Deed<'a>>,
        random: &mut SmallRng,
    ) -> Result<usize> {
        self.body.clear();
        let mut count = 0;
        for Deed { user, counter } in deeds {
            let before = if count == 0 { "{\"actions\":[" } else { "," };
            let id = fresh_key(random)?;
            write!(
                self.body,
                "{before}{{\"action_id\":\"{id}\",\"user_id\":{user},\"action_type\":\"{counter}\"}}"
            )?;
            count += 1;
        }
        self.body.push_str("]}");
        self.outbox.clear();
        self.outbox.extend_from_slice(self.server.head(&self.body)?.as_bytes());
        self.outbox.extend_from_slice(self.body.as_bytes());
        Ok(count)
    }
}
