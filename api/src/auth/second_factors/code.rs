//! The codes of a secret (RFC 6238, as all phones have it: SHA-1, six digits, half a minute).

use chrono::{DateTime, Utc};
use totp_rs::{Algorithm, TOTP};

const DIGITS: usize = 6;
/// How long a code counts, in seconds.
const STEP: i64 = 30;
/// A phone's clock may be wrong by so many steps, to either side.
const SKEW: i64 = 1;
/// What phones show above the code.
const ISSUER: &str = "Casino Club";
/// 160 bits, as RFC 4226 recommends and phones expect.
const SECRET_BYTES: usize = 20;

/// See the module.
pub struct Codes(TOTP);

impl Codes {
    /// Of a secret, for somebody of a name.
    ///
    /// # Errors
    /// Never: the secret is long enough, and no name has a colon left.
    pub fn new(secret: &[u8; 32], name: &str) -> anyhow::Result<Self> {
        let secret = secret.iter().copied().take(SECRET_BYTES).collect();
        // A colon would end the name in the address.
        let name = name.replace(':', " ");
        let seconds = STEP.unsigned_abs();
        let issuer = Some(ISSUER.to_owned());
        // The steps around now are looked at here, one by one, to know which of them a code is of.
        Ok(Self(TOTP::new(Algorithm::SHA1, DIGITS, 0, seconds, secret, issuer, name)?))
    }

    /// The secret in base 32.
    pub fn secret(&self) -> String {
        self.0.get_secret_base32()
    }

    /// The address that a QR code shows to a phone.
    pub fn uri(&self) -> String {
        self.0.get_url()
    }

    /// Which step around a moment a code is of; `None` if it is wrong.
    pub fn step_of(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let present = now.timestamp().div_euclid(STEP);
        // The latest first: a step that was used takes those before it with it.
        let mut steps = (present - SKEW..=present + SKEW).rev();
        steps.find(|step| u64::try_from(step * STEP).is_ok_and(|at| self.0.check(&code, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the RFC, and bytes that are left out.
    fn codes() -> Codes {
        let mut secret = [0; 32];
        secret[..20].copy_from_slice(b"12345678901234567890");
        Codes::new(&secret, "a:name 23").unwrap()
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B; of its eight digits, the last six.
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (second, code) in vectors {
            assert_eq!(codes().step_of(code, at(second)), Some(second / 30), "{second}");
        }
    }

    #[test]
    fn a_clock_may_be_wrong_by_one_step_and_no_more() {
        // Of step 1: from second 30 to 59.
        let step = |second| codes().step_of("287082", at(second));
        assert_eq!([0, 29, 30, 59, 60, 89].map(step), [Some(1); 6]);
        assert_eq!([-1, 90].map(step), [None; 2]);
        assert_eq!(codes().step_of("287 082", at(59)), Some(1), "as phones show it");
        for wrong in ["287083", "28708", "2870821", "", "94287082", "２８７０８２"] {
            assert_eq!(codes().step_of(wrong, at(59)), None, "{wrong}");
        }
    }

    #[test]
    fn phones_read_the_address() {
        let uri = codes().uri();
        assert!(uri.starts_with("otpauth://totp/Casino%20Club:a%20name%2023?"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert!(uri.contains("issuer=Casino%20Club"), "{uri}");
    }
}
