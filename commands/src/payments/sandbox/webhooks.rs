//! The sandbox's outbox: messages wait in a table until somebody confirms them, so that a crash
//! loses none. Sent again with growing pauses, and given up in the end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::message::{Message, sign};
use crate::secret::Secret;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a message is sent before it is given up.
const TRIES: i32 = 10;
/// After the first try; twice as long after each next one.
const FIRST_PAUSE_MS: i64 = 500;
/// Messages taken up at once, and sent side by side.
const BATCH: i64 = 16;
const SIDE_BY_SIDE: usize = 8;

/// A message with what its sending takes.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Letter {
    event_id: String,
    receipt_code: String,
    status: String,
    reason_code: Option<String>,
    copies: i32,
    tries: i32,
    due_at: DateTime<Utc>,
}

impl Letter {
    /// Due at once.
    pub(super) fn new(receipt_code: String, status: &str, reason_code: Option<String>) -> Self {
        Self {
            event_id: format!("evt_{}", Uuid::new_v4().simple()),
            receipt_code,
            status: status.to_owned(),
            reason_code,
            copies: 1,
            tries: 0,
            due_at: DateTime::UNIX_EPOCH,
        }
    }

    /// Sent so many times, the first at this time.
    pub(super) fn times(self, copies: i32, due_at: DateTime<Utc>) -> Self {
        Self { copies, due_at, ..self }
    }
}

/// Sends messages.
#[derive(Debug, Clone)]
pub(super) struct Courier {
    pub http: reqwest::Client,
    /// The newest first.
    pub secrets: Vec<Secret>,
}

impl Courier {
    /// Sends a message, as often as it has copies: always the same bytes. Whether all were
    /// confirmed.
    pub(super) async fn send(&self, letter: &Letter, address: &str, now: DateTime<Utc>) -> bool {
        let Some(secret) = self.secrets.first() else { return false };
        let message = Message {
            event_id: letter.event_id.clone(),
            receipt_code: letter.receipt_code.clone(),
            status: letter.status.clone(),
            reason_code: letter.reason_code.clone(),
        };
        let Ok(body) = serde_json::to_vec(&message) else { return false };
        let timestamp = now.timestamp().to_string();
        let nonce = Uuid::new_v4().simple().to_string();
        let signature = sign(secret, &timestamp, &nonce, &body);
        for _ in 0..letter.copies {
            let sent = self
                .http
                .post(address)
                .timeout(PATIENCE)
                .header("content-type", "application/json")
                .header("x-timestamp", &timestamp)
                .header("x-nonce", &nonce)
                .header("x-event-id", &letter.event_id)
                .header("x-signature", &signature)
                .body(body.clone())
                .send()
                .await;
            match sent {
                Ok(answer) if answer.status().is_success() => {}
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    tracing::warn!(event_id = letter.event_id, status, "a webhook was refused");
                    return false;
                }
                Err(error) => {
                    tracing::warn!(event_id = letter.event_id, %error, "a webhook was not sent");
                    return false;
                }
            }
        }
        true
    }
}

/// Puts a message into the outbox.
pub(super) async fn post(connection: &mut PgConnection, letter: &Letter) -> sqlx::Result<()> {
    sqlx::query(
        "insert into sandbox.webhooks \
             (event_id, receipt_code, status, reason_code, copies, due_at) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&letter.event_id)
    .bind(&letter.receipt_code)
    .bind(&letter.status)
    .bind(&letter.reason_code)
    .bind(letter.copies)
    .bind(letter.due_at)
    .execute(connection)
    .await
    .map(drop)
}

/// Takes a confirmed message out.
pub(super) async fn confirm(pool: &PgPool, letter: &Letter) -> sqlx::Result<()> {
    sqlx::query("delete from sandbox.webhooks where event_id = $1")
        .bind(&letter.event_id)
        .execute(pool)
        .await
        .map(drop)
}

/// Sends what is due. Returns whether anything waits.
pub(super) async fn deliver(
    pool: &PgPool,
    courier: &Courier,
    address: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let first: Option<DateTime<Utc>> =
        sqlx::query_scalar("select min(due_at) from sandbox.webhooks").fetch_one(pool).await?;
    let Some(first) = first else { return Ok(false) };
    if first <= now {
        let letters = take_up(pool, now).await?;
        stream::iter(&letters)
            .for_each_concurrent(SIDE_BY_SIDE, |letter| async move {
                if let Err(error) = attempt(pool, courier, letter, address, now).await {
                    tracing::warn!(%error, "the sandbox's outbox cannot be written");
                }
            })
            .await;
    }
    Ok(true)
}

async fn attempt(
    pool: &PgPool,
    courier: &Courier,
    letter: &Letter,
    address: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let confirmed = courier.send(letter, address, now).await;
    if !confirmed && letter.tries < TRIES {
        return Ok(());
    }
    if !confirmed {
        tracing::warn!(event_id = letter.event_id, "a webhook is given up");
    }
    confirm(pool, letter).await
}

/// Some that are due. The time of the next try is written first: a crash delays a message only.
async fn take_up(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Vec<Letter>> {
    sqlx::query_as(
        "update sandbox.webhooks \
            set tries = tries + 1, \
                due_at = $1::timestamptz + $2::bigint * (1 << tries) * interval '1 millisecond' \
          where event_id in (select event_id from sandbox.webhooks where due_at <= $1 \
                              order by due_at limit $3 for update skip locked) \
         returning event_id, receipt_code, status, reason_code, copies, tries, due_at",
    )
    .bind(now)
    .bind(FIRST_PAUSE_MS)
    .bind(BATCH)
    .fetch_all(pool)
    .await
}
