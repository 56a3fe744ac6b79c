//! Refresh tokens: opaque, stored as hashes, changed at every use. Those that follow from one
//! sign-in are a family; a token that comes a second time has been stolen from one of two, so its
//! whole family ends.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::PlayerId;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::error::{ApiError, Reason};

/// How long one lives unused.
const LIFETIME: TimeDelta = TimeDelta::days(30);

/// Gives out, changes and revokes.
#[derive(Debug, Clone)]
pub struct RefreshTokens(PgPool);

impl RefreshTokens {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// The first of a family.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn issue(&self, player: PlayerId, now: DateTime<Utc>) -> Result<String, ApiError> {
        insert(&mut *self.0.acquire().await?, player, Uuid::now_v7(), now).await
    }

    /// Takes one and gives the next, and says whose it is.
    ///
    /// # Errors
    /// If it is unknown, expired, revoked or used; the last ends its family.
    pub async fn rotate(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(PlayerId, String), ApiError> {
        let invalid = || {
            let detail = "the refresh token is unknown, used or expired: sign in again";
            ApiError::new(Reason::InvalidRefreshToken, detail)
        };
        let mut transaction = self.0.begin().await?;
        let used: Option<(i64, Uuid)> = sqlx::query_as(
            "update identity.refresh_tokens set used_at = $2
              where token_hash = $1 and used_at is null and revoked_at is null and expires_at > $2
          returning user_id, family",
        )
        .bind(hash(token))
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some((player, family)) = used {
            let player = PlayerId(player);
            let next = insert(&mut transaction, player, family, now).await?;
            transaction.commit().await?;
            return Ok((player, next));
        }
        let revoked = sqlx::query(
            "update identity.refresh_tokens set revoked_at = $2
              where revoked_at is null and family =
                    (select family from identity.refresh_tokens
                      where token_hash = $1 and used_at is not null)",
        )
        .bind(hash(token))
        .bind(now)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        if revoked > 0 {
            tracing::warn!(revoked, "a refresh token was used twice: its family has been revoked");
        }
        Err(invalid())
    }
}

async fn insert(
    connection: &mut PgConnection,
    player: PlayerId,
    family: Uuid,
    now: DateTime<Utc>,
) -> Result<String, ApiError> {
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    sqlx::query(
        "insert into identity.refresh_tokens
                (token_hash, family, user_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(hash(&token))
    .bind(family)
    .bind(player.0)
    .bind(now)
    .bind(now + LIFETIME)
    .execute(connection)
    .await?;
    Ok(token)
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
