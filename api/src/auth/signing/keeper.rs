//! Keeps a node's keys as the table has them, and has another one made when the last has signed for long
//! enough.

use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use sqlx::PgPool;
use tokio::sync::Mutex;

use super::{Register, Ring, Rotation};
use crate::auth::tokens::Tokens;
use crate::config::AuthConfig;

/// How often the table is looked at: what was revoked counts for so long, and what reading takes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Anybody can name a key that does not exist: that must not make us look each time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Keeper {
    register: Register,
    /// A key signs for so long; for ever, if not told.
    rotate_after: Option<TimeDelta>,
    /// When the table was last looked at because of an unknown key. Held while the keys change: an older
    /// look never comes after a newer one.
    looked_at: Mutex<Option<Instant>>,
}

impl Keeper {
    /// Of a club, with its keys; of nodes that start at once, one makes the first.
    ///
    /// # Errors
    /// If the database does not answer, or no key is made of our setting.
    pub async fn start(
        pool: &PgPool,
        config: &AuthConfig,
        now: DateTime<Utc>,
    ) -> anyhow::Result<(Self, Tokens)> {
        let register = Register::new(pool.clone(), config.signing_key.clone());
        let mut ring = register.all().await?;
        if ring.is_empty() {
            ring = register.rotate(Rotation::First, now).await?.0;
        }
        ensure!(
            ring.signing(now).is_some(),
            "CLUB_SIGNING_KEY is another one than that of which the club's keys are made: set that one, \
             or run 'club keys rotate' with this one first"
        );
        let rotate_after = config.signing_key_age;
        Ok((Self { register, rotate_after, looked_at: Mutex::default() }, Tokens::new(ring)))
    }

    /// Follows the table for as long as the process runs.
    pub async fn keep(&self, tokens: &Tokens, clock: &dyn Clock) {
        let mut is_well = true;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked_at = self.looked_at.lock().await;
            let looked = self.look(tokens, clock.now()).await;
            drop(looked_at);
            if let Err(error) = &looked
                && is_well
            {
                let cause = format!("{error:#}");
                tracing::warn!(cause, "keys cannot be read: the last that are known count");
            }
            is_well = looked.is_ok();
        }
    }

    /// Looks for a key that is not known, unless that was done a moment ago; whether it was.
    pub async fn look_again(&self, tokens: &Tokens, clock: &dyn Clock) -> bool {
        let since = Instant::now();
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_some_and(|at| at >= since) {
            // Somebody has looked while this one waited.
            return true;
        }
        if looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN_AFTER) {
            return false;
        }
        let looked = self.look(tokens, clock.now()).await;
        *looked_at = Some(Instant::now());
        looked.is_ok()
    }

    async fn look(&self, tokens: &Tokens, now: DateTime<Utc>) -> anyhow::Result<()> {
        let ring = self.register.all().await?;
        let ring = self.rotated(ring, now).await?;
        tokens.use_keys(ring);
        Ok(())
    }

    async fn rotated(&self, ring: Ring, now: DateTime<Utc>) -> anyhow::Result<Ring> {
        let Some(age) = self.rotate_after.filter(|age| ring.is_due(*age, now)) else {
            return Ok(ring);
        };
        let (ring, made) = self.register.rotate(Rotation::IfOlderThan(age), now).await?;
        if let Some(kid) = made {
            tracing::info!(kid, "another key is published, and signs in some minutes");
        }
        Ok(ring)
    }
}
