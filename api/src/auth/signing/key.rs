//! One key: its public half, when it counts, and, if it is made of our setting, its private half.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::auth::derived::derive;
use crate::config::Secret;

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// See the module.
#[derive(Clone)]
pub struct Key {
    /// The id that tokens name in their header: made of the public key.
    pub kid: Arc<str>,
    /// Verifies.
    pub public: DecodingKey,
    /// The same, as it is stored and shown.
    pub public_bytes: [u8; 32],
    /// Signs; `None` if the key was made of another setting than ours.
    pub private: Option<EncodingKey>,
    /// Since when verifiers can know it.
    pub published_at: DateTime<Utc>,
    /// It signs until another one does.
    pub signs_from: DateTime<Utc>,
    /// From then on nothing that it has signed is believed.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.kid)
    }
}

impl Key {
    /// A key that is made of the setting and a nonce.
    ///
    /// # Errors
    /// Never in practice.
    pub fn make(
        setting: &Secret,
        nonce: &[u8],
        published_at: DateTime<Utc>,
        signs_from: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let seed = derive(setting, "signing", nonce)?;
        let public_bytes = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        // Hexadecimal: one that began with a dash would be taken for an option by `club keys retire`.
        let id = Sha256::digest(public_bytes);
        let id: String = id.iter().take(9).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            kid: id.into(),
            public: DecodingKey::from_ed_der(&public_bytes),
            public_bytes,
            private: Some(EncodingKey::from_ed_der(&[&PKCS8_PREFIX[..], &seed].concat())),
            published_at,
            signs_from,
            revoked_at: None,
        })
    }

    /// The same under the id that it is stored with, as long as this is its public half; else it was made of
    /// another setting, and only verifies.
    #[must_use]
    pub fn known_as(self, kid: &str, public_bytes: [u8; 32]) -> Self {
        let kid = kid.into();
        if self.public_bytes == public_bytes {
            return Self { kid, ..self };
        }
        let public = DecodingKey::from_ed_der(&public_bytes);
        Self { kid, public, public_bytes, private: None, ..self }
    }

    /// The public key, as `/.well-known/jwks.json` shows it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": &*self.kid, "x": URL_SAFE_NO_PAD.encode(self.public_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(setting: &str, nonce: &[u8]) -> Key {
        let at = DateTime::UNIX_EPOCH;
        Key::make(&Secret::from(setting.to_owned()), nonce, at, at).unwrap()
    }

    #[test]
    fn a_key_has_one_id_and_shows_only_its_public_half() {
        let made = key("setting", b"nonce");
        assert_eq!(made.kid, key("setting", b"nonce").kid);
        assert_eq!(made.jwk()["kid"], *made.kid);
        assert!(made.jwk().get("d").is_none());
        assert_eq!(format!("{made:?}"), format!("Key({})", made.kid));
        for other in [key("settinh", b"nonce"), key("setting", b"noncf")] {
            assert_ne!(other.kid, made.kid);
        }
    }

    #[test]
    fn an_id_can_be_given_to_a_command_as_it_is_and_one_that_is_stored_stays() {
        for nonce in 0..200_u8 {
            let made = key("setting", &[nonce]);
            assert!(made.kid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", made.kid);
        }
        let made = key("setting", b"nonce");
        let public_bytes = made.public_bytes;
        let stored = made.known_as("-2v0hIRZ5Wzh", public_bytes);
        assert_eq!(
            &*stored.kid, "-2v0hIRZ5Wzh",
            "ids of earlier versions are named in tokens and receipts"
        );
        assert!(stored.private.is_some());
    }

    #[test]
    fn a_key_of_another_setting_verifies_and_does_not_sign() {
        let (ours, theirs) = (key("ours", b"nonce"), key("theirs", b"nonce"));
        assert!(ours.clone().known_as(&ours.kid, ours.public_bytes).private.is_some());
        let stored = ours.known_as(&theirs.kid, theirs.public_bytes);
        assert!(stored.private.is_none());
        assert_eq!((stored.kid, stored.public_bytes), (theirs.kid, theirs.public_bytes));
    }
}
