//! What a program signs, and the secret with which it does.

use commands::secret::{Secret, is_signed};

use super::id::ServiceId;
use crate::config;

/// `CLUB_SERVICE_KEY`, of which all secrets are made.
#[derive(Debug, Clone)]
pub struct ServiceKey(Secret);

impl ServiceKey {
    /// As it was set.
    #[must_use]
    pub fn new(set: &config::Secret) -> Self {
        Self(Secret::new(set.reveal()))
    }

    /// The secret of a program, in one of its versions: 64 hex digits, which sign as the text that
    /// they are.
    #[must_use]
    pub fn secret_of(&self, id: &ServiceId, version: i32) -> Secret {
        // Neither part holds a line end, so no two of them make the same text.
        let name = format!("service\n{id}\n{version}");
        Secret::new(self.0.sign(&[name.as_bytes()]))
    }
}

/// A request, as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `X-Timestamp`, as it is sent.
    pub timestamp: &'a str,
    /// In capital letters.
    pub method: &'a str,
    /// As it is sent: with its final slash, if it has one, and without its query.
    pub path: &'a str,
    /// Byte for byte.
    pub body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// The signature, as `X-Signature` carries it.
    #[cfg(test)]
    pub fn sign(&self, secret: &Secret) -> String {
        secret.sign(&self.message())
    }

    /// Whether one of these secrets made this signature.
    #[must_use]
    pub fn is_signed(&self, secrets: &[Secret], signature: &str) -> bool {
        is_signed(secrets, &[signature], &self.message())
    }

    /// Lines, the body last: nothing before it can hold a line end, so nothing can be shifted from
    /// one part to the next.
    fn message(&self) -> [&'a [u8]; 7] {
        let [timestamp, method, path] =
            [self.timestamp, self.method, self.path].map(|text: &'a str| text.as_bytes());
        [timestamp, b"\n", method, b"\n", path, b"\n", self.body]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ServiceKey {
        ServiceKey::new(&text.to_owned().into())
    }

    fn id(text: &str) -> ServiceId {
        text.parse().unwrap()
    }

    const SIGNED: Signed<'_> = Signed {
        timestamp: "1700000000",
        method: "POST",
        path: "/api/actions",
        body: br#"{"action_id":"a-1","user_id":23,"action_type":"play_count"}"#,
    };

    /// `tests/it/service.rs` computes the same, by itself. So does a shell:
    /// `printf 'service\ndemo-game\n1' | openssl dgst -sha256 -hmac club-demo-service-key`, and
    /// `printf '1700000000\nPOST\n/api/actions\n{…}' | openssl dgst -sha256 -hmac $secret`.
    #[test]
    fn secret_and_signature_are_those_that_others_compute() {
        let secret = key("club-demo-service-key").secret_of(&id("demo-game"), 1);
        assert_eq!(
            secret.reveal(),
            "159971830b88f3df3a2e2512f48d55d59193cdb7712099535418474310923239"
        );
        assert_eq!(
            SIGNED.sign(&secret),
            "8628ace2234346c253354ff296ae44bfb1b2853e009e0a14e4abafa937fbb2b8"
        );
    }

    #[test]
    fn every_program_and_version_has_a_secret_of_its_own() {
        let secret = key("k").secret_of(&id("game-1"), 1);
        assert_eq!(secret, key("k").secret_of(&id("game-1"), 1));
        for other in [
            key("l").secret_of(&id("game-1"), 1),
            key("k").secret_of(&id("game-1"), 11),
            key("k").secret_of(&id("game-11"), 1),
            key("k").secret_of(&id("game-2"), 1),
        ] {
            assert_ne!(secret, other);
        }
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let secret = [Secret::new("s")];
        let signature = SIGNED.sign(&secret[0]);
        assert!(SIGNED.is_signed(&secret, &signature));
        for other in [
            Signed { timestamp: "1700000001", ..SIGNED },
            Signed { method: "PUT", ..SIGNED },
            Signed { path: "/api/actions/", ..SIGNED },
            Signed { body: b"{}", ..SIGNED },
        ] {
            assert!(!other.is_signed(&secret, &signature), "{other:?}");
        }
        assert!(!SIGNED.is_signed(&[Secret::new("t")], &signature));
        assert!(!SIGNED.is_signed(&secret, ""));
    }
}
