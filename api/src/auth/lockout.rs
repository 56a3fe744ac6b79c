//! Wrong passwords, counted by name: after so many nobody signs in under it for a while, whatever they
//! type. Names that nobody has count the same. In a table, so that restarts and other nodes know.

use chrono::{DateTime, Utc};
use commands::FingerprintKey;
use domain::id::PlayerId;
use domain::limit::Rate;
use sqlx::PgPool;

use crate::error::{ApiError, Reason};

/// Counts.
#[derive(Debug, Clone)]
pub struct Lockout {
    pool: PgPool,
    fingerprints: FingerprintKey,
    /// So many wrong passwords, within so long; the lock holds for as long. `None`: nothing is counted.
    rate: Option<Rate>,
}

/// Under whose name somebody tries to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who(pub [u8; 16]);

/// Under which all names of somebody count.
#[must_use]
pub fn who_of(fingerprints: &FingerprintKey, PlayerId(id): PlayerId) -> Who {
    Who(fingerprints.fingerprint("sign_in_of_user", &id).0)
}

#[derive(Debug, sqlx::FromRow)]
struct Failures {
    locked_until: Option<DateTime<Utc>>,
}

impl Lockout {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool, fingerprints: FingerprintKey, rate: Option<Rate>) -> Self {
        Self { pool, fingerprints, rate }
    }

    /// Whoever has the name, by number, so that both of their names count together; or the name.
    #[must_use]
    pub fn who(&self, name: &str, user: Option<PlayerId>) -> Who {
        let name = name.to_lowercase();
        match user {
            Some(player) => who_of(&self.fingerprints, player),
            None => Who(self.fingerprints.fingerprint("sign_in_of_name", &name).0),
        }
    }

    /// Before a password is looked at.
    ///
    /// # Errors
    /// If nobody signs in under the name for now.
    pub async fn insist_on_unlocked(&self, who: Who, now: DateTime<Utc>) -> Result<(), ApiError> {
        self.failures(who, now).await.map(drop)
    }

    /// After it: tries that ran beside this one may have locked the name meanwhile, and then nobody is
    /// told whether the password was the right one.
    ///
    /// # Errors
    /// If nobody signs in under the name for now.
    pub async fn tried(
        &self,
        who: Who,
        is_right: bool,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let Some(rate) = self.rate else { return Ok(()) };
        if is_right {
            return match self.failures(who, now).await? {
                Some(_) => self.forget(who, now).await,
                None => Ok(()),
            };
        }
        self.forget_what_is_over(rate, now).await?;
        if !self.count(who, rate, now).await? {
            self.failures(who, now).await?;
        }
        Ok(())
    }

    /// Whoever has proved by other means who they are may try again, locked or not.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn forgive(&self, who: Who) -> Result<(), ApiError> {
        let delete = "delete from identity.sign_in_failures where who = $1";
        sqlx::query(delete).bind(&who.0[..]).execute(&self.pool).await?;
        Ok(())
    }

    /// What is counted against the name.
    async fn failures(&self, who: Who, now: DateTime<Utc>) -> Result<Option<Failures>, ApiError> {
        if self.rate.is_none() {
            return Ok(None);
        }
        let select = "select locked_until from identity.sign_in_failures where who = $1";
        let found: Option<Failures> =
            sqlx::query_as(select).bind(&who.0[..]).fetch_optional(&self.pool).await?;
        let until = found.as_ref().and_then(|found| found.locked_until);
        match until.filter(|until| *until > now) {
            Some(until) => Err(locked(until)),
            None => Ok(found),
        }
    }

    /// One more, unless the name is locked; answers whether it was counted.
    async fn count(&self, who: Who, rate: Rate, now: DateTime<Utc>) -> Result<bool, ApiError> {
        let most = i32::try_from(rate.most).unwrap_or(i32::MAX);
        let counted = sqlx::query(
            "insert into identity.sign_in_failures as it (who, failures, since, locked_until)
             values ($1, 1, $2, case when $3 <= 1 then $4 end)
             on conflict (who) do update
                set failures = it.failures + 1,
                    locked_until = case when it.failures + 1 >= $3 then $4 end
              where it.locked_until is null",
        )
        .bind(&who.0[..])
        .bind(now)
        .bind(most)
        .bind(now + rate.within)
        .execute(&self.pool)
        .await?;
        Ok(counted.rows_affected() > 0)
    }

    /// Nothing counts against the name any more, unless it was locked this moment.
    async fn forget(&self, who: Who, now: DateTime<Utc>) -> Result<(), ApiError> {
        sqlx::query(
            "delete from identity.sign_in_failures
              where who = $1 and coalesce(locked_until, $2) <= $2",
        )
        .bind(&who.0[..])
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Of everybody: what began too long ago and locks nothing any more.
    async fn forget_what_is_over(&self, rate: Rate, now: DateTime<Utc>) -> Result<(), ApiError> {
        sqlx::query(
            "delete from identity.sign_in_failures
              where since <= $1 and coalesce(locked_until, $2) <= $2",
        )
        .bind(now - rate.within)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn locked(until: DateTime<Utc>) -> ApiError {
    let detail = "too many wrong passwords for this name: wait as long as Retry-After says";
    let setting = "CLUB_LIMIT_SIGN_IN_FAILURES";
    ApiError::new(Reason::RateLimit, detail).by_limit(
        "sign_in_failures",
        Some(until),
        Some(setting),
    )
}
