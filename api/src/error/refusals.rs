//! How refusals and failures of the inner layers are told to clients.

use commands::Failure;
use commands::bus::Unavailable;
use commands::shop::ShopRefusal;
use domain::account::AccountRefusal;
use domain::product::ProductRefusal;

use super::{ApiError, Reason};

impl From<AccountRefusal> for ApiError {
    fn from(refusal: AccountRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            AccountRefusal::NoSuchAccount => Self::new(Reason::NotFound, detail),
            AccountRefusal::NothingToMove => Self::new(Reason::ValidationFailed, detail),
            AccountRefusal::BalanceTooLarge => Self::new(Reason::BalanceTooLarge, detail),
            AccountRefusal::InsufficientGold { has, needs } => {
                let error = Self::new(Reason::InsufficientGold, detail);
                error.with("gold", has).with("needed", needs)
            }
            AccountRefusal::RankRequired { .. } => Self::new(Reason::RankRequired, detail),
            AccountRefusal::PurchaseNotOpen => Self::new(Reason::Conflict, detail),
            // Codes are unique by construction: a defect, and nothing that a client can mend.
            AccountRefusal::ReceiptInUse => Self::internal(refusal),
        }
    }
}

impl From<ProductRefusal> for ApiError {
    fn from(refusal: ProductRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ProductRefusal::NotFound => Self::new(Reason::NotFound, detail),
            ProductRefusal::AlreadyDefined => Self::new(Reason::Conflict, detail),
            ProductRefusal::TotalTooLarge => Self::new(Reason::BalanceTooLarge, detail),
        }
    }
}

impl From<ShopRefusal> for ApiError {
    fn from(refusal: ShopRefusal) -> Self {
        match refusal {
            ShopRefusal::Product(refusal) => refusal.into(),
            ShopRefusal::Account(refusal) => refusal.into(),
        }
    }
}

impl<R: Into<Self>> From<Failure<R>> for ApiError {
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Refused { refusal, place } => refusal.into().with("position", place.position),
            Failure::KeyReused => Self::new(
                Reason::IdempotencyKeyReused,
                "the idempotency key was already used for another request: take a new one",
            ),
            Failure::Overloaded { retry_after } => {
                let detail = "too many commands are waiting and nothing was done: try again";
                Self::new(Reason::Overloaded, detail).retry_after(retry_after)
            }
            Failure::Unavailable => Self::new(
                Reason::LogUnavailable,
                "whether it was done is not known: repeat it with the same idempotency key",
            ),
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(_: Unavailable) -> Self {
        Self::new(Reason::LogUnavailable, "the log cannot be read: try again")
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed => {
                let detail = "the database does not answer: try again";
                Self::new(Reason::DatabaseUnavailable, detail).because(error)
            }
            error => Self::internal(error),
        }
    }
}
