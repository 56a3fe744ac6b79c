//! The keys that sign access tokens: Ed25519. One that is given, or one that the database keeps, so
//! that all nodes share it.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::config::Secret;

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A key pair by its id.
#[derive(Clone)]
pub struct KeyPair {
    /// The id that tokens name in their header: made of the public key.
    pub kid: String,
    /// Signs.
    pub private: EncodingKey,
    /// Verifies.
    pub public: DecodingKey,
    public_bytes: [u8; 32],
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.kid)
    }
}

impl KeyPair {
    /// From a private key: PKCS#8 in PEM form, or its 32 bytes as hex digits.
    ///
    /// # Errors
    /// If it is none, or of another kind.
    pub fn from_text(text: &str) -> anyhow::Result<Self> {
        let der = match from_hex(text.trim()) {
            Some(secret) => pkcs8(&secret),
            None => from_pem(text)?,
        };
        let Ok(key) = SigningKey::from_pkcs8_der(&der) else {
            bail!("the key is not an Ed25519 private key in PKCS#8 form");
        };
        let public_bytes = key.verifying_key().to_bytes();
        let id = Sha256::digest(public_bytes);
        let id = id.get(..9).unwrap_or_default();
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(id),
            private: EncodingKey::from_ed_der(&der),
            public: DecodingKey::from_ed_der(&public_bytes),
            public_bytes,
        })
    }

    /// The public key, as `/.well-known/jwks.json` shows it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(self.public_bytes),
        })
    }
}

/// A new private key in PEM form.
fn generate_pem() -> String {
    let der = STANDARD.encode(pkcs8(&rand::random()));
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

fn pkcs8(secret: &[u8; 32]) -> Vec<u8> {
    [&PKCS8_PREFIX[..], secret].concat()
}

fn from_pem(pem: &str) -> anyhow::Result<Vec<u8>> {
    // Variables of the environment often carry line ends as the two characters \n.
    let pem = pem.replace("\\n", "\n");
    let lines = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).context("the key is neither PEM nor 64 hex digits")
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut secret = [0; 32];
    for (byte, digits) in secret.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(secret)
}

/// The keys of this club, the one that signs first: the given one, or else the newest that the
/// database keeps, made now if there is none.
///
/// # Errors
/// If the given key cannot be used or the database does not answer.
pub async fn load(
    pool: &PgPool,
    given: Option<&Secret>,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<KeyPair>> {
    if let Some(given) = given {
        return Ok(vec![KeyPair::from_text(given.reveal()).context("CLUB_SIGNING_KEY")?]);
    }
    let mut transaction = pool.begin().await?;
    // Of two nodes that start at once, one makes the key and the other finds it.
    sqlx::query("lock table identity.signing_keys in share row exclusive mode")
        .execute(&mut *transaction)
        .await?;
    let select = "select private_pem from identity.signing_keys order by created_at desc, kid";
    let mut stored: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut *transaction).await?;
    if stored.is_empty() {
        let pem = generate_pem();
        let insert = "insert into identity.signing_keys (kid, private_pem, created_at)
                      values ($1, $2, $3)";
        let kid = KeyPair::from_text(&pem)?.kid;
        sqlx::query(insert).bind(kid).bind(&pem).bind(now).execute(&mut *transaction).await?;
        stored.push(pem);
    }
    transaction.commit().await?;
    stored.iter().map(|pem| KeyPair::from_text(pem)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_id_and_shows_only_its_public_half() {
        let pem = generate_pem();
        let key = KeyPair::from_text(&pem).unwrap();
        let escaped = KeyPair::from_text(&pem.replace('\n', "\\n")).unwrap();
        assert_eq!(key.kid, escaped.kid);
        assert_eq!(key.jwk()["kid"], key.kid);
        assert!(key.jwk().get("d").is_none());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let hex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        assert!(KeyPair::from_text(hex).is_ok());
        for bad in [
            "",
            &hex[1..],
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "hello!",
        ] {
            assert!(KeyPair::from_text(bad).is_err());
        }
    }
}
