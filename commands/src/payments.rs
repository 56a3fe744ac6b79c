//! The port to whoever takes real money.
//!
//! Every call names the charge by our own id and may be repeated: it does once what it does. An
//! error means that the charge's fate is unknown; [`PaymentProvider::status`] tells it later.

pub mod guarded;
pub mod nobody;
pub mod sandbox;
pub mod stripe;

use chrono::{DateTime, Utc};
use domain::account::FailureReason;
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::money::{Cents, Currency};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

/// Takes real money, and gives it back.
pub trait PaymentProvider: Send + Sync + 'static {
    /// What it is called in settings and figures.
    fn name(&self) -> &'static str;

    /// Takes the money. A repeat answers as the charge stands.
    fn charge<'a>(
        &'a self,
        charge: &'a Charge,
        card: &'a CardToken,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>>;

    /// How the charge stands.
    fn status<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>>;

    /// Makes the provider take a pending charge's money now, if it can.
    fn capture<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>>;

    /// Makes sure that money which was not taken never will be, also if the provider has not heard
    /// of the charge yet: a later [`Self::charge`] answers `Voided`. What was taken stays taken.
    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>>;

    /// Gives money back. A repeat with the same id gives nothing back twice.
    fn refund<'a>(
        &'a self,
        charge: &'a Charge,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>>;

    /// Whether a message comes from this provider, and what it is about.
    ///
    /// # Errors
    /// Why it is not believed.
    fn verify(&self, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<Notice, Untrusted>;

    /// A message that was believed is about this charge. For providers whose word is the message
    /// itself; others are asked for the charge's status anyway.
    fn take_note<'a>(
        &'a self,
        _charge: &'a Charge,
        _notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        ready(Ok(())).boxed()
    }

    /// Which purchase a message that was believed is about, also where it names only the
    /// provider's own payment; `None` if it is about nothing of ours.
    fn receipt_of<'a>(
        &'a self,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<Option<ReceiptCode>, ProviderError>> {
        ready(Ok(notice.receipt_code)).boxed()
    }

    /// A page of all charges it knows, in the provider's own order: those after `after`, the last
    /// record of the page before. An empty page is the end.
    fn records<'a>(
        &'a self,
        after: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>>;

    /// Whether it is being asked at all.
    fn condition(&self) -> Condition {
        Condition::Up
    }
}

/// What is to be charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Our name for it, and its idempotency key at the provider.
    pub charge_id: ChargeId,
    /// The purchase it is for.
    pub receipt_code: ReceiptCode,
    /// Whose.
    pub player: PlayerId,
    /// How much.
    pub amount: Cents,
    /// In which currency.
    pub currency: Currency,
}

/// What is to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Our name for it, and its idempotency key at the provider.
    pub id: String,
    /// How much.
    pub amount: Cents,
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

/// How a charge stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeState {
    /// The provider has not heard of it.
    Unknown,
    /// The provider has not decided yet.
    Pending,
    /// The provider has the money, or had it.
    Captured {
        /// What it has given back, all in all.
        refunded: Cents,
        /// Whether the bank took back what was left.
        charged_back: bool,
    },
    /// The provider said no.
    Declined(FailureReason),
    /// It was given up before any money was taken.
    Voided,
}

impl ChargeState {
    /// Taken, and nothing given back.
    pub const CAPTURED: Self = Self::Captured { refunded: Cents(0), charged_back: false };
}

/// How a refund ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    /// Given back.
    Done {
        /// What of the charge has been given back, all in all.
        refunded: Cents,
    },
    /// The provider does not give it back.
    Refused,
}

/// A message as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// A header's value, by its name in small letters.
    pub header: &'a dyn Header,
    /// The body, exactly as it was sent.
    pub body: &'a [u8],
}

/// Headers by name.
pub trait Header: std::fmt::Debug + Send + Sync {
    /// The value of the header with this name in small letters.
    fn get(&self, name: &str) -> Option<&str>;
}

/// A message that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The provider's name for it: each counts once.
    pub event_id: String,
    /// Which purchase it is about, as far as the message says: ask
    /// [`PaymentProvider::receipt_of`].
    pub receipt_code: Option<ReceiptCode>,
    /// The provider's own name for the payment, where the message does not name the purchase.
    pub payment: Option<String>,
    /// What happened, in the provider's words.
    pub status: String,
    /// Why, in the provider's words.
    pub reason: Option<String>,
}

/// Why a message is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It was signed too long ago, or for the future.
    #[error("the message was signed at another time than now")]
    Stale,
    /// The signature is missing or is not the provider's.
    #[error("the signature is not right")]
    Signature,
    /// It is signed, but cannot be read.
    #[error("the message cannot be read: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

/// A charge in the provider's own books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRecord {
    /// Our name for it.
    pub charge_id: ChargeId,
    /// The purchase it is for, if the provider knows.
    pub receipt_code: Option<ReceiptCode>,
    /// How it stands.
    pub state: ChargeState,
    /// How much.
    pub amount: Cents,
    /// In which currency.
    pub currency: Currency,
    /// Where it stands in the provider's list, for the next page.
    pub cursor: String,
}

/// Whether a provider is being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Yes.
    Up,
    /// It failed too often: nobody asks it until then.
    Resting {
        /// The first moment at which it is asked again.
        until: DateTime<Utc>,
    },
}

/// The provider could not be asked, or its answer was lost: the charge's fate is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider did not answer: {reason}")]
pub struct ProviderError {
    /// For the log, not for clients.
    pub reason: String,
}

impl ProviderError {
    /// For this reason.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}
