//! Who asks, in which request, and under which idempotency key.

use std::fmt;
use std::sync::Arc;

use domain::event::{Actor, Metadata};
use domain::id::{CardPrint, PlayerId};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;

/// Who asks for a command, and how the request is known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// The request's id.
    pub request: Option<String>,
    /// The trace it belongs to.
    pub trace: Option<String>,
    /// What caused it, for reactions: `<reaction>/<position>`.
    pub cause: Option<String>,
    /// The key under which it may be repeated.
    pub key: Option<IdempotencyKey>,
    /// Decide, tell what would be written, and write nothing.
    pub is_dry_run: bool,
}

impl Caller {
    /// The club itself.
    #[must_use]
    pub fn system(name: &'static str) -> Self {
        Self {
            actor: Actor::System(name),
            request: None,
            trace: None,
            cause: None,
            key: None,
            is_dry_run: false,
        }
    }

    /// The same caller, without its key: for what follows from a keyed command.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// What is stored about an event that this caller caused.
    #[must_use]
    pub fn metadata(&self, player: Option<PlayerId>) -> Metadata {
        Metadata {
            actor: self.actor.clone(),
            player,
            request: self.request.clone(),
            cause: self.cause.clone(),
            trace: self.trace.clone(),
        }
    }
}

/// A client's name for one request, so that it can be repeated without being done twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Why a text cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// The longest key.
    pub const MAX_LENGTH: usize = 255;

    /// Accepts 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        if visible && fits { Ok(Self(text.into())) } else { Err(InvalidKey) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes fingerprints of requests: keyed, so that a stored one cannot be guessed back. Must stay
/// the same for the life of the log, on every node.
#[derive(Clone)]
pub struct FingerprintKey(Hmac<Sha256>);

impl FingerprintKey {
    /// From a secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Self(Hmac::new_from_slice(secret).expect("any length will do"))
    }

    /// The fingerprint of a card, by which it is known again.
    #[must_use]
    pub fn card(&self, token: &str) -> CardPrint {
        let Fingerprint(bytes) = self.fingerprint("card", &token);
        CardPrint::from_bits(
            bytes.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte)),
        )
    }

    /// The fingerprint of a request: what is asked, without secrets such as card tokens.
    #[must_use]
    pub fn fingerprint(&self, command: &'static str, request: &impl Serialize) -> Fingerprint {
        let mut mac = self.0.clone();
        mac.update(command.as_bytes());
        mac.update(&[0]);
        mac.update(&serde_json::to_vec(request).unwrap_or_default());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Fingerprint(bytes)
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

/// What tells a repeat from another request under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);
