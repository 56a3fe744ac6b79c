//! Links that are mailed and work once: the newest of each purpose counts, for a while. Stored are an id, of
//! which the token is made with a key that is not in the database, and the token's hash.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::PlayerId;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::key::MailKey;
use crate::error::{ApiError, Reason};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An address is somebody's.
    ConfirmEmail,
    /// Another password may be set.
    PasswordReset,
}

impl Purpose {
    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::PasswordReset => "password_reset",
        }
    }

    /// How long a link works.
    #[must_use]
    pub const fn lifetime(self) -> TimeDelta {
        match self {
            Self::ConfirmEmail => TimeDelta::hours(24),
            Self::PasswordReset => TimeDelta::minutes(30),
        }
    }
}

/// A link that came back and is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose.
    pub player: PlayerId,
    /// The address that it confirms.
    pub email: Option<String>,
}

/// A link that is still out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) email: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
}

/// See the module.
#[derive(Clone)]
pub struct MailTokens {
    pool: PgPool,
    key: MailKey,
}

impl MailTokens {
    /// In this database, made with this key.
    #[must_use]
    pub fn new(pool: PgPool, key: MailKey) -> Self {
        Self { pool, key }
    }

    /// Makes a link instead of the one before; answers its id.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn issue(
        &self,
        connection: &mut PgConnection,
        player: PlayerId,
        (purpose, email): (Purpose, Option<&str>),
        now: DateTime<Utc>,
    ) -> Result<String, ApiError> {
        let token_id = format!("{:032x}", rand::random::<u128>());
        sqlx::query(
            "insert into identity.mail_tokens
                    (user_id, purpose, token_id, token_hash, email, expires_at)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (user_id, purpose) do update
                set token_id = excluded.token_id, token_hash = excluded.token_hash,
                    email = excluded.email, expires_at = excluded.expires_at",
        )
        .bind(player.0)
        .bind(purpose.name())
        .bind(&token_id)
        .bind(hash(&self.key.token(purpose, &token_id)))
        .bind(email)
        .bind(now + purpose.lifetime())
        .execute(connection)
        .await?;
        Ok(token_id)
    }

    /// Whose link it is, if it still works. It works on.
    ///
    /// # Errors
    /// If it does not.
    pub async fn look_up(
        &self,
        purpose: Purpose,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Taken, ApiError> {
        let select = "select user_id, email from identity.mail_tokens
                       where purpose = $1 and token_hash = $2 and expires_at > $3";
        let query = sqlx::query(select).bind(purpose.name()).bind(hash(token)).bind(now);
        query.fetch_optional(&self.pool).await?.map_or_else(|| Err(over()), |row| taken(&row))
    }

    /// Uses a link up, if it still works.
    ///
    /// # Errors
    /// If it does not.
    pub async fn take(
        &self,
        connection: &mut PgConnection,
        purpose: Purpose,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Taken, ApiError> {
        let delete = "delete from identity.mail_tokens
                       where purpose = $1 and token_hash = $2 and expires_at > $3
                   returning user_id, email";
        let query = sqlx::query(delete).bind(purpose.name()).bind(hash(token)).bind(now);
        query.fetch_optional(connection).await?.map_or_else(|| Err(over()), |row| taken(&row))
    }

    /// Takes somebody's link back.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn withdraw(
        &self,
        connection: &mut PgConnection,
        player: PlayerId,
        purpose: Purpose,
    ) -> Result<(), ApiError> {
        let delete = "delete from identity.mail_tokens where user_id = $1 and purpose = $2";
        sqlx::query(delete).bind(player.0).bind(purpose.name()).execute(connection).await?;
        Ok(())
    }

    /// Somebody's link that is out now.
    pub(super) async fn standing(
        &self,
        player: PlayerId,
        (purpose, token_id): (Purpose, Option<&str>),
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, sqlx::Error> {
        let select = "select email, expires_at from identity.mail_tokens
                       where user_id = $1 and purpose = $2 and expires_at > $3
                         and ($4::text is null or token_id = $4)";
        let query = sqlx::query(select).bind(player.0).bind(purpose.name()).bind(now);
        let row = query.bind(token_id).fetch_optional(&self.pool).await?;
        row.map(|row| {
            Ok(Standing { email: row.try_get("email")?, expires_at: row.try_get("expires_at")? })
        })
        .transpose()
    }
}

fn taken(row: &PgRow) -> Result<Taken, ApiError> {
    Ok(Taken { player: PlayerId(row.try_get("user_id")?), email: row.try_get("email")? })
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

fn over() -> ApiError {
    let detail = "this link was used, replaced by a newer one, or has expired: ask for another";
    ApiError::new(Reason::LinkExpired, detail)
}
