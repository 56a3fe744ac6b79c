//! The sandbox's messages: what they say, and how they are signed and believed.
//!
//! | header | what |
//! |---|---|
//! | `X-Timestamp` | when it was signed, in seconds since 1970 |
//! | `X-Nonce` | anything, 1 to 255 visible ASCII characters |
//! | `X-Event-Id` | the `event_id` of the body |
//! | `X-Signature` | HMAC-SHA256 over `timestamp.nonce.body`, in hex |
//!
//! Several secrets are accepted, so that one can be replaced by another: the newest signs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::payments::{Delivery, Notice, Untrusted};
use crate::secret::{Secret, is_signed};

/// How far from now a message may have been signed, in seconds.
const WINDOW: u64 = 300;
/// The longest body, in bytes.
const LONGEST_BODY: usize = 16 * 1024;
/// The longest text in a body or header.
const LONGEST_TEXT: usize = 255;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub event_id: String,
    pub receipt_code: String,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
}

/// Signs a message.
pub(super) fn sign(secret: &Secret, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    secret.sign(&[timestamp.as_bytes(), b".", nonce.as_bytes(), b".", body])
}

/// See [`PaymentProvider::verify`](crate::payments::PaymentProvider::verify).
pub(super) fn verify(
    secrets: &[Secret],
    delivery: &Delivery<'_>,
    now: DateTime<Utc>,
) -> Result<Notice, Untrusted> {
    if delivery.body.len() > LONGEST_BODY {
        return Err(malformed(format!("its body is longer than {LONGEST_BODY} bytes")));
    }
    let header = |name| delivery.header.get(name).ok_or(Untrusted::Signature);
    let (signature, timestamp) = (header("x-signature")?, header("x-timestamp")?);
    let (nonce, event_id) = (header("x-nonce")?, header("x-event-id")?);
    let signed = [timestamp.as_bytes(), b".", nonce.as_bytes(), b".", delivery.body];
    if !is_signed(secrets, &[signature], &signed) {
        return Err(Untrusted::Signature);
    }
    let signed_at: i64 =
        timestamp.parse().map_err(|_| malformed("X-Timestamp is not a whole number of seconds"))?;
    if now.timestamp().abs_diff(signed_at) > WINDOW {
        return Err(Untrusted::Stale);
    }
    let message: Message =
        serde_json::from_slice(delivery.body).map_err(|error| malformed(error.to_string()))?;
    if !is_name(nonce) || !is_name(event_id) {
        return Err(malformed("X-Nonce and X-Event-Id are 1 to 255 visible ASCII characters"));
    }
    if message.event_id != event_id {
        return Err(malformed("X-Event-Id is not the event_id of the body"));
    }
    let texts = [Some(&message.status), message.reason_code.as_ref()];
    if texts.iter().flatten().any(|text| text.len() > LONGEST_TEXT || text.contains('\0')) {
        return Err(malformed("a status or reason_code is too long"));
    }
    Ok(Notice {
        event_id: message.event_id,
        receipt_code: message.receipt_code.parse().ok(),
        payment: None,
        status: message.status,
        reason: message.reason_code,
    })
}

fn malformed(reason: impl Into<String>) -> Untrusted {
    Untrusted::Malformed { reason: reason.into() }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_TEXT).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::payments::Header;

    #[derive(Debug, Clone)]
    struct Headers(HashMap<&'static str, String>);

    impl Header for Headers {
        fn get(&self, name: &str) -> Option<&str> {
            self.0.get(name).map(String::as_str)
        }
    }

    const BODY: &str =
        r#"{"event_id":"evt-1","receipt_code":"00c0ffee0001","status":"failed","reason_code":"X"}"#;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn secrets() -> [Secret; 2] {
        ["new", "old"].map(Secret::new)
    }

    /// Signed this many seconds from now.
    fn signed(seconds: i64, body: &str, secret: &Secret) -> Headers {
        let timestamp = (now().timestamp() + seconds).to_string();
        let signature = sign(secret, &timestamp, "n-1", body.as_bytes());
        let headers = [
            ("x-timestamp", timestamp),
            ("x-nonce", "n-1".to_owned()),
            ("x-event-id", "evt-1".to_owned()),
            ("x-signature", signature),
        ];
        Headers(headers.into_iter().collect())
    }

    fn told(headers: &Headers, body: &str) -> Result<Notice, Untrusted> {
        let delivery = Delivery { header: headers, body: body.as_bytes() };
        verify(&secrets(), &delivery, now())
    }

    #[test]
    fn a_message_signed_by_any_secret_is_believed() {
        for secret in &secrets() {
            let notice = told(&signed(0, BODY, secret), BODY).unwrap();
            assert_eq!(notice.event_id, "evt-1");
            assert_eq!(notice.receipt_code, "00c0ffee0001".parse().ok());
            assert_eq!((&*notice.status, notice.reason.as_deref()), ("failed", Some("X")));
        }
        let signature = told(&signed(0, BODY, &Secret::new("other")), BODY);
        assert_eq!(signature, Err(Untrusted::Signature));
    }

    #[test]
    fn it_counts_for_five_minutes_both_ways() {
        let [secret, _] = secrets();
        for (seconds, is_fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let told = told(&signed(seconds, BODY, &secret), BODY);
            assert_eq!(told.is_ok(), is_fresh, "{seconds}");
            assert!(is_fresh || told == Err(Untrusted::Stale));
        }
    }

    #[test]
    fn whatever_was_changed_or_left_out_breaks_the_signature() {
        let [secret, _] = secrets();
        let good = signed(0, BODY, &secret);
        assert_eq!(told(&good, &BODY.replace("failed", "succeeded")), Err(Untrusted::Signature));
        for name in ["x-timestamp", "x-nonce", "x-signature"] {
            let mut changed = good.clone();
            changed.0.insert(name, "1".to_owned());
            assert_eq!(told(&changed, BODY), Err(Untrusted::Signature), "{name}");
        }
        for name in ["x-timestamp", "x-nonce", "x-signature", "x-event-id"] {
            let mut without = good.clone();
            without.0.remove(name);
            assert_eq!(told(&without, BODY), Err(Untrusted::Signature), "{name}");
        }
    }

    #[test]
    fn what_is_signed_must_make_sense_too() {
        let [secret, _] = secrets();
        let malformed = |headers: &Headers, body: &str| {
            assert!(matches!(told(headers, body), Err(Untrusted::Malformed { .. })), "{body}");
        };
        let mut other_event = signed(0, BODY, &secret);
        other_event.0.insert("x-event-id", "evt-2".to_owned());
        malformed(&other_event, BODY);
        let long = format!("{}{}", BODY, " ".repeat(LONGEST_BODY));
        let wordy = BODY.replace("failed", &"f".repeat(256));
        for body in ["", "{}", "null", &long, &wordy] {
            malformed(&signed(0, body, &secret), body);
        }
        let stranger = BODY.replace("00c0ffee0001", "of-another-shop");
        assert_eq!(told(&signed(0, &stranger, &secret), &stranger).unwrap().receipt_code, None);
    }
}
