//! What a program is called.

use std::fmt;
use std::str::FromStr;

/// The longest name.
const LONGEST: usize = 40;

/// The name of a program outside: small letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceId(String);

/// That a text names no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a service's name is 1 to 40 small letters, digits and -, such as game-eu")]
pub struct NoServiceId;

impl ServiceId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceId {
    type Err = NoServiceId;
    fn from_str(text: &str) -> Result<Self, NoServiceId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_name = (1..=LONGEST).contains(&text.len()) && text.bytes().all(allowed);
        is_name.then(|| Self(text.to_owned())).ok_or(NoServiceId)
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["a", "game-eu-1", "7", &"x".repeat(40)] {
            assert_eq!(good.parse::<ServiceId>().unwrap().as_str(), good);
        }
        for bad in ["", "Game", "game_eu", "game eu", "게임", "a\n1", &"x".repeat(41)] {
            assert_eq!(bad.parse::<ServiceId>(), Err(NoServiceId), "{bad}");
        }
    }
}
