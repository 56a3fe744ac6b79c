//! What each card token does. The table is in the module above.

use domain::account::FailureReason;

/// What a card does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Card {
    Approve,
    Decline(FailureReason),
    Pending,
    PendingSuccess,
    PendingFailure,
    Timeout,
    DuplicateWebhook,
    WebhookFirst,
    CaptureAfterVoid,
    LateRefund,
    Chargeback,
    RefundRefused,
}

/// How a charge's record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Captured,
    Declined(FailureReason),
    Voided,
}

/// What the provider does later by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Capture,
    Decline,
    Refund,
    ChargeBack,
}

/// Every token that does something unusual, which is recorded with the charge.
const UNUSUAL: [(&str, Card); 10] = [
    ("tok_pending", Card::Pending),
    ("tok_pending_success", Card::PendingSuccess),
    ("tok_pending_failure", Card::PendingFailure),
    ("tok_timeout", Card::Timeout),
    ("tok_duplicate_webhook", Card::DuplicateWebhook),
    ("tok_webhook_first", Card::WebhookFirst),
    ("tok_capture_after_void", Card::CaptureAfterVoid),
    ("tok_late_refund", Card::LateRefund),
    ("tok_chargeback", Card::Chargeback),
    ("tok_refund_refused", Card::RefundRefused),
];

impl Card {
    /// The card behind a token. What is unknown approves.
    pub(super) fn of(token: Option<&str>) -> Self {
        let Some(token) = token else { return Self::Approve };
        match token {
            "tok_decline" => Self::Decline(FailureReason::PaymentDeclined),
            "tok_decline_insufficient_funds" => Self::Decline(FailureReason::InsufficientFunds),
            "tok_decline_expired_card" => Self::Decline(FailureReason::ExpiredCard),
            "tok_decline_stolen_card" => Self::Decline(FailureReason::StolenCard),
            _ => {
                let found = UNUSUAL.iter().find(|(name, _)| *name == token);
                found.map_or(Self::Approve, |(_, card)| *card)
            }
        }
    }

    /// Its token, if it is unusual.
    pub(super) fn token(self) -> Option<&'static str> {
        UNUSUAL.iter().find(|(_, card)| *card == self).map(|(token, _)| *token)
    }

    /// What becomes of the charge at once.
    pub(super) fn state(self) -> State {
        match self {
            Self::Decline(reason) => State::Declined(reason),
            Self::Pending
            | Self::PendingSuccess
            | Self::PendingFailure
            | Self::CaptureAfterVoid => State::Pending,
            Self::Approve
            | Self::Timeout
            | Self::DuplicateWebhook
            | Self::WebhookFirst
            | Self::LateRefund
            | Self::Chargeback
            | Self::RefundRefused => State::Captured,
        }
    }

    /// What follows by itself after a while.
    pub(super) fn deed(self) -> Option<Deed> {
        match self {
            Self::PendingSuccess => Some(Deed::Capture),
            Self::PendingFailure => Some(Deed::Decline),
            Self::LateRefund => Some(Deed::Refund),
            Self::Chargeback => Some(Deed::ChargeBack),
            _ => None,
        }
    }

    /// How many messages tell at once of the capture.
    pub(super) fn messages(self) -> i32 {
        match self {
            Self::DuplicateWebhook => 3,
            Self::WebhookFirst => 1,
            _ => 0,
        }
    }
}

impl State {
    /// As it is recorded.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Captured => "captured",
            Self::Declined(_) => "declined",
            Self::Voided => "voided",
        }
    }

    /// Why it was declined.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Declined(reason) => Some(reason.name()),
            Self::Pending | Self::Captured | Self::Voided => None,
        }
    }
}

impl Deed {
    const ALL: [Self; 4] = [Self::Capture, Self::Decline, Self::Refund, Self::ChargeBack];

    /// As it is recorded.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Decline => "decline",
            Self::Refund => "refund",
            Self::ChargeBack => "charge_back",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.name() == name)
    }
}

/// A reason by its name; what is unknown is a plain decline.
pub(super) fn reason(name: Option<&str>) -> FailureReason {
    let known =
        [FailureReason::InsufficientFunds, FailureReason::ExpiredCard, FailureReason::StolenCard];
    let found = known.into_iter().find(|reason| Some(reason.name()) == name);
    found.unwrap_or(FailureReason::PaymentDeclined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_cards_are_known_by_their_tokens_and_others_approve() {
        for (token, card) in UNUSUAL {
            assert_eq!((Card::of(Some(token)), card.token()), (card, Some(token)));
        }
        for token in [None, Some("tok_approve"), Some("tok_visa"), Some("")] {
            assert_eq!(Card::of(token).state(), State::Captured);
            assert_eq!(Card::of(token).token(), None);
        }
    }

    #[test]
    fn reasons_read_back() {
        for token in ["", "_insufficient_funds", "_expired_card", "_stolen_card"] {
            let state = Card::of(Some(&format!("tok_decline{token}"))).state();
            assert_eq!(State::Declined(reason(state.reason())), state);
        }
        assert_eq!(reason(Some("DO_NOT_HONOR")), FailureReason::PaymentDeclined);
    }
}
