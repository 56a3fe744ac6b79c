//! The port to whoever takes real money.

pub mod sandbox;

use domain::account::FailureReason;
use domain::id::ChargeId;
use domain::money::{Cents, Currency};
use futures::future::BoxFuture;

/// Takes real money. Every call names the charge by our own id and may be repeated.
pub trait PaymentProvider: Send + Sync + 'static {
    /// Takes the money, once: a repeat answers as the first did.
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<ChargeOutcome, ProviderError>>;

    /// Brings a charge of unknown fate to its end: whatever happened stands, and what has not
    /// happened never will. Afterwards [`Self::charge`] answers the same.
    fn settle(&self, charge: &Charge) -> BoxFuture<'_, Result<ChargeOutcome, ProviderError>>;
}

/// What is to be charged.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Our name for it, and its idempotency key at the provider.
    pub charge_id: ChargeId,
    /// How much.
    pub amount: Cents,
    /// In which currency.
    pub currency: Currency,
    /// The card; never logged, never stored.
    pub card: CardToken,
}

/// Stands for a card at the provider. Its text never shows in logs.
#[derive(Clone, Default)]
pub struct CardToken(Option<String>);

impl CardToken {
    /// From what the client sent.
    #[must_use]
    pub fn new(token: Option<String>) -> Self {
        Self(token)
    }

    /// The text, for the provider only.
    #[must_use]
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl std::fmt::Debug for CardToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CardToken(…)")
    }
}

/// How a charge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The provider has the money.
    Captured,
    /// The provider said no.
    Declined(FailureReason),
    /// It was given up before any money was taken.
    Voided,
}

/// The provider could not be asked, or its answer was lost: the charge's fate is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider did not answer: {reason}")]
pub struct ProviderError {
    /// For the log, not for clients.
    pub reason: String,
}
