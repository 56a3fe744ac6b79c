//! Second factors: codes that a phone shows, and recovery codes for whoever lost it. That somebody has
//! one, and which, stands in the log; here is how a code is known to be right, once.

mod code;
mod recovery;

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{EnrolmentId, PlayerId};
use sqlx::PgPool;

use super::derived::derive;
use crate::config::Secret;
use crate::error::ApiError;

use code::Codes;
use recovery::RecoveryCode;

/// How long whoever has begun to enrol may take.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// How many recovery codes somebody gets.
const RECOVERY_CODES: usize = 10;

/// Makes secrets, and knows their codes again.
#[derive(Debug, Clone)]
pub struct SecondFactors {
    pool: PgPool,
    /// What all secrets are made of.
    key: Secret,
}

/// What a phone has to know.
#[derive(Debug)]
pub struct ForPhone {
    /// In base 32, for whoever types it.
    pub secret: String,
    /// The same and all else, as phones read it from a QR code.
    pub otpauth_uri: String,
}

/// An enrolment of which a code was shown. It counts once the log says so.
#[derive(Debug)]
pub struct Confirmed {
    /// Which.
    pub enrolment: EnrolmentId,
    /// Told once.
    pub recovery_codes: Vec<String>,
}

impl SecondFactors {
    /// In this database, of this key.
    #[must_use]
    pub fn new(pool: PgPool, key: Secret) -> Self {
        Self { pool, key }
    }

    /// A new secret for somebody. It replaces one that was begun, and counts for nothing yet.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn begin(
        &self,
        player: PlayerId,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<ForPhone, ApiError> {
        let nonce: [u8; 16] = rand::random();
        sqlx::query(
            "insert into identity.totp as it (user_id, nonce, created_at) values ($1, $2, $3)
             on conflict (user_id) where confirmed_at is null
             do update set nonce = excluded.nonce, created_at = excluded.created_at, last_step = 0",
        )
        .bind(player.0)
        .bind(&nonce[..])
        .bind(now)
        .execute(&self.pool)
        .await?;
        let codes = self.codes(&nonce, name)?;
        Ok(ForPhone { secret: codes.secret(), otpauth_uri: codes.uri() })
    }

    /// Takes the first code of a secret that was begun, once. `None` if it is wrong, or none was begun
    /// lately.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn confirm(
        &self,
        player: PlayerId,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Confirmed>, ApiError> {
        let begun: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "select id, nonce from identity.totp
              where user_id = $1 and confirmed_at is null and created_at > $2",
        )
        .bind(player.0)
        .bind(now - PATIENCE)
        .fetch_optional(&self.pool)
        .await?;
        let Some((id, nonce)) = begun else { return Ok(None) };
        let Some(step) = self.codes(&nonce, "")?.step_of(code, now) else { return Ok(None) };
        let recovery: Vec<RecoveryCode> =
            std::iter::repeat_with(RecoveryCode::draw).take(RECOVERY_CODES).collect();
        // One statement: of two who come with the code at once, or with a new secret meanwhile, one wins.
        let confirmed = sqlx::query(
            "with confirmed as (
                 update identity.totp set confirmed_at = $3, last_step = $4
                  where id = $1 and nonce = $2 and confirmed_at is null returning id)
             insert into identity.recovery_codes (enrolment, code_hash)
             select id, unnest($5::bytea[]) from confirmed",
        )
        .bind(id)
        .bind(&nonce)
        .bind(now)
        .bind(step)
        .bind(recovery.iter().map(RecoveryCode::hash).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        let recovery_codes = recovery.iter().map(ToString::to_string).collect();
        let enrolment = EnrolmentId(id);
        Ok((confirmed.rows_affected() > 0).then_some(Confirmed { enrolment, recovery_codes }))
    }

    /// Whether this is a code of an enrolment that was not used before; it is used now. A recovery code
    /// will do.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn take(
        &self,
        enrolment: EnrolmentId,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, ApiError> {
        if let Some(recovery) = RecoveryCode::parse(code) {
            return self.take_recovery(enrolment, &recovery).await;
        }
        let nonce: Option<Vec<u8>> =
            sqlx::query_scalar("select nonce from identity.totp where id = $1")
                .bind(enrolment.0)
                .fetch_optional(&self.pool)
                .await?;
        let Some(nonce) = nonce else { return Ok(false) };
        let Some(step) = self.codes(&nonce, "")?.step_of(code, now) else { return Ok(false) };
        // Of two who come with the same code at once, on any nodes, one finds it used.
        let used =
            sqlx::query("update identity.totp set last_step = $2 where id = $1 and last_step < $2")
                .bind(enrolment.0)
                .bind(step)
                .execute(&self.pool)
                .await?;
        Ok(used.rows_affected() > 0)
    }

    async fn take_recovery(
        &self,
        enrolment: EnrolmentId,
        code: &RecoveryCode,
    ) -> Result<bool, ApiError> {
        let delete = "delete from identity.recovery_codes where enrolment = $1 and code_hash = $2";
        let used =
            sqlx::query(delete).bind(enrolment.0).bind(code.hash()).execute(&self.pool).await?;
        Ok(used.rows_affected() > 0)
    }

    /// How many recovery codes of an enrolment are left.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn recovery_codes_left(&self, enrolment: EnrolmentId) -> Result<i64, ApiError> {
        let count = "select count(*) from identity.recovery_codes where enrolment = $1";
        Ok(sqlx::query_scalar(count).bind(enrolment.0).fetch_one(&self.pool).await?)
    }

    /// Forgets the secret of an enrolment that has ended, and what a crash left of those before it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn forget(&self, player: PlayerId, enrolment: EnrolmentId) -> Result<(), ApiError> {
        sqlx::query(
            "delete from identity.totp
              where user_id = $1 and id <= $2 and confirmed_at is not null",
        )
        .bind(player.0)
        .bind(enrolment.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    fn codes(&self, nonce: &[u8], name: &str) -> Result<Codes, ApiError> {
        let secret = derive(&self.key, "totp", nonce).map_err(ApiError::internal)?;
        Codes::new(&secret, name).map_err(ApiError::internal)
    }
}
