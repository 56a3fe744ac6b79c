//! From JSON values to values of the domain. No floats, no numbers in texts, nothing out of range.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use commands::IdempotencyKey;
use domain::id::{InviteCode, LONGEST_CODE, PackageCode, PlayerId, ProductId, PromoCode, RoleCode};
use domain::limit::{Period, UseLimit};
use domain::money::{Cents, Currency, Gold, MAX_GOLD, Percent, Quantity};
use domain::offer::Rank;
use domain::role::Permission;
use serde_json::Value;

/// Why a value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The kind of error, for programs.
    pub kind: &'static str,
    /// What is expected, for people.
    pub msg: Cow<'static, str>,
}

impl Wrong {
    /// Of this kind, with this message.
    pub fn new(kind: &'static str, msg: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, msg: msg.into() }
    }
}

/// A whole number within these bounds.
///
/// # Errors
/// Anything else.
pub fn integer(value: &Value, least: u64, most: u64) -> Result<u64, Wrong> {
    let Value::Number(number) = value else {
        return Err(Wrong::new("int_type", "expected a whole number"));
    };
    let below = || Wrong::new("greater_than_equal", format!("expected {least} or more"));
    let above = || Wrong::new("less_than_equal", format!("expected {most} or less"));
    match number.as_u64() {
        Some(number) if number < least => Err(below()),
        Some(number) if number > most => Err(above()),
        Some(number) => Ok(number),
        None if number.is_i64() => Err(below()),
        // A fraction, an exponent, or more digits than any number here has.
        None => Err(Wrong::new("int_type", "expected a whole number")),
    }
}

/// A text of this many characters, without spaces around it.
fn text(value: &Value, least: usize, most: usize) -> Result<&str, Wrong> {
    let Value::String(text) = value else {
        return Err(Wrong::new("string_type", "expected a text"));
    };
    let length = text.chars().count();
    if length < least {
        return Err(Wrong::new(
            "string_too_short",
            format!("expected at least {least} characters"),
        ));
    }
    if length > most {
        return Err(Wrong::new("string_too_long", format!("expected at most {most} characters")));
    }
    Ok(text)
}

/// A text that people read: 1 or more characters, none of which is a control character.
pub fn line(least: usize, most: usize) -> impl Fn(&Value) -> Result<String, Wrong> {
    move |value| {
        let text = text(value, 0, most)?;
        if text.chars().any(char::is_control) {
            let msg = "expected a text without control characters";
            return Err(Wrong::new("string_pattern_mismatch", msg));
        }
        let trimmed = text.trim();
        if trimmed.chars().count() < least {
            let msg = format!("expected at least {least} characters");
            return Err(Wrong::new("string_too_short", msg));
        }
        Ok(trimmed.to_owned())
    }
}

/// A text of several lines: no control characters but their ends, which are told as `\n`.
pub fn lines(least: usize, most: usize) -> impl Fn(&Value) -> Result<String, Wrong> {
    move |value| {
        let text = text(value, least, most)?.replace("\r\n", "\n");
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            let msg = "expected a text without control characters";
            return Err(Wrong::new("string_pattern_mismatch", msg));
        }
        Ok(text.trim().to_owned())
    }
}

/// A text of several lines that people read: no control characters but those that end lines.
pub fn paragraphs(least: usize, most: usize) -> impl Fn(&Value) -> Result<String, Wrong> {
    move |value| {
        let text = text(value, 0, most)?;
        let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.contains(is_odd) {
            let msg = "expected a text without control characters";
            return Err(Wrong::new("string_pattern_mismatch", msg));
        }
        let trimmed = text.trim();
        if trimmed.chars().count() < least {
            let msg = format!("expected at least {least} characters");
            return Err(Wrong::new("string_too_short", msg));
        }
        Ok(trimmed.to_owned())
    }
}

/// A secret: any characters, kept exactly as they are.
pub fn secret(least: usize, most: usize) -> impl Fn(&Value) -> Result<String, Wrong> {
    move |value| text(value, least, most).map(str::to_owned)
}

/// A positive number.
///
/// # Errors
/// Anything else.
pub fn positive(value: &Value) -> Result<i64, Wrong> {
    let most = i64::MAX.unsigned_abs();
    let number = integer(value, 1, most)?;
    i64::try_from(number).map_err(|_| Wrong::new("int_type", "expected a whole number"))
}

/// A user's id.
///
/// # Errors
/// Anything else.
pub fn user_id(value: &Value) -> Result<PlayerId, Wrong> {
    positive(value).map(PlayerId)
}

/// How a client names a product: by number, by the number's text, or by its catalogue name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductName {
    /// By number.
    Id(ProductId),
    /// By catalogue name.
    Sku(String),
}

/// A product's name.
///
/// # Errors
/// Anything else.
pub fn product_name(value: &Value) -> Result<ProductName, Wrong> {
    if value.is_number() {
        return positive(value).map(|id| ProductName::Id(ProductId(id)));
    }
    let text = text(value, 1, 64)?;
    Ok(match text.parse() {
        Ok(id) => ProductName::Id(id),
        Err(_) => ProductName::Sku(text.to_owned()),
    })
}

/// A package's code; small letters are taken for capitals.
///
/// # Errors
/// Anything else.
pub fn package_code(value: &Value) -> Result<PackageCode, Wrong> {
    code(value)
}

/// A promotion's code; small letters are taken for capitals.
///
/// # Errors
/// Anything else.
pub fn promo_code(value: &Value) -> Result<PromoCode, Wrong> {
    code(value)
}

/// The shortest code of an invite that somebody may choose: shorter ones are tried out too soon.
const SHORTEST_INVITE: usize = 4;

/// An invite's code; small letters are taken for capitals.
///
/// # Errors
/// Anything else.
pub fn invite_code(value: &Value) -> Result<InviteCode, Wrong> {
    let text = text(value, SHORTEST_INVITE, LONGEST_CODE)?.to_ascii_uppercase();
    let msg = "expected letters, digits, - and _";
    text.parse().map_err(|_| Wrong::new("string_pattern_mismatch", msg))
}

fn code<T: std::str::FromStr>(value: &Value) -> Result<T, Wrong> {
    let text = text(value, 1, LONGEST_CODE)?.to_ascii_uppercase();
    let msg = "expected letters, digits, - and _, a letter among them";
    text.parse().map_err(|_| Wrong::new("string_pattern_mismatch", msg))
}

/// A whole number from 1 on.
pub fn count(most: u32) -> impl Fn(&Value) -> Result<u32, Wrong> {
    move |value| {
        let number = integer(value, 1, most.into())?;
        u32::try_from(number).map_err(|_| Wrong::new("int_type", "expected a whole number"))
    }
}

/// How many of a product.
///
/// # Errors
/// Anything but 1 to 99.
pub fn quantity(value: &Value) -> Result<Quantity, Wrong> {
    let number = integer(value, 1, 99)?;
    let quantity = u8::try_from(number).ok().and_then(Quantity::new);
    quantity.ok_or_else(|| Wrong::new("less_than_equal", "expected 99 or less"))
}

/// An amount of gold that can be moved.
///
/// # Errors
/// Zero, or more than any balance may be.
pub fn gold(value: &Value) -> Result<Gold, Wrong> {
    let gold = Gold::new(integer(value, 1, MAX_GOLD)?);
    gold.ok_or_else(|| Wrong::new("less_than_equal", format!("expected {MAX_GOLD} or less")))
}

/// Vip points that can be given.
///
/// # Errors
/// As with gold.
pub fn points(value: &Value) -> Result<u64, Wrong> {
    integer(value, 1, MAX_GOLD)
}

/// A price.
///
/// # Errors
/// Less than a cent, or more than a million of a currency's unit.
pub fn price(value: &Value) -> Result<Cents, Wrong> {
    integer(value, 1, 100_000_000).map(Cents)
}

/// A share of a hundred.
///
/// # Errors
/// Anything but 0 to 100.
pub fn percent(value: &Value) -> Result<Percent, Wrong> {
    let number = integer(value, 0, 100)?;
    let percent = u8::try_from(number).ok().and_then(Percent::new);
    percent.ok_or_else(|| Wrong::new("less_than_equal", "expected 100 or less"))
}

/// A currency's code.
///
/// # Errors
/// Anything but three capital letters.
pub fn currency(value: &Value) -> Result<Currency, Wrong> {
    let wrong = || Wrong::new("string_pattern_mismatch", "expected a code such as USD");
    Currency::new(text(value, 3, 3)?).ok_or_else(wrong)
}

/// A moment, as RFC 3339 writes it.
///
/// # Errors
/// Anything else.
pub fn moment(value: &Value) -> Result<DateTime<Utc>, Wrong> {
    let wrong = |_| Wrong::new("datetime_type", "expected a time such as 2027-12-31T15:00:00Z");
    let moment = DateTime::parse_from_rfc3339(text(value, 1, 40)?).map_err(wrong)?;
    Ok(domain::stored::truncated(moment.with_timezone(&Utc)))
}

/// A permission.
///
/// # Errors
/// Anything but the names of permissions.
pub fn permission(value: &Value) -> Result<Permission, Wrong> {
    let found = Permission::ALL.iter().copied().find(|one| Some(one.name()) == value.as_str());
    found.ok_or_else(|| Wrong::new("value_error", "no permission: see /api/admin/roles"))
}

/// A role's code.
///
/// # Errors
/// Anything else.
pub fn role(value: &Value) -> Result<RoleCode, Wrong> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Wrong::new("value_error", "a role is up to 40 of a-z 0-9 _"))
}

/// A rank.
///
/// # Errors
/// Anything but the names of ranks.
pub fn rank(value: &Value) -> Result<Rank, Wrong> {
    match value.as_str() {
        Some("STANDARD") => Ok(Rank::Standard),
        Some("VIP") => Ok(Rank::Vip),
        _ => Err(Wrong::new("enum", "expected 'STANDARD' or 'VIP'")),
    }
}

/// How somebody pays: a word in capital letters, since it stands in the log for ever.
///
/// # Errors
/// Anything but the words that the club knows.
pub fn payment_method(value: &Value) -> Result<String, Wrong> {
    const KNOWN: [&str; 8] = [
        "CARD",
        "BANK_TRANSFER",
        "VIRTUAL_ACCOUNT",
        "MOBILE",
        "KAKAO_PAY",
        "NAVER_PAY",
        "APPLE_PAY",
        "GOOGLE_PAY",
    ];
    let word = text(value, 1, 50)?;
    if KNOWN.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(Wrong::new("enum", format!("expected one of {}", KNOWN.join(", "))))
}

/// The code of a language.
///
/// # Errors
/// Anything but those that the club speaks.
pub fn language(value: &Value) -> Result<&'static str, Wrong> {
    one_of(&[("ko", "ko"), ("en", "en")])(value)
}

/// Yes or no.
///
/// # Errors
/// Anything else.
pub fn boolean(value: &Value) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| Wrong::new("bool_type", "expected true or false"))
}

/// One of these words.
pub fn one_of<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&Value) -> Result<T, Wrong> {
    move |value| {
        let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
            Wrong::new("enum", format!("expected {}", words.join(" or ")))
        })
    }
}

/// A phone number: 10 to 15 digits.
///
/// # Errors
/// Anything else.
pub fn phone_number(value: &Value) -> Result<String, Wrong> {
    let text = text(value, 10, 15)?;
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("string_pattern_mismatch", "expected 10 to 15 digits"))
}

/// The longest address that SMTP can carry.
const LONGEST_EMAIL: usize = 254;

/// An e-mail address. ASCII only: not every mail server takes others.
///
/// # Errors
/// Anything else.
pub fn email(value: &Value) -> Result<String, Wrong> {
    let text = text(value, 3, LONGEST_EMAIL)?;
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
    match text.parse::<lettre::Address>() {
        Ok(address) if is_plain && address.domain().contains('.') => Ok(text.to_owned()),
        _ => Err(Wrong::new(
            "string_pattern_mismatch",
            "expected an address such as me@mail.example",
        )),
    }
}

/// A product's catalogue name: capital letters, digits and underscores, and no number, which would
/// be another way to name a product.
///
/// # Errors
/// Anything else.
pub fn sku(value: &Value) -> Result<String, Wrong> {
    let text = text(value, 3, 64)?;
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if text.bytes().all(allowed) && text.starts_with(|c: char| c.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("string_pattern_mismatch", "expected a name such as GOLD_PACK_SMALL"))
}

/// A benefit's catalogue name: letters, digits and underscores, and no number.
///
/// # Errors
/// Anything else.
pub fn benefit_sku(value: &Value) -> Result<String, Wrong> {
    let text = text(value, 3, 64)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.bytes().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("string_pattern_mismatch", "expected a name such as attendance_connect"))
}

/// How many in each period: `{"count": 3, "per": "month"}`.
///
/// # Errors
/// Anything else.
pub fn use_limit(value: &Value) -> Result<UseLimit, Wrong> {
    let wrong = || {
        let msg = "expected such as {\"count\": 3, \"per\": \"month\"}: ever, month, week or day";
        Wrong::new("value_error", msg)
    };
    let fields = value.as_object().filter(|fields| fields.len() == 2).ok_or_else(wrong)?;
    let number = fields.get("count").map(count(1_000_000)).ok_or_else(wrong)??;
    let words = [
        ("ever", Period::Ever),
        ("month", Period::Month),
        ("week", Period::Week),
        ("day", Period::Day),
    ];
    let per = fields.get("per").map(one_of(&words)).ok_or_else(wrong)??;
    Ok(UseLimit { count: number, per })
}

/// For how many days something can be used.
///
/// # Errors
/// Anything but 1 to 3650.
pub fn days(value: &Value) -> Result<u16, Wrong> {
    let number = integer(value, 1, 3_650)?;
    u16::try_from(number).map_err(|_| Wrong::new("less_than_equal", "expected 3650 or less"))
}

/// Somebody's own name for something that is done once.
///
/// # Errors
/// Anything but 1 to 255 visible ASCII characters.
pub fn key(value: &Value) -> Result<IdempotencyKey, Wrong> {
    let wrong = || {
        let msg = "expected 1 to 255 visible ASCII characters, such as a UUID";
        Wrong::new("string_pattern_mismatch", msg)
    };
    value.as_str().and_then(|text| IdempotencyKey::parse(text).ok()).ok_or_else(wrong)
}

/// A position of the log; 0 is before the first event.
///
/// # Errors
/// Anything else.
pub fn position(value: &Value) -> Result<u64, Wrong> {
    integer(value, 0, i64::MAX.unsigned_abs())
}

/// For how many hours something can be done.
///
/// # Errors
/// Anything but 0 to 8784: a year.
pub fn hours(value: &Value) -> Result<u32, Wrong> {
    let number = integer(value, 0, 8_784)?;
    u32::try_from(number).map_err(|_| Wrong::new("less_than_equal", "expected 8784 or less"))
}

/// What comes first: higher numbers do.
///
/// # Errors
/// Anything but -1000 to 1000.
pub fn priority(value: &Value) -> Result<i32, Wrong> {
    let number = value.as_i64().filter(|number| (-1_000..=1_000).contains(number));
    let number = number.and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| Wrong::new("int_type", "expected a whole number from -1000 to 1000"))
}

/// A name to sign in with: visible characters without spaces.
///
/// # Errors
/// Anything else.
pub fn site_id(value: &Value) -> Result<String, Wrong> {
    let text = text(value, 3, 50)?;
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Wrong::new("string_pattern_mismatch", "expected a name without spaces"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_whole_positive_and_bounded() {
        assert_eq!(gold(&json!(1)).unwrap().amount(), 1);
        let bad = [
            json!(0),
            json!(-1),
            json!(1.0),
            json!(1.5),
            json!("1"),
            json!(null),
            json!(1e3),
            json!(MAX_GOLD + 1),
            json!(u64::MAX),
        ];
        for value in bad {
            assert!(gold(&value).is_err(), "{value}");
        }
        let huge: Value = serde_json::from_str("99999999999999999999999999").unwrap();
        assert!(gold(&huge).is_err());
    }

    #[test]
    fn a_product_is_named_in_three_ways() {
        let id = ProductName::Id(ProductId(1001));
        assert_eq!(product_name(&json!(1001)), Ok(id.clone()));
        assert_eq!(product_name(&json!("1001")), Ok(id));
        let sku = ProductName::Sku("GOLD_PACK_SMALL".to_owned());
        assert_eq!(product_name(&json!("GOLD_PACK_SMALL")), Ok(sku));
        for value in [json!(0), json!(1.5), json!(""), json!(true), json!([1001])] {
            assert!(product_name(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn lines_are_trimmed_and_measured_in_characters() {
        assert_eq!(line(2, 50)(&json!(" 홍길 ")).unwrap(), "홍길");
        assert!(line(2, 50)(&json!(" x ")).is_err());
        assert!(line(2, 3)(&json!("abcd")).is_err());
        assert!(line(1, 9)(&json!("a\nb")).is_err());
    }

    #[test]
    fn a_limit_has_a_count_and_a_period() {
        let limit = use_limit(&json!({"count": 3, "per": "month"}));
        assert_eq!(limit, Ok(UseLimit { count: 3, per: Period::Month }));
        let bad = [
            json!(3),
            json!({"count": 3}),
            json!({"count": 0, "per": "day"}),
            json!({"count": 3, "per": "year"}),
            json!({"count": 3, "per": "day", "more": 1}),
        ];
        for value in bad {
            assert!(use_limit(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn phone_numbers_are_digits() {
        assert!(phone_number(&json!("01012345678")).is_ok());
        for value in [json!("+8210123456"), json!("010-1234-5678"), json!("012345678")] {
            assert!(phone_number(&value).is_err(), "{value}");
        }
    }
}
