//! Typed ids. Past the edge of the system no raw number or string stands for one of these.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema::stored_as_text;

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
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// One enrolment of a second factor. Given by the identity table.
    EnrolmentId,
    "enrolment id"
);
integer_id!(
    /// One product of the catalogue.
    ProductId,
    "product id"
);
integer_id!(
    /// One event that players join. Numbered from 1 as they are defined.
    LiveEventId,
    "event id"
);
integer_id!(
    /// One mission. Numbered from 1 as they are defined.
    MissionId,
    "mission id"
);

integer_id!(
    /// One mail campaign. Numbered from 1 as they are drawn up.
    CampaignId,
    "campaign id"
);

integer_id!(
    /// One announcement of the club. Numbered from 1 as they are published.
    AnnouncementId,
    "announcement id"
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

        stored_as_text!($name, concat!("^[0-9a-f]{", $digits, "}$"));

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

hex_code!(
    /// A request for what takes two members of the staff: 12 hex digits.
    ApprovalId(u64),
    12,
    "approval id"
);

hex_code!(
    /// Work on very many accounts that the staff asks for once: 12 hex digits.
    JobId(u64),
    12,
    "job id"
);

hex_code!(
    /// A card as the club knows it again: a keyed fingerprint of its token, of which nothing can be
    /// told but whether two are the same: 15 hex digits.
    CardPrint(u64),
    15,
    "card fingerprint"
);

/// The longest code of a package, promotion or invite, and the longest name of a counter.
pub const LONGEST_CODE: usize = 40;

hex_code!(
    /// One sign-in and the tokens that follow from it.
    SessionId(u128),
    30,
    "session id"
);

macro_rules! text_code {
    (
        $(#[$doc:meta])*
        $name:ident, $letter:ident, $others:literal, $is_number:literal, $what:literal, $pattern:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            length: u8,
            bytes: [u8; LONGEST_CODE],
        }

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
                // Only ASCII gets in.
                std::str::from_utf8(text).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let allowed = |b: u8| b.$letter() || b.is_ascii_digit() || $others.contains(&b);
                // A letter or more, where a code must never be taken for a number.
                let is_enough = |b: u8| b.$letter() || $is_number;
                let is_code = text.bytes().all(allowed) && text.bytes().any(is_enough);
                let mut bytes = [0; LONGEST_CODE];
                match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
                    (Some(room), Ok(length)) if is_code => {
                        room.copy_from_slice(text.as_bytes());
                        Ok(Self { length, bytes })
                    }
                    _ => Err(InvalidId { what: $what }),
                }
            }
        }

        stored_as_text!($name, $pattern);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
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

text_code!(
    /// A limited package: up to 40 of `A-Z 0-9 _ -`, a letter among them.
    PackageCode,
    is_ascii_uppercase,
    b"_-",
    false,
    "package code",
    "^[A-Z0-9_-]{1,40}$"
);
text_code!(
    /// A promotion: up to 40 of `A-Z 0-9 _ -`, a letter among them.
    PromoCode,
    is_ascii_uppercase,
    b"_-",
    false,
    "promo code",
    "^[A-Z0-9_-]{1,40}$"
);
text_code!(
    /// An invite: up to 40 of `A-Z 0-9 _ -`. Digits alone will do.
    InviteCode,
    is_ascii_uppercase,
    b"_-",
    true,
    "invite code",
    "^[A-Z0-9_-]{1,40}$"
);
text_code!(
    /// Something that players do and that is counted, such as `play_count`: up to 40 of `a-z 0-9 _`,
    /// a letter among them.
    Counter,
    is_ascii_lowercase,
    b"_",
    false,
    "counter",
    "^[a-z0-9_]{1,40}$"
);

text_code!(
    /// What somebody is in the club, such as `operator`: up to 40 of `a-z 0-9 _`, a letter among them.
    RoleCode,
    is_ascii_lowercase,
    b"_",
    false,
    "role",
    "^[a-z0-9_]{1,40}$"
);

/// One thing in a player's inventory: the receipt it was bought under, and which one of that
/// purchase. Its text is `00c0ffee0001-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId {
    /// The purchase.
    pub receipt_code: ReceiptCode,
    /// From 1.
    pub number: u8,
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.receipt_code, self.number)
    }
}

impl FromStr for ItemId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { what: "item id" };
        let (receipt, number) = text.split_once('-').ok_or_else(invalid)?;
        let is_number = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|_| is_number).ok_or_else(invalid)?;
        let receipt_code = receipt.parse().map_err(|_| invalid())?;
        Ok(Self { receipt_code, number })
    }
}

stored_as_text!(ItemId, "^[0-9a-f]{12}-[1-9][0-9]{0,2}$");

impl Serialize for ItemId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ItemId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_codes_are_capitals_digits_and_dashes_with_a_letter() {
        let code: PackageCode = "WEEKEND_STARTER".parse().unwrap();
        assert_eq!(code.to_string(), "WEEKEND_STARTER");
        for text in ["", "weekend", "2001", "A B", "\u{ac00}", &"A".repeat(41)] {
            assert!(text.parse::<PromoCode>().is_err(), "{text}");
        }
        assert!("A".repeat(40).parse::<PromoCode>().is_ok());
    }

    #[test]
    fn an_invite_may_be_a_number() {
        for text in ["5858", "K7P2-HALL", "A"] {
            assert_eq!(text.parse::<InviteCode>().unwrap().to_string(), text);
        }
        for text in ["", "a", "58 58", "5858\0", &"5".repeat(41)] {
            assert!(text.parse::<InviteCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn counters_are_small_letters_digits_and_underscores() {
        assert_eq!("play_count".parse::<Counter>().unwrap().to_string(), "play_count");
        for text in ["", "Play", "42", "play count", "play-count"] {
            assert!(text.parse::<Counter>().is_err(), "{text}");
        }
    }

    #[test]
    fn items_are_named_after_their_receipt() {
        let item = ItemId { receipt_code: ReceiptCode::from_bits(1), number: 12 };
        assert_eq!(item.to_string(), "000000000001-12");
        assert_eq!("000000000001-12".parse(), Ok(item));
        for text in [
            "",
            "000000000001",
            "000000000001-",
            "000000000001-01",
            "000000000001-+1",
            "000000000001-256",
        ] {
            assert!(text.parse::<ItemId>().is_err(), "{text}");
        }
    }

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
