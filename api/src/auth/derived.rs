//! Secrets that are made of a setting and something random that a table keeps: whoever has only the
//! table has nothing, and no secret is stored anywhere.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::Secret;

/// 32 bytes for a purpose: another nonce, purpose or key makes others, and none tells of any other.
///
/// # Errors
/// Never: HMAC takes keys of any length.
pub fn derive(key: &Secret, purpose: &str, nonce: &[u8]) -> anyhow::Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())?;
    mac.update(purpose.as_bytes());
    // No purpose holds it, so no two pairs of purpose and nonce make the same text.
    mac.update(b"\n");
    mac.update(nonce);
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_the_hmac_that_others_compute() {
        // printf 'totp\nnonce' | openssl dgst -sha256 -hmac key
        let expected = "471d0964e0b45371e80e5ed5d9f8a99b4c23ea9d2d7a51026d134a907d3100f0";
        let hex = |key: &str, purpose, nonce: &str| -> String {
            let made = derive(&Secret::from(key.to_owned()), purpose, nonce.as_bytes()).unwrap();
            made.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(hex("key", "totp", "nonce"), expected);
        for other in
            [hex("kez", "totp", "nonce"), hex("key", "totq", "nonce"), hex("key", "totp", "noncf")]
        {
            assert_ne!(other, expected);
        }
    }
}
