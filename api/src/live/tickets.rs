//! Tickets: each opens one live feed, once, on any node. A token would stay in the logs of whatever
//! stands between browser and service; a ticket that shows up there is worth nothing any more.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::PlayerId;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::auth::SessionKey;
use crate::error::ApiError;

/// How long a ticket waits to be used.
pub const LIFETIME_SECONDS: i64 = 30;

/// Gives out and takes back.
#[derive(Debug, Clone)]
pub struct Tickets(PgPool);

impl Tickets {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// A ticket for a session. Sweeps up some of those that nobody used.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn issue(
        &self,
        session: &SessionKey,
        now: DateTime<Utc>,
    ) -> Result<String, ApiError> {
        let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        sqlx::query(
            "with swept as (
                 delete from identity.realtime_tickets where ticket_hash in
                    (select ticket_hash from identity.realtime_tickets
                      where expires_at < $4 limit 10 for update skip locked))
             insert into identity.realtime_tickets
                    (ticket_hash, user_id, expires_at, session_id, began_at)
             values ($1, $2, $3, $5, $6)",
        )
        .bind(hash(&ticket))
        .bind(session.player.0)
        .bind(now + TimeDelta::seconds(LIFETIME_SECONDS))
        .bind(now)
        .bind(session.id.to_string())
        .bind(session.began_at)
        .execute(&self.0)
        .await?;
        Ok(ticket)
    }

    /// Of which session the ticket is, if it is valid; it is not any more after this.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn redeem(
        &self,
        ticket: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<SessionKey>, ApiError> {
        let found: Option<(i64, String, DateTime<Utc>)> = sqlx::query_as(
            "delete from identity.realtime_tickets where ticket_hash = $1 and expires_at > $2
             returning user_id, session_id, began_at",
        )
        .bind(hash(ticket))
        .bind(now)
        .fetch_optional(&self.0)
        .await?;
        let session = |(player, id, began_at): (i64, String, _)| {
            let id = id.parse().map_err(ApiError::internal)?;
            Ok(SessionKey { player: PlayerId(player), id, began_at })
        };
        found.map(session).transpose()
    }
}

fn hash(ticket: &str) -> Vec<u8> {
    Sha256::digest(ticket.as_bytes()).to_vec()
}
