//! Access tokens: signed, short-lived, verified without asking anybody.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use chrono::DateTime;
use domain::id::SessionId;
use jsonwebtoken::{Algorithm, Header, Validation};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::sessions::SessionKey;
use super::signing::KeyPair;

/// How long an access token lives, in seconds.
pub const LIFETIME_SECONDS: i64 = 15 * 60;
/// Verified tokens that are remembered: verifying costs about 0.1 ms.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49_999);
/// Longer texts are not even looked at.
const LONGEST_TOKEN: usize = 1_024;

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
    keys: HashMap<String, KeyPair>,
    signing_kid: String,
    verified: Mutex<LruCache<Box<str>, Session>>,
}

impl Tokens {
    /// With these keys; the first signs.
    #[must_use]
    pub fn new(keys: Vec<KeyPair>) -> Self {
        let signing_kid = keys.first().map(|key| key.kid.clone()).unwrap_or_default();
        let keys = keys.into_iter().map(|key| (key.kid.clone(), key)).collect();
        Self { keys, signing_kid, verified: Mutex::new(LruCache::new(REMEMBERED)) }
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
        let no_key = || anyhow::anyhow!("there is no key to sign with");
        let key = self.keys.get(&self.signing_kid).ok_or_else(no_key)?;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let claims = Claims {
            sub: session.player.to_string(),
            sid: session.id,
            began: session.began_at.timestamp_micros(),
            mfa: second_factor,
            iat: now,
            exp: now.saturating_add(LIFETIME_SECONDS),
            jti: Uuid::now_v7(),
        };
        Ok(jsonwebtoken::encode(&header, &claims, &key.private)?)
    }

    /// Something that is no access token, signed with the same key: its type says what it is.
    ///
    /// # Errors
    /// If there is no key.
    pub fn sign(&self, kind: &str, claims: &impl Serialize) -> anyhow::Result<String> {
        let no_key = || anyhow::anyhow!("there is no key to sign with");
        let key = self.keys.get(&self.signing_kid).ok_or_else(no_key)?;
        let typ = Some(kind.to_owned());
        let header = Header { kid: Some(key.kid.clone()), typ, ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, claims, &key.private)?)
    }

    /// What the token says, if it is one of ours and has not expired.
    #[must_use]
    pub fn verify(&self, token: &str, now: i64) -> Option<Session> {
        if let Some(known) = self.remembered(token) {
            return (now < known.expires_at).then_some(known);
        }
        let session = self.verify_signature(token)?;
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).put(token.into(), session);
        (now < session.expires_at).then_some(session)
    }

    fn remembered(&self, token: &str) -> Option<Session> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(token).copied()
    }

    fn verify_signature(&self, token: &str) -> Option<Session> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let kid = header.kid.filter(|_| header.typ.as_deref() == Some("JWT"))?;
        let key = self.keys.get(&kid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Whether it has expired is asked of the club's clock at every use.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.public, &validation).ok()?.claims;
        let (player, id) = (claims.sub.parse().ok()?, claims.sid);
        let began_at = DateTime::from_timestamp_micros(claims.began)?;
        let key = SessionKey { player, id, began_at };
        Some(Session { key, second_factor: claims.mfa, expires_at: claims.exp })
    }

    /// The public keys.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys.values().map(KeyPair::jwk).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use domain::id::PlayerId;

    use super::*;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
        -----END PRIVATE KEY-----\n";
    const OTHER_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";

    fn session(player: i64) -> SessionKey {
        let began_at = DateTime::from_timestamp(900, 5_000).unwrap();
        SessionKey { player: PlayerId(player), id: SessionId::from_bits(7), began_at }
    }

    fn tokens(pem: &str) -> Tokens {
        Tokens::new(vec![KeyPair::from_text(pem).unwrap()])
    }

    #[test]
    fn a_token_says_who_it_is_for_until_it_expires() {
        let tokens = tokens(PEM);
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
        let token = tokens(OTHER_PEM).mint(&session(1), false, 1_000).unwrap();
        assert_eq!(tokens(PEM).verify(&token, 1_000), None);
    }

    #[test]
    fn a_token_that_was_touched_is_not_believed() {
        let tokens = tokens(PEM);
        let token = tokens.mint(&session(23), false, 1_000).unwrap();
        let (head, tail) = token.split_at(token.find('.').unwrap() + 5);
        assert_eq!(tokens.verify(&format!("{head}A{}", &tail[1..]), 1_000), None);
        assert_eq!(tokens.verify(&format!("{token}x"), 1_000), None);
        assert_eq!(tokens.verify("", 1_000), None);
    }

    #[test]
    fn only_eddsa_is_believed() {
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
        assert_eq!(tokens(PEM).verify(none, 0), None);
    }

    #[test]
    fn what_else_is_signed_is_not_taken_for_a_token() {
        let tokens = tokens(PEM);
        let (sid, sub) = (SessionId::from_bits(7), "23".into());
        let claims =
            Claims { sub, sid, began: 0, mfa: false, iat: 0, exp: i64::MAX, jti: Uuid::nil() };
        assert!(tokens.verify(&tokens.sign("JWT", &claims).unwrap(), 0).is_some());
        assert_eq!(tokens.verify(&tokens.sign("receipt+jwt", &claims).unwrap(), 0), None);
    }

    #[test]
    fn public_keys_are_published() {
        let jwks = tokens(PEM).jwks();
        assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
        assert_eq!(jwks["keys"][0]["kid"], tokens(PEM).signing_kid);
    }
}
