//! Typed ids. Past the edge of the system no raw number or string stands for one of these.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}")]
pub struct InvalidId {
    /// What was expected, for the message.
    pub what: &'static str,
}

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.parse() {
                    Ok(id) if id > 0 => Ok(Self(id)),
                    _ => Err(InvalidId { what: $what }),
                }
            }
        }
    };
}

integer_id!(
    /// One person's account, players and staff alike. Given by the identity table.
    PlayerId,
    "user id"
);
integer_id!(
    /// One product of the catalogue.
    ProductId,
    "product id"
);

macro_rules! hex_code {
    ($(#[$doc:meta])* $name:ident($repr:ty), $digits:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($repr);

        impl $name {
            /// How many bits the code has.
            pub const BITS: u32 = $digits * 4;

            /// Keeps the lowest [`Self::BITS`] bits.
            #[must_use]
            pub fn from_bits(bits: $repr) -> Self {
                Self(bits & ((1 << Self::BITS) - 1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if text.len() != $digits || !text.bytes().all(lower_hex) {
                    return Err(InvalidId { what: $what });
                }
                <$repr>::from_str_radix(text, 16).map(Self).map_err(|_| InvalidId { what: $what })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_code!(
    /// What a player holds as proof of a purchase or grant: 12 hex digits, and the purchase's id.
    ReceiptCode(u64),
    12,
    "receipt code"
);
hex_code!(
    /// Our name for a payment at the provider, and its idempotency key there: 18 hex digits.
    ChargeId(u128),
    18,
    "charge id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_width_and_read_back() {
        let code = ReceiptCode::from_bits(0xab);
        assert_eq!(code.to_string(), "0000000000ab");
        assert_eq!("0000000000ab".parse(), Ok(code));
        assert!("AB".parse::<ReceiptCode>().is_err());
        assert!("+000000000ab".parse::<ReceiptCode>().is_err());
        assert_eq!(ChargeId::from_bits(u128::MAX).to_string(), "f".repeat(18));
    }

    #[test]
    fn ids_are_positive() {
        assert_eq!("23".parse(), Ok(PlayerId(23)));
        for text in ["0", "-1", "", "1.0", "99999999999999999999"] {
            assert!(text.parse::<PlayerId>().is_err(), "{text}");
        }
    }
}
