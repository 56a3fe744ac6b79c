//! Secrets that are shared with somebody outside (the payment provider, a game server), and what they
//! sign.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A text that never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From what was set.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever shares it and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The HMAC-SHA256 of a message, in hex.
    #[must_use]
    pub fn sign(&self, message: &[&[u8]]) -> String {
        let code = self.code(message).finalize().into_bytes();
        code.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn code(&self, message: &[&[u8]]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut code = Hmac::new_from_slice(self.0.as_bytes()).expect("any length will do");
        message.iter().for_each(|part| code.update(part));
        code
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether one of these secrets made one of these signatures. Takes as long for a wrong one as for
/// a right one, and says nothing of which secret it was.
#[must_use]
pub fn is_signed(secrets: &[Secret], signatures: &[&str], message: &[&[u8]]) -> bool {
    let signatures: Vec<_> = signatures.iter().filter_map(|text| from_hex(text)).collect();
    let mut signed = false;
    for secret in secrets {
        for signature in &signatures {
            signed |= secret.code(message).verify_slice(signature).is_ok();
        }
    }
    signed
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_others_compute() {
        // RFC 4231, test case 2.
        let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let secret = Secret::new("Jefe");
        assert_eq!(secret.sign(&[b"what do ya want ", b"for nothing?"]), code);
        assert!(is_signed(&[secret], &[&code.to_uppercase()], &[b"what do ya want for nothing?"]));
    }

    #[test]
    fn any_secret_and_any_signature_will_do_but_no_other() {
        let [old, new, other] = ["old", "new", "other"].map(Secret::new);
        let signed = |by: &Secret| by.sign(&[b"message"]);
        let known = [new.clone(), old.clone()];
        for by in [&old, &new] {
            assert!(is_signed(&known, &["no hex", &signed(&other), &signed(by)], &[b"message"]));
        }
        assert!(!is_signed(&known, &[&signed(&other)], &[b"message"]));
        assert!(!is_signed(&known, &[&signed(&old)], &[b"massage"]));
        for broken in ["", "00", &signed(&old)[1..], &format!("{}0", signed(&old))] {
            assert!(!is_signed(&known, &[broken], &[b"message"]), "{broken}");
        }
        assert!(!is_signed(&[], &[&signed(&old)], &[b"message"]));
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }
}
