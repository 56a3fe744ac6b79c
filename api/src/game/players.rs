//! Who plays: access tokens of the club, verified by the public keys that it publishes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

const PATH: &str = "/.well-known/jwks.json";
const PATIENCE: Duration = Duration::from_secs(3);
/// Anybody can name a key that does not exist: that must not make us ask the club each time.
const ASK_EVERY: TimeDelta = TimeDelta::seconds(5);
/// What was read is kept for so long, as the club's Cache-Control allows: a key that leaked goes.
const KEPT: TimeDelta = TimeDelta::minutes(5);
/// Longer texts are not even looked at.
const LONGEST_TOKEN: usize = 1_024;

/// Why somebody cannot be told from others.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// No token of the club, or not any more.
    #[error("no valid access token of the club")]
    NoToken,
    /// The club's keys are needed and cannot be had.
    #[error("the club's public keys cannot be read: {0}")]
    NoKeys(String),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
}

/// Knows the club's players by their tokens.
pub struct Players {
    http: Client,
    club: String,
    clock: Arc<dyn Clock>,
    keys: RwLock<Keys>,
    /// When the club was last asked for its keys; one asks, others wait.
    asked_at: Mutex<Option<DateTime<Utc>>>,
}

#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, DecodingKey>,
    read_at: DateTime<Utc>,
}

impl Players {
    /// Of the club at this address.
    #[must_use]
    pub fn new(http: Client, club: String, clock: Arc<dyn Clock>) -> Self {
        Self { http, club, clock, keys: RwLock::default(), asked_at: Mutex::default() }
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// If it is nobody's, or the club's keys cannot be had.
    pub async fn of_token(&self, token: &str) -> Result<i64, Unknown> {
        if token.len() > LONGEST_TOKEN {
            return Err(Unknown::NoToken);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Unknown::NoToken)?;
        // The same keys sign other things: the type says that it is an access token.
        let is_access = header.typ.as_deref() == Some("JWT") && header.alg == Algorithm::EdDSA;
        let kid = header.kid.filter(|_| is_access).ok_or(Unknown::NoToken)?;
        let key = self.key(&kid).await?.ok_or(Unknown::NoToken)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false; // Asked of our own clock, below.
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation);
        let claims = claims.map_err(|_| Unknown::NoToken)?.claims;
        if claims.exp <= self.clock.now().timestamp() {
            return Err(Unknown::NoToken);
        }
        claims.sub.parse().map_err(|_| Unknown::NoToken)
    }

    /// A key by its id, asked for if it is not known.
    async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, Unknown> {
        if let Some(key) = self.known(kid) {
            return Ok(Some(key));
        }
        let mut asked_at = self.asked_at.lock().await;
        // Somebody may have asked while this one waited.
        if let Some(key) = self.known(kid) {
            return Ok(Some(key));
        }
        let now = self.clock.now();
        let is_recent = |at: DateTime<Utc>| (now - at).abs() < ASK_EVERY;
        if !asked_at.is_some_and(is_recent) {
            let by_kid = self.ask().await.map_err(|error| Unknown::NoKeys(error.to_string()))?;
            let keys = Keys { by_kid, read_at: now };
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
            *asked_at = Some(now);
        }
        Ok(self.known(kid))
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_kept = (self.clock.now() - keys.read_at).abs() < KEPT;
        keys.by_kid.get(kid).filter(|_| is_kept).cloned()
    }

    async fn ask(&self) -> Result<HashMap<String, DecodingKey>, reqwest::Error> {
        let request = self.http.get(format!("{}{PATH}", self.club)).timeout(PATIENCE);
        let set: JwkSet = request.send().await?.error_for_status()?.json().await?;
        let keys = set.keys.iter().filter_map(|key| {
            let kid = key.common.key_id.clone()?;
            // Keys of a kind that is not known here are for others.
            Some((kid, DecodingKey::from_jwk(key).ok()?))
        });
        Ok(keys.collect())
    }
}
