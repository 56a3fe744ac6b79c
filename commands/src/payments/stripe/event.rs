//! Stripe's messages: whether they are Stripe's, and which payment they are about.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::payments::{Delivery, Notice, Untrusted};
use crate::secret::{Secret, is_signed};

/// How far from now a message may have been signed, in seconds.
const WINDOW: u64 = 300;
/// The longest body, in bytes: Stripe's are a few thousand.
const LONGEST_BODY: usize = 256 * 1024;

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

/// A PaymentIntent, a charge, a refund, a dispute or something else.
#[derive(Deserialize)]
struct Object {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: Option<HashMap<String, String>>,
    last_payment_error: Option<Failure>,
    failure_code: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    code: Option<String>,
    decline_code: Option<String>,
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
    let header = delivery.header.get("stripe-signature").ok_or(Untrusted::Signature)?;
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let timestamp = parts().find(|(name, _)| *name == "t").map(|(_, value)| value);
    let timestamp = timestamp.ok_or(Untrusted::Signature)?;
    let signatures: Vec<_> =
        parts().filter(|(name, _)| *name == "v1").map(|(_, value)| value).collect();
    if !is_signed(secrets, &signatures, &[timestamp.as_bytes(), b".", delivery.body]) {
        return Err(Untrusted::Signature);
    }
    let signed_at: i64 =
        timestamp.parse().map_err(|_| malformed("t is not a whole number of seconds"))?;
    if now.timestamp().abs_diff(signed_at) > WINDOW {
        return Err(Untrusted::Stale);
    }
    let event: Event =
        serde_json::from_slice(delivery.body).map_err(|error| malformed(error.to_string()))?;
    let notice = notice(event);
    // PostgreSQL's texts cannot hold it, and a message is written together with others.
    let Notice { event_id, payment, status, reason, .. } = &notice;
    let texts = [Some(event_id), payment.as_ref(), Some(status), reason.as_ref()];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(malformed("a text in it has a NUL character"));
    }
    Ok(notice)
}

fn notice(event: Event) -> Notice {
    let object = event.data.object;
    let receipt = object.metadata.as_ref().and_then(|metadata| metadata.get("receipt_code"));
    let is_intent = object.object.as_deref() == Some("payment_intent");
    let failure = object.last_payment_error;
    let failure = failure.and_then(|failure| failure.decline_code.or(failure.code));
    Notice {
        event_id: event.id,
        receipt_code: receipt.and_then(|text| text.parse().ok()),
        payment: if is_intent { object.id } else { object.payment_intent },
        status: event.kind,
        reason: failure.or(object.failure_code).or(object.reason),
    }
}

fn malformed(reason: impl Into<String>) -> Untrusted {
    Untrusted::Malformed { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::payments::Header;

    #[derive(Debug)]
    struct Signature(Option<String>);

    impl Header for Signature {
        fn get(&self, name: &str) -> Option<&str> {
            self.0.as_deref().filter(|_| name == "stripe-signature")
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn told(header: Option<String>, body: &str) -> Result<Notice, Untrusted> {
        let secrets = ["whsec_new", "whsec_old"].map(Secret::new);
        let delivery = Delivery { header: &Signature(header), body: body.as_bytes() };
        verify(&secrets, &delivery, now())
    }

    /// Signed by this secret, this many seconds from now.
    fn signed(secret: &str, seconds: i64, body: &str) -> String {
        let timestamp = (now().timestamp() + seconds).to_string();
        let message = [timestamp.as_bytes(), b".", body.as_bytes()];
        format!("t={timestamp},v1={}", Secret::new(secret).sign(&message))
    }

    fn event(kind: &str, object: &Value) -> String {
        json!({
            "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy", "object": "event", "api_version": "2024-06-20",
            "created": 1_700_000_000, "data": {"object": object}, "livemode": false,
            "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind
        })
        .to_string()
    }

    fn read(kind: &str, object: &Value) -> Notice {
        let body = event(kind, object);
        told(Some(signed("whsec_new", 0, &body)), &body).unwrap()
    }

    #[test]
    fn any_signature_by_any_secret_is_believed_for_five_minutes() {
        let body = event("payment_intent.succeeded", &json!({}));
        for secret in ["whsec_new", "whsec_old"] {
            assert!(told(Some(signed(secret, 0, &body)), &body).is_ok());
        }
        let two = format!("{},v0=x,v1={}", signed("other", 0, &body), "0".repeat(64));
        assert_eq!(told(Some(two), &body), Err(Untrusted::Signature));
        let second = signed("whsec_old", 0, &body).split_once("v1=").unwrap().1.to_owned();
        let two = format!("{},v1={second}", signed("other", 0, &body));
        assert!(told(Some(two), &body).is_ok());
        for (seconds, is_fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let told = told(Some(signed("whsec_new", seconds, &body)), &body);
            assert!(told.is_ok() == is_fresh && (is_fresh || told == Err(Untrusted::Stale)));
        }
    }

    #[test]
    fn what_is_not_signed_is_not_read() {
        let body = event("payment_intent.succeeded", &json!({}));
        let good = signed("whsec_new", 0, &body);
        let cut = good.split_once(',').unwrap().0.to_owned();
        for header in [None, Some(String::new()), Some(cut), Some(good.replace("v1", "v0"))] {
            assert_eq!(told(header, &body), Err(Untrusted::Signature));
        }
        assert_eq!(told(Some(good), &body.replace("evt_", "evil")), Err(Untrusted::Signature));
        for body in ["", "[]", "{}"] {
            let told = told(Some(signed("whsec_new", 0, body)), body);
            assert!(matches!(told, Err(Untrusted::Malformed { .. })), "{body}");
        }
        for body in [
            event("a\0b", &json!({})),
            event("payment_intent.succeeded", &json!({ "payment_intent": "pi\0" })),
            event("charge.failed", &json!({ "failure_code": "\0" })),
        ] {
            let told = told(Some(signed("whsec_new", 0, &body)), &body);
            assert!(matches!(told, Err(Untrusted::Malformed { .. })), "{body}");
        }
    }

    #[test]
    fn events_of_a_payment_name_its_purchase() {
        let failed = read(
            "payment_intent.payment_failed",
            &json!({
                "id": "pi_1", "object": "payment_intent", "status": "requires_payment_method",
                "metadata": {"receipt_code": "00c0ffee0001"},
                "last_payment_error": {"code": "card_declined", "decline_code": "expired_card"}
            }),
        );
        assert_eq!(failed.event_id, "evt_1NG8Du2eZvKYlo2CUI79vXWy");
        assert_eq!(failed.receipt_code, "00c0ffee0001".parse().ok());
        assert_eq!(failed.payment.as_deref(), Some("pi_1"));
        assert_eq!(failed.status, "payment_intent.payment_failed");
        assert_eq!(failed.reason.as_deref(), Some("expired_card"));
        let refunded = read(
            "charge.refunded",
            &json!({
                "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "refunded": true,
                "amount_refunded": 299, "metadata": {"receipt_code": "00c0ffee0001"},
                "failure_code": null
            }),
        );
        assert_eq!(refunded.receipt_code, "00c0ffee0001".parse().ok());
        assert_eq!((refunded.payment.as_deref(), refunded.reason), (Some("pi_1"), None));
    }

    #[test]
    fn a_dispute_names_only_the_payment_and_others_nothing() {
        let dispute = read(
            "charge.dispute.created",
            &json!({
                "id": "du_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1",
                "metadata": {}, "reason": "fraudulent", "status": "needs_response"
            }),
        );
        assert_eq!(dispute.receipt_code, None);
        assert_eq!(dispute.payment.as_deref(), Some("pi_1"));
        assert_eq!(dispute.reason.as_deref(), Some("fraudulent"));
        let other = read("balance.available", &json!({"object": "balance", "pending": []}));
        assert_eq!((other.receipt_code, other.payment), (None, None));
    }
}
