//! How a client gets in: which node, a ticket for it, and the wire to it.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The longest wait for a ticket.
const TICKET_PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no ticket.
#[derive(Debug)]
pub enum NoTicket {
    /// Not for this caller.
    Refused(String),
    /// Not now.
    NotNow(String),
}

/// See the module. Tests put bad wires behind it, load tools many source addresses.
pub trait Door: Send {
    /// What connects to the server.
    type Wire: AsyncRead + AsyncWrite + Unpin + Send;

    /// The address for this try (numbered from 0), as `http://host:port`.
    fn address(&self, attempt: u64) -> String;

    /// A ticket.
    fn ticket(&self, address: &str) -> impl Future<Output = Result<String, NoTicket>> + Send;

    /// Connects to `host:port`.
    fn connect(&self, host: &str) -> impl Future<Output = io::Result<Self::Wire>> + Send;
}

/// One address, one access token, and wires as they are.
#[derive(Debug, Clone)]
pub struct Plain {
    address: String,
    token: String,
    http: reqwest::Client,
}

impl Plain {
    /// For whoever has this token.
    #[must_use]
    pub fn new(address: String, token: String) -> Self {
        Self::with(reqwest::Client::new(), address, token)
    }

    /// The same, with connections for tickets that many share.
    #[must_use]
    pub fn with(http: reqwest::Client, address: String, token: String) -> Self {
        Self { address, token, http }
    }
}

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

/// Asks a node for a ticket.
///
/// # Errors
/// If there is none.
pub async fn ticket(
    http: &reqwest::Client,
    address: &str,
    token: &str,
) -> Result<String, NoTicket> {
    let not_now = |error: reqwest::Error| NoTicket::NotNow(error.to_string());
    let request = http.post(format!("{address}/api/realtime/ticket")).bearer_auth(token);
    let answer = request.timeout(TICKET_PATIENCE).send().await.map_err(not_now)?;
    let status = answer.status();
    if status.is_success() {
        let ticket: Ticket = answer.json().await.map_err(not_now)?;
        return Ok(ticket.ticket);
    }
    let said = format!("{status}: {}", answer.text().await.unwrap_or_default());
    Err(match status.as_u16() {
        401 | 403 => NoTicket::Refused(said),
        _ => NoTicket::NotNow(said),
    })
}

impl Door for Plain {
    type Wire = TcpStream;

    fn address(&self, _: u64) -> String {
        self.address.clone()
    }

    async fn ticket(&self, address: &str) -> Result<String, NoTicket> {
        ticket(&self.http, address, &self.token).await
    }

    async fn connect(&self, host: &str) -> io::Result<TcpStream> {
        TcpStream::connect(host).await
    }
}
