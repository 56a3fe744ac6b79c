//! Access tokens: signed, short-lived, verified without asking anybody.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::id::SessionId;
use jsonwebtoken::{Algorithm, Header, Validation};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::sessions::SessionKey;
use super::signing::{Key, Ring};

/// How long an access token lives, in seconds.
pub const LIFETIME_SECONDS: i64 = 15 * 60;
/// Verified tokens that are remembered: verifying costs about 0.1 ms.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49_999);
/// Longer texts are not even looked at.
const LONGEST_TOKEN: usize = 1_024;
/// The type of an access token, in its header.
const ACCESS_TYPE: &str = "JWT";

/// What a valid token says. What its owner may do it does not say: that may change while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Who, and in which session.
    pub key: SessionKey,
    /// Whether it began with a code, besides the password.
    pub second_factor: bool,
    /// Until when, in seconds since 1970.
    pub expires_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    /// The session.
    sid: SessionId,
    /// When it began, in microseconds since 1970.
    began: i64,
    /// Whether it began with more than a password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    mfa: bool,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// Mints and verifies.
#[derive(Debug)]
pub struct Tokens {
    ring: RwLock<Arc<Ring>>,
    verified: Mutex<LruCache<Box<str>, Verified>>,
}

/// A token whose signature was verified, by this key.
#[derive(Debug, Clone)]
struct Verified {
    session: Session,
    kid: Arc<str>,
}

impl Tokens {
    /// With these keys.
    #[must_use]
    pub fn new(ring: Ring) -> Self {
        let verified = Mutex::new(LruCache::new(REMEMBERED));
        Self { ring: RwLock::new(Arc::new(ring)), verified }
    }

    /// With these from now on.
    pub fn use_keys(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    /// The present keys.
    #[must_use]
    pub fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A token for this session.
    ///
    /// # Errors
    /// If there is no key.
    pub fn mint(
        &self,
        session: &SessionKey,
        second_factor: bool,
        now: i64,
    ) -> anyhow::Result<String> {
        let claims = Claims {
            sub: session.player.to_string(),
            sid: session.id,
            began: session.began_at.timestamp_micros(),
            mfa: second_factor,
            iat: now,
            exp: now.saturating_add(LIFETIME_SECONDS),
            jti: Uuid::now_v7(),
        };
        self.sign(ACCESS_TYPE, &claims, now)
    }

    /// Something that is signed with the key of a moment: its type says what it is. Only access tokens open
    /// anything.
    ///
    /// # Errors
    /// If there is no key.
    pub fn sign(&self, kind: &str, claims: &impl Serialize, now: i64) -> anyhow::Result<String> {
        let ring = self.ring();
        let key = ring.signing(moment(now)).context("there is no key to sign with")?;
        let private = key.private.as_ref().context("the key is another setting's")?;
        let (kid, typ) = (Some(key.kid.to_string()), Some(kind.to_owned()));
        let header = Header { kid, typ, ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, claims, private)?)
    }

    /// What the token says, if it is one of ours and has not expired.
    #[must_use]
    pub fn verify(&self, token: &str, now: i64) -> Option<Session> {
        let ring = self.ring();
        let Verified { session, kid } = match self.remembered(token) {
            Some(known) => known,
            None => self.verify_signature(token, &ring)?,
        };
        // A key may have been revoked since.
        ring.verifying(&kid, moment(now)).filter(|_| now < session.expires_at).map(|_| session)
    }

    /// Whether this would be an access token if its key were known: another node may have made one.
    #[must_use]
    pub fn is_of_unknown_key(&self, token: &str) -> bool {
        kid_of(token).is_some_and(|kid| !self.ring().knows(&kid))
    }

    fn remembered(&self, token: &str) -> Option<Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn verify_signature(&self, token: &str, ring: &Ring) -> Option<Verified> {
        let kid = kid_of(token)?;
        let key = ring.by_kid(&kid)?;
        let session = session_of(token, key)?;
        let verified = Verified { session, kid: key.kid.clone() };
        let mut all = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        all.put(token.into(), verified.clone());
        Some(verified)
    }

    /// The public keys by which access tokens are verified at a moment.
    #[must_use]
    pub fn jwks(&self, now: i64) -> Value {
        self.ring().jwks(moment(now))
    }
}

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// The key that an access token names; `None` for what is none.
fn kid_of(token: &str) -> Option<String> {
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    header.kid.filter(|_| header.typ.as_deref() == Some(ACCESS_TYPE))
}

/// What a token says, if this key has signed it.
fn session_of(token: &str, key: &Key) -> Option<Session> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    // Whether it has expired is asked of the club's clock at every use.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key.public, &validation).ok()?.claims;
    let (player, id) = (claims.sub.parse().ok()?, claims.sid);
    let began_at = DateTime::from_timestamp_micros(claims.began)?;
    let key = SessionKey { player, id, began_at };
    Some(Session { key, second_factor: claims.mfa, expires_at: claims.exp })
}

#[cfg(test)]
mod tests {
    use domain::id::PlayerId;

    use super::*;

    const OURS: &str = "our setting";
    const THEIRS: &str = "their setting";

    fn session(player: i64) -> SessionKey {
        let began_at = DateTime::from_timestamp(900, 5_000).unwrap();
        SessionKey { player: PlayerId(player), id: SessionId::from_bits(7), began_at }
    }

    fn tokens(setting: &str) -> Tokens {
        Tokens::new(Ring::of(&[setting], 0))
    }

    #[test]
    fn a_token_says_who_it_is_for_until_it_expires() {
        let tokens = tokens(OURS);
        for second_factor in [false, true] {
            let token = tokens.mint(&session(23), second_factor, 1_000).unwrap();
            for _ in 0..2 {
                let verified = tokens.verify(&token, 1_000 + LIFETIME_SECONDS - 1).unwrap();
                assert_eq!((verified.key, verified.second_factor), (session(23), second_factor));
                assert_eq!(tokens.verify(&token, 1_000 + LIFETIME_SECONDS), None);
            }
        }
    }

    #[test]
    fn tokens_of_others_are_not_believed() {
        let token = tokens(THEIRS).mint(&session(1), false, 1_000).unwrap();
        assert_eq!(tokens(OURS).verify(&token, 1_000), None);
    }

    #[test]
    fn a_token_that_was_touched_is_not_believed() {
        let tokens = tokens(OURS);
        let token = tokens.mint(&session(23), false, 1_000).unwrap();
        let (head, tail) = token.split_at(token.find('.').unwrap() + 5);
        assert_eq!(tokens.verify(&format!("{head}A{}", &tail[1..]), 1_000), None);
        assert_eq!(tokens.verify(&format!("{token}x"), 1_000), None);
        assert_eq!(tokens.verify("", 1_000), None);
    }

    #[test]
    fn only_eddsa_is_believed() {
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
        assert_eq!(tokens(OURS).verify(none, 0), None);
    }

    #[test]
    fn what_else_is_signed_is_not_taken_for_a_token() {
        let tokens = tokens(OURS);
        let (sid, sub) = (SessionId::from_bits(7), "23".into());
        let claims =
            Claims { sub, sid, began: 0, mfa: false, iat: 0, exp: i64::MAX, jti: Uuid::nil() };
        assert!(tokens.verify(&tokens.sign("JWT", &claims, 0).unwrap(), 0).is_some());
        assert_eq!(tokens.verify(&tokens.sign("receipt+jwt", &claims, 0).unwrap(), 0), None);
    }

    #[test]
    fn a_token_that_was_verified_is_not_believed_when_its_key_has_gone() {
        let tokens = tokens(OURS);
        let token = tokens.mint(&session(23), false, 1_000).unwrap();
        assert!(tokens.verify(&token, 1_000).is_some() && !tokens.is_of_unknown_key(&token));
        tokens.use_keys(Ring::of(&[THEIRS], 1_000));
        assert_eq!(tokens.verify(&token, 1_000), None);
        assert!(tokens.is_of_unknown_key(&token) && !tokens.is_of_unknown_key("garbage"));
        tokens.use_keys(Ring::of(&[OURS, THEIRS], 1_000));
        assert!(tokens.verify(&token, 1_000).is_some(), "it verifies while another signs");
        let newer = tokens.mint(&session(23), false, 1_000).unwrap();
        assert_ne!(kid_of(&newer), kid_of(&token));
    }

    #[test]
    fn public_keys_are_published() {
        let tokens = tokens(OURS);
        let jwks = tokens.jwks(0);
        assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
        let token = tokens.mint(&session(23), false, 0).unwrap();
        assert_eq!(jwks["keys"][0]["kid"], kid_of(&token).unwrap());
    }
}
