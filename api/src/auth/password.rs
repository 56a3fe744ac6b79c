//! Passwords: argon2id, on as many threads as there are processors, so that a rush of sign-ins
//! slows sign-ins and nothing else.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::error::{ApiError, Reason};

/// Memory in KiB, passes and lanes, as OWASP advises for argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The most that may wait for a processor; more are turned away.
const LONGEST_QUEUE: usize = 2_000;

/// What a password is compared with when there is no such user, so that the answer takes as long.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody's password").ok());

/// Hashes and verifies.
#[derive(Debug, Clone)]
pub struct Passwords {
    processors: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // Made now, or the first unknown name would take twice as long.
        LazyLock::force(&NOBODYS);
        Self::bounded(processors, LONGEST_QUEUE)
    }
}

impl Passwords {
    fn bounded(processors: usize, queue: usize) -> Self {
        let [processors, queue] = [processors, queue].map(|most| Arc::new(Semaphore::new(most)));
        Self { processors, queue }
    }

    /// A hash to store.
    ///
    /// # Errors
    /// If too many wait.
    pub async fn hash(&self, password: String) -> Result<String, ApiError> {
        self.work(move || hash_now(&password)).await?.map_err(ApiError::internal)
    }

    /// Whether this is the password behind the stored hash. Without one it takes as long.
    ///
    /// # Errors
    /// If too many wait.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, ApiError> {
        self.work(move || match hash {
            Some(hash) => verify_now(&password, &hash),
            None => {
                NOBODYS.as_deref().map(|hash| verify_now(&password, hash));
                false
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let overloaded = |_| ApiError::new(Reason::Overloaded, "too many sign in: try again");
        let _queued = self.queue.clone().try_acquire_owned().map_err(overloaded)?;
        let processor = self.processors.clone().acquire_owned().await;
        let processor = processor.map_err(ApiError::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a caller that leaves does not free a busy processor.
            let _processor = processor;
            work()
        });
        done.await.map_err(ApiError::internal)
    }
}

/// Whether a stored hash was made with other parameters than today's: its owner's next sign-in makes it
/// anew.
#[must_use]
pub fn is_stale(hash: &str) -> bool {
    let (Ok(hash), Ok(today)) = (PasswordHash::new(hash), argon2()) else { return true };
    let is_todays = Params::try_from(&hash).is_ok_and(|params| {
        let today = today.params();
        (params.m_cost(), params.t_cost(), params.p_cost())
            == (today.m_cost(), today.t_cost(), today.p_cost())
    });
    hash.algorithm != Algorithm::Argon2id.ident() || !is_todays
}

fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes on the spot; takes tens of milliseconds.
///
/// # Errors
/// Never in practice.
pub fn hash_now(password: &str) -> anyhow::Result<String> {
    count_one();
    let salt = SaltString::generate(&mut OsRng);
    let argon2 = argon2().map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
    let hash = argon2.hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow::anyhow!("argon2: {error}"))?.to_string())
}

/// Verifies on the spot; takes tens of milliseconds. The hash says how it was made.
#[must_use]
pub fn verify_now(password: &str, hash: &str) -> bool {
    let (Ok(hash), Ok(argon2)) = (PasswordHash::new(hash), argon2()) else { return false };
    count_one();
    argon2.verify_password(password.as_bytes(), &hash).is_ok()
}

/// What sign-ins cost, for whoever watches the club.
fn count_one() {
    metrics::counter!("club_password_hashes_total").increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_to_come_back() {
        let passwords = Passwords::bounded(1, 2);
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let working = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.work(move || busy.recv().is_ok()).await }
        });
        while passwords.processors.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.work(|| true).await }
        });
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.verify("1234".to_owned(), None).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::Overloaded);
        let problem = axum::response::IntoResponse::into_response(refused);
        assert_eq!(problem.status(), 503);
        let problem = problem.extensions().get::<Arc<crate::error::Problem>>().unwrap();
        assert_eq!(problem.retry_after_seconds(chrono::DateTime::UNIX_EPOCH), Some(1));
        free.send(()).unwrap();
        assert!(working.await.unwrap().unwrap() && waiting.await.unwrap().unwrap());
        assert_eq!(passwords.queue.available_permits(), 2, "there is room again");
    }

    #[tokio::test]
    async fn whoever_leaves_does_not_free_a_busy_processor() {
        let passwords = Passwords::bounded(1, 2);
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let left = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.work(move || busy.recv().is_ok()).await }
        });
        while passwords.processors.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        left.abort();
        assert!(left.await.is_err());
        assert_eq!(passwords.processors.available_permits(), 0);
        free.send(()).unwrap();
        assert!(passwords.work(|| true).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let passwords = Passwords::default();
        let hash = passwords.hash("1234".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right = passwords.verify("1234".to_owned(), Some(hash.clone())).await;
        let wrong = passwords.verify("12345".to_owned(), Some(hash)).await;
        assert_eq!((right.unwrap(), wrong.unwrap()), (true, false));
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::default();
        assert!(!passwords.verify("nobody's password".to_owned(), None).await.unwrap());
    }
}
