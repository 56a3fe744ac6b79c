//! The payment provider's side of a benchmark: its messages, and the time it takes.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use crate::http::{Connection, Reply, Template};
use crate::load::Answer;

/// What the provider and the club share in benchmarks.
pub const SECRET: &str = "webhook-secret-of-the-benchmark";
const WEBHOOK: &str = "/api/shop/webhook/payment";
/// Asking again too soon would measure the asking.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// A purchase that takes longer to settle is an error.
const PATIENCE: u32 = 2_000;

/// A purchase that waits for the provider.
#[derive(Deserialize)]
pub struct Pending {
    receipt_code: String,
    status: String,
}

/// The purchase that an answer leaves pending.
pub fn pending(reply: &Reply<'_>) -> Result<Pending> {
    let pending: Pending = serde_json::from_slice(reply.body)
        .with_context(|| format!("unexpected answer to a purchase: {}", reply.describe()))?;
    ensure!(pending.status == "pending", "it is not pending: {}", reply.describe());
    Ok(pending)
}

/// The provider decides, by a message; then the player asks until the purchase is completed.
pub async fn settle(
    connection: &mut Connection,
    bought: &Template,
    pending: &Pending,
) -> Result<Answer> {
    let told = connection.exchange(message(pending)?.bytes()).await?;
    if !told.is_good() {
        return Ok(Answer::Bad(told.describe()));
    }
    let path = format!("/api/shop/transactions/{}/settle", pending.receipt_code);
    let ask = bought.elsewhere(&path).context("a purchase has a token")?;
    for _ in 0..PATIENCE {
        let reply = connection.exchange(ask.bytes()).await?;
        if reply.is_good() {
            return Ok(Answer::Good);
        }
        if reply.status != 200 {
            return Ok(Answer::Bad(reply.describe()));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(Answer::Bad(format!("{} is not settled", pending.receipt_code)))
}

fn message(pending: &Pending) -> Result<Template> {
    let event_id = format!("evt-{}", pending.receipt_code);
    let receipt_code = &pending.receipt_code;
    let body = json!({"event_id": event_id, "receipt_code": receipt_code, "status": "succeeded"});
    let body = body.to_string();
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(format!("{timestamp}.{event_id}.{body}").as_bytes());
    let signature: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [
        ("x-signature", signature),
        ("x-timestamp", timestamp.to_string()),
        ("x-nonce", event_id.clone()),
        ("x-event-id", event_id),
    ];
    Ok(Template::signed(WEBHOOK, &headers, &body))
}

/// What the provider has taken so far, as `/metrics` tells.
#[derive(Debug, Clone, Copy)]
pub struct ProviderTime {
    seconds: f64,
    calls: f64,
}

impl ProviderTime {
    /// Of the club at this address.
    pub async fn of(address: SocketAddr) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        let reply = connection.exchange(Template::get("/metrics", "none").bytes()).await?;
        let figures = String::from_utf8_lossy(reply.body).into_owned();
        let sum = |name: &str| -> f64 {
            let lines = figures.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Ok(Self {
            seconds: sum("club_payment_call_duration_seconds_sum"),
            calls: sum("club_payment_call_duration_seconds_count"),
        })
    }

    /// What it has taken since then; nothing, if nobody has asked it.
    pub fn since(self, before: Self) -> Option<Self> {
        let calls = self.calls - before.calls;
        (calls > 0.0).then_some(Self { seconds: self.seconds - before.seconds, calls })
    }
}

impl fmt::Display for ProviderTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.seconds * 1_000.0 / self.calls;
        write!(f, "{milliseconds:.2} ms a call, {} calls", self.calls)
    }
}
