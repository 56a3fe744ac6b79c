//! What Stripe says of a payment, and what that means for a charge.

use std::collections::HashMap;

use domain::account::FailureReason;
use domain::money::{Cents, Currency};
use serde::Deserialize;

use crate::payments::{ChargeState, ProviderRecord};

/// A PaymentIntent, with its latest attempt.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub id: String,
    status: String,
    amount: u64,
    currency: String,
    #[serde(default)]
    metadata: HashMap<String, String>,
    last_payment_error: Option<PaymentError>,
    latest_charge: Option<Attempt>,
}

#[derive(Debug, Clone, Deserialize)]
struct PaymentError {
    code: Option<String>,
    decline_code: Option<String>,
}

/// Stripe's name for it, or all of it where it was asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Attempt {
    Name(#[expect(dead_code, reason = "only told from the whole")] String),
    Whole {
        #[serde(default)]
        amount_refunded: u64,
        #[serde(default)]
        disputed: bool,
    },
}

/// What can be done with an intent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No card has been tried.
    Untried,
    /// The bank, or its customer, is at it.
    UnderWay,
    /// The bank has said yes: the money can be taken.
    Authorised,
    /// It is over.
    Ended(ChargeState),
}

/// A page of intents, the newest first.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

/// The bank takes money back, or threatens to.
#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    status: String,
}

/// Money given back, or on its way.
#[derive(Debug, Deserialize)]
pub(super) struct GivenBack {
    pub status: Option<String>,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl Intent {
    /// How far it is. A dispute is not looked into: see [`Self::is_disputed`].
    pub(super) fn stage(&self) -> Stage {
        match &*self.status {
            "requires_payment_method" => match &self.last_payment_error {
                None => Stage::Untried,
                Some(error) => Stage::Ended(ChargeState::Declined(error.reason())),
            },
            "requires_confirmation" => Stage::Untried,
            "requires_capture" => Stage::Authorised,
            "succeeded" => Stage::Ended(ChargeState::Captured {
                refunded: self.refunded(),
                charged_back: false,
            }),
            "canceled" => Stage::Ended(ChargeState::Voided),
            // processing, requires_action, and what may come.
            _ => Stage::UnderWay,
        }
    }

    /// How the charge stands, as far as the intent says.
    pub(super) fn state(&self) -> ChargeState {
        match self.stage() {
            Stage::Untried | Stage::UnderWay | Stage::Authorised => ChargeState::Pending,
            Stage::Ended(state) => state,
        }
    }

    /// What has been given back.
    pub(super) fn refunded(&self) -> Cents {
        match self.latest_charge {
            Some(Attempt::Whole { amount_refunded, .. }) => Cents(amount_refunded),
            Some(Attempt::Name(_)) | None => Cents(0),
        }
    }

    /// Whether the bank has ever asked for the money back.
    pub(super) fn is_disputed(&self) -> bool {
        matches!(self.latest_charge, Some(Attempt::Whole { disputed: true, .. }))
    }

    /// As a record, if it stands for a charge of ours.
    pub(super) fn record(&self, state: ChargeState) -> Option<ProviderRecord> {
        Some(ProviderRecord {
            charge_id: self.metadata.get("charge_id")?.parse().ok()?,
            receipt_code: self.metadata.get("receipt_code").and_then(|text| text.parse().ok()),
            state,
            amount: Cents(self.amount),
            currency: Currency::new(&self.currency.to_ascii_uppercase())?,
            cursor: self.id.clone(),
        })
    }
}

impl PaymentError {
    fn reason(&self) -> FailureReason {
        match self.decline_code.as_deref().or(self.code.as_deref()) {
            Some("insufficient_funds") => FailureReason::InsufficientFunds,
            Some("expired_card") => FailureReason::ExpiredCard,
            Some("stolen_card" | "lost_card" | "pickup_card") => FailureReason::StolenCard,
            _ => FailureReason::PaymentDeclined,
        }
    }
}

impl Dispute {
    /// Whether the money is gone: a mere inquiry leaves it, and a dispute that was won brings it
    /// back.
    pub(super) fn holds_the_money(&self) -> bool {
        matches!(&*self.status, "needs_response" | "under_review" | "lost")
    }
}

impl GivenBack {
    /// Whether the money is, or will be, with the customer.
    pub(super) fn counts(&self) -> bool {
        !matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// As Stripe answers, shortened by what is not read.
    fn intent(changes: &Value) -> Intent {
        let mut intent = json!({
            "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent", "amount": 1299,
            "amount_capturable": 0, "amount_received": 0, "canceled_at": null,
            "capture_method": "manual", "currency": "usd", "last_payment_error": null,
            "latest_charge": null, "livemode": false, "next_action": null,
            "metadata": {"charge_id": "000000000000000001", "receipt_code": "000000000001", "player": "23"},
            "status": "requires_payment_method"
        });
        for (name, value) in changes.as_object().unwrap() {
            intent[name] = value.clone();
        }
        serde_json::from_value(intent).unwrap()
    }

    #[test]
    fn every_status_has_a_stage() {
        let stages = [
            ("requires_payment_method", Stage::Untried),
            ("requires_confirmation", Stage::Untried),
            ("requires_action", Stage::UnderWay),
            ("processing", Stage::UnderWay),
            ("requires_capture", Stage::Authorised),
            ("succeeded", Stage::Ended(ChargeState::CAPTURED)),
            ("canceled", Stage::Ended(ChargeState::Voided)),
            ("something_new", Stage::UnderWay),
        ];
        for (status, stage) in stages {
            assert_eq!(intent(&json!({"status": status})).stage(), stage, "{status}");
        }
    }

    #[test]
    fn declines_say_why() {
        let cases = [
            (
                json!({"code": "card_declined", "decline_code": "insufficient_funds"}),
                FailureReason::InsufficientFunds,
            ),
            (json!({"code": "expired_card", "decline_code": null}), FailureReason::ExpiredCard),
            (
                json!({"code": "card_declined", "decline_code": "stolen_card"}),
                FailureReason::StolenCard,
            ),
            (
                json!({"code": "card_declined", "decline_code": "lost_card"}),
                FailureReason::StolenCard,
            ),
            (
                json!({"code": "card_declined", "decline_code": "do_not_honor"}),
                FailureReason::PaymentDeclined,
            ),
            (
                json!({"code": "payment_intent_authentication_failure"}),
                FailureReason::PaymentDeclined,
            ),
            (json!({}), FailureReason::PaymentDeclined),
        ];
        for (error, reason) in cases {
            let declined = intent(&json!({"last_payment_error": error}));
            assert_eq!(declined.state(), ChargeState::Declined(reason), "{error}");
        }
    }

    #[test]
    fn refunds_and_disputes_are_read_from_the_attempt() {
        let attempt = json!({
            "id": "ch_3MtwBw", "object": "charge", "amount": 1299, "amount_refunded": 299,
            "captured": true, "disputed": true, "paid": true, "refunded": false
        });
        let intent = intent(&json!({"status": "succeeded", "latest_charge": attempt}));
        let refunded = Cents(299);
        assert_eq!(intent.state(), ChargeState::Captured { refunded, charged_back: false });
        assert!(intent.is_disputed());
    }

    #[test]
    fn an_attempt_that_is_only_named_has_nothing_to_say() {
        let intent = intent(&json!({"status": "succeeded", "latest_charge": "ch_3MtwBw"}));
        assert_eq!(intent.state(), ChargeState::CAPTURED);
        assert!(!intent.is_disputed());
    }

    #[test]
    fn only_some_disputes_hold_the_money() {
        let holds = ["needs_response", "under_review", "lost"];
        let leaves = ["won", "warning_needs_response", "warning_under_review", "warning_closed"];
        for status in holds.iter().chain(&leaves) {
            let dispute = json!({"id": "du_1", "object": "dispute", "status": status});
            let dispute: Dispute = serde_json::from_value(dispute).unwrap();
            assert_eq!(dispute.holds_the_money(), holds.contains(status), "{status}");
        }
    }

    #[test]
    fn what_is_not_ours_makes_no_record() {
        let ours = intent(&json!({})).record(ChargeState::Pending).unwrap();
        assert_eq!((ours.amount, ours.currency), (Cents(1299), Currency::USD));
        assert_eq!(ours.receipt_code, "000000000001".parse().ok());
        let foreign = intent(&json!({"metadata": {"order": "7"}}));
        assert!(foreign.record(ChargeState::Pending).is_none());
    }
}
