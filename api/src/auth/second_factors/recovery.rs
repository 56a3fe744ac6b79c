//! Recovery codes: each lets in once, without the phone.

use std::fmt;

use sha2::{Digest, Sha256};

/// Letters and digits that nobody mistakes for another: 32 of them, 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
const LENGTH: usize = 16;
const GROUP: usize = 4;

/// 80 random bits, as people write them down: `abcd-efgh-jkmn-pqrs`.
pub struct RecoveryCode([u8; LENGTH]);

impl RecoveryCode {
    /// A new one.
    pub fn draw() -> Self {
        let letter = |byte: u8| ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
        Self(rand::random::<[u8; LENGTH]>().map(letter))
    }

    /// From what somebody has typed, if it can be one: in any case, with or without hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let is_written = |c: &char| !c.is_whitespace() && *c != '-';
        let plain: String = text.to_lowercase().chars().filter(is_written).collect();
        Some(Self(plain.as_bytes().try_into().ok()?))
    }

    /// As it is stored. Slow hashing would gain nothing: there are too many codes to try.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

impl fmt::Display for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, letter) in self.0.iter().enumerate() {
            if number > 0 && number % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_again_however_it_is_typed() {
        let code = RecoveryCode::draw();
        let shown = code.to_string();
        assert_eq!(shown.len(), 19, "{shown}");
        for typed in [shown.to_uppercase(), shown.replace('-', ""), shown.replace('-', " ")] {
            assert_eq!(RecoveryCode::parse(&typed).unwrap().hash(), code.hash());
        }
        assert_ne!(RecoveryCode::draw().hash(), code.hash());
        for other in ["", "123456", "abcd-efgh-jkmn-pqr", "abcd-efgh-jkmn-pqrst"] {
            assert!(RecoveryCode::parse(other).is_none(), "{other}");
        }
    }
}
