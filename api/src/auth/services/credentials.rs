//! Who speaks to the club, kept in memory: no request waits for the database while others come.
//!
//! What is in memory is read anew once a second while somebody asks, so a revocation counts within
//! about a second on every node. If it cannot be read, the last that is known counts for some
//! seconds; then nobody is believed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::id::ServiceId;
use super::register::{NotDone, Register, Registered};
use super::signature::ServiceKey;
use crate::error::{ApiError, Reason};

/// What is younger is not read again.
const FRESH: Duration = Duration::from_secs(1);
/// What is younger answers while it is read again; what is older waits for that.
const STILL_FRESH: Duration = Duration::from_millis(1_250);
/// What is older is not believed, even if the database does not answer.
const LONGEST_BELIEVED: Duration = Duration::from_secs(5);
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Programs by name, as they were at one moment.
#[derive(Debug)]
pub struct Known {
    by_id: HashMap<ServiceId, Registered>,
    /// When they were asked for.
    at: Instant,
}

impl Known {
    /// A program that is known, maybe a revoked one.
    #[must_use]
    pub fn get(&self, id: &ServiceId) -> Option<&Registered> {
        self.by_id.get(id)
    }

    fn is_younger_than(&self, age: Duration) -> bool {
        self.at.elapsed() < age
    }
}

/// What is known, and how it is read.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What all secrets are made of.
    pub key: ServiceKey,
    register: Register,
    latest: Arc<Mutex<Latest>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Latest {
    known: Option<Arc<Known>>,
    /// When reading was last finished, well or not.
    tried_at: Option<Instant>,
}

impl Credentials {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(pool: PgPool, key: ServiceKey) -> Self {
        let (latest, reading) = (Arc::default(), Arc::default());
        Self { key, register: Register::new(pool), latest, reading }
    }

    /// Who is known now.
    ///
    /// # Errors
    /// If the database has not answered for too long.
    pub async fn known(&self) -> Result<Arc<Known>, ApiError> {
        match self.latest(|latest| latest.known.clone()) {
            Some(known) if known.is_younger_than(FRESH) => Ok(known),
            Some(known) if known.is_younger_than(STILL_FRESH) => {
                self.read_aside();
                Ok(known)
            }
            _ => self.read_again().await,
        }
    }

    /// Reads in a task of its own, unless somebody does already.
    fn read_aside(&self) {
        let Ok(reading) = self.reading.clone().try_lock_owned() else { return };
        let credentials = self.clone();
        tokio::spawn(async move {
            credentials.read().await;
            drop(reading);
        });
    }

    /// Waits until it has been read, by whomever: those who come together wait for one try.
    async fn read_again(&self) -> Result<Arc<Known>, ApiError> {
        let since = Instant::now();
        let reading = self.reading.lock().await;
        if self.latest(|latest| latest.tried_at).is_none_or(|at| at < since) {
            self.read().await;
        }
        drop(reading);
        let known = self.latest(|latest| latest.known.clone());
        known.filter(|known| known.is_younger_than(LONGEST_BELIEVED)).ok_or_else(|| {
            let detail = "the club cannot look up who you are: try again";
            ApiError::new(Reason::DatabaseUnavailable, detail)
        })
    }

    async fn read(&self) {
        let at = Instant::now();
        let read = tokio::time::timeout(PATIENCE, self.register.all()).await;
        match read.unwrap_or(Err(NotDone::Database(sqlx::Error::PoolTimedOut))) {
            Ok(all) => {
                let by_id = all.into_iter().map(|one| (one.id.clone(), one)).collect();
                self.latest(|latest| latest.known = Some(Arc::new(Known { by_id, at })));
            }
            Err(error) => {
                let cause = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(cause, "services cannot be read: the last that is known counts");
            }
        }
        self.latest(|latest| latest.tried_at = Some(Instant::now()));
    }

    fn latest<T>(&self, look: impl FnOnce(&mut Latest) -> T) -> T {
        look(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a database that is not there, with somebody known since so long.
    fn credentials(age: Option<Duration>) -> Credentials {
        let pool = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
        let credentials = Credentials::new(pool, ServiceKey::new(&"k".to_owned().into()));
        let known = age.map(|age| {
            let at = Instant::now().checked_sub(age).unwrap();
            Arc::new(Known { by_id: HashMap::new(), at })
        });
        credentials.latest(|latest| latest.known = known);
        credentials
    }

    #[tokio::test]
    async fn without_a_database_the_last_that_is_known_counts_for_some_seconds() {
        let ages = [Some(0), Some(1), Some(3), Some(5), Some(60), None];
        let told = ages.map(async |age: Option<u64>| {
            let known = credentials(age.map(Duration::from_secs)).known().await;
            known.map(drop).map_err(|error| error.reason())
        });
        let told = futures::future::join_all(told).await;
        let refused = Err(Reason::DatabaseUnavailable);
        assert_eq!(told, [Ok(()), Ok(()), Ok(()), refused, refused, refused]);
    }

    #[tokio::test]
    async fn those_who_come_together_wait_for_one_try() {
        let credentials = credentials(None);
        let started = Instant::now();
        let all = (0..50).map(|_| credentials.known());
        let refused = futures::future::join_all(all).await;
        assert!(refused.iter().all(Result::is_err));
        assert!(started.elapsed() < PATIENCE * 10, "{:?}", started.elapsed());
    }
}
