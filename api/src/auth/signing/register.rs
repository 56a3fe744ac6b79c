//! The table of keys. Whoever changes it holds it: of several nodes that want the same, one does it.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};

use super::ring::Plan;
use super::{Key, Phase, Ring};
use crate::config::Secret;

/// When another key is wanted, and from when on it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// If there is none.
    First,
    /// Published now, so that it signs once all verifiers know it.
    InTime,
    /// The same, if the last one has signed for so long.
    IfOlderThan(TimeDelta),
    /// It signs now, and nothing of the others is believed any more.
    AtOnce,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There is no such key.
    #[error("there is no key {0}: 'club keys list' shows all")]
    Unknown(String),
    /// Nothing could be signed any more.
    #[error(
        "the key {0} signs, and there is no next one: 'club keys rotate --now' puts another in its place"
    )]
    Signs(String),
    /// The database did not do it.
    #[error("the table of keys cannot be used")]
    Failed(#[from] anyhow::Error),
}

impl From<sqlx::Error> for NotDone {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Reads and writes the table.
#[derive(Debug, Clone)]
pub struct Register {
    pool: PgPool,
    /// `CLUB_SIGNING_KEY`, of which private keys are made.
    setting: Secret,
}

impl Register {
    /// In this database, of this setting.
    #[must_use]
    pub fn new(pool: PgPool, setting: Secret) -> Self {
        Self { pool, setting }
    }

    /// All keys.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn all(&self) -> anyhow::Result<Ring> {
        let mut connection = self.pool.acquire().await?;
        self.read(&mut connection).await
    }

    /// Makes another key, if it is wanted; all keys as they are then, and the id of the new one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn rotate(
        &self,
        rotation: Rotation,
        now: DateTime<Utc>,
    ) -> Result<(Ring, Option<String>), NotDone> {
        let mut transaction = self.held().await?;
        let ring = self.read(&mut transaction).await?;
        let signs_from = match ring.plan(rotation, now) {
            Plan::Nothing => return Ok((ring, None)),
            Plan::Add(from) => from,
            Plan::AddAndRevokeOthers(from) => {
                let revoke = "update identity.signing_keys set revoked_at = $1
                               where revoked_at is null";
                sqlx::query(revoke).bind(now).execute(&mut *transaction).await?;
                from
            }
        };
        let nonce: [u8; 32] = rand::random();
        let key = Key::make(&self.setting, &nonce, now, signs_from)?;
        sqlx::query(
            "insert into identity.signing_keys (kid, nonce, public_key, published_at, signs_from)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(&*key.kid)
        .bind(&nonce[..])
        .bind(&key.public_bytes[..])
        .bind(now)
        .bind(signs_from)
        .execute(&mut *transaction)
        .await?;
        let ring = self.read(&mut transaction).await?;
        transaction.commit().await?;
        Ok((ring, Some(key.kid.to_string())))
    }

    /// Believes nothing any more that a key has signed. If it is the one that signs, the next one does from
    /// now on. One that was revoked stays as it is.
    ///
    /// # Errors
    /// If it is unknown, or there is no next one.
    pub async fn retire(&self, kid: &str, now: DateTime<Utc>) -> Result<Ring, NotDone> {
        let mut transaction = self.held().await?;
        let ring = self.read(&mut transaction).await?;
        let (_, phase) = ring.find(kid, now).ok_or_else(|| NotDone::Unknown(kid.to_owned()))?;
        if phase == Phase::Signs {
            let mut phases = ring.phases(now);
            let next = phases.find(|(_, phase)| matches!(phase, Phase::Next(_)));
            let (next, _) = next.ok_or_else(|| NotDone::Signs(kid.to_owned()))?;
            let sign = "update identity.signing_keys set signs_from = $2 where kid = $1";
            sqlx::query(sign).bind(&*next.kid).bind(now).execute(&mut *transaction).await?;
        }
        let revoke = "update identity.signing_keys set revoked_at = coalesce(revoked_at, $2)
                       where kid = $1";
        sqlx::query(revoke).bind(kid).bind(now).execute(&mut *transaction).await?;
        let ring = self.read(&mut transaction).await?;
        transaction.commit().await?;
        Ok(ring)
    }

    /// A transaction beside which nobody changes the table. It is read meanwhile.
    async fn held(&self) -> Result<Transaction<'static, Postgres>, NotDone> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("lock table identity.signing_keys in share row exclusive mode")
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }

    async fn read(&self, connection: &mut PgConnection) -> anyhow::Result<Ring> {
        let select = "select kid, nonce, public_key, published_at, signs_from, revoked_at
                        from identity.signing_keys";
        let rows = sqlx::query(select).fetch_all(connection).await?;
        let keys: anyhow::Result<Vec<Key>> = rows.iter().map(|row| self.key(row)).collect();
        Ok(Ring::new(keys?))
    }

    fn key(&self, row: &PgRow) -> anyhow::Result<Key> {
        let (published_at, signs_from) = (row.try_get("published_at")?, row.try_get("signs_from")?);
        let made = Key::make(&self.setting, row.try_get("nonce")?, published_at, signs_from)?;
        let public: &[u8] = row.try_get("public_key")?;
        let public = public.try_into().context("a public key has 32 bytes")?;
        let revoked_at = row.try_get("revoked_at")?;
        Ok(Key { revoked_at, ..made.known_as(row.try_get("kid")?, public) })
    }
}
