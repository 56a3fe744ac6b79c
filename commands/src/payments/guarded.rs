//! A provider behind a time-out, retries and a circuit breaker.
//!
//! An error never says that nothing was done: the charge's fate is unknown then, and whoever
//! settles it asks again. So a call that the breaker did not make is an error like any other, and
//! errors are repeated, charges included: the provider does once what it does.

mod breaker;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use tokio::time::Instant;

use self::breaker::Breaker;
use super::{
    CardToken, Charge, ChargeState, Condition, Delivery, Notice, PaymentProvider, ProviderError,
    ProviderRecord, Refund, RefundState, Untrusted,
};
use crate::clock::Clock;
use domain::id::ReceiptCode;

/// How long one call may take, repeats and all: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often a call is made if errors come back.
const ATTEMPTS: u32 = 3;
/// The longest pause before the first repeat; each next one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// See the module.
pub struct Guarded {
    provider: Arc<dyn PaymentProvider>,
    clock: Arc<dyn Clock>,
    breaker: Breaker,
}

impl Guarded {
    /// Puts the provider behind it.
    #[must_use]
    pub fn new(provider: Arc<dyn PaymentProvider>, clock: Arc<dyn Clock>) -> Self {
        let guarded = Self { provider, clock, breaker: Breaker::default() };
        guarded.show_condition();
        guarded
    }

    async fn call<'a, T>(
        &'a self,
        call: &'static str,
        ask: impl Fn(&'a dyn PaymentProvider) -> BoxFuture<'a, Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let provider = self.provider.name();
        let count = |outcome: &'static str| {
            metrics::counter!("club_payment_calls_total",
                "provider" => provider, "call" => call, "outcome" => outcome)
            .increment(1);
        };
        let Some(permit) = self.breaker.admit() else {
            count("not_made");
            return Err(ProviderError::new("it failed too often in a row and is left alone"));
        };
        let (started, is_trial) = (Instant::now(), permit.is_trial);
        let asked = tokio::time::timeout(PATIENCE, repeated(|| ask(&*self.provider))).await;
        let answer =
            asked.unwrap_or_else(|_| Err(ProviderError::new("it took more than 8 seconds")));
        permit.end(answer.is_ok());
        count(if answer.is_ok() { "answered" } else { "failed" });
        metrics::histogram!("club_payment_call_duration_seconds",
            "provider" => provider, "call" => call)
        .record(started.elapsed());
        if let Err(error) = &answer {
            tracing::warn!(provider, call, %error, "the payment provider failed");
        }
        if is_trial || answer.is_err() {
            self.show_condition();
        }
        answer
    }

    fn show_condition(&self) {
        let up = if self.breaker.rest().is_none() { 1.0 } else { 0.0 };
        metrics::gauge!("club_payment_provider_up", "provider" => self.provider.name()).set(up);
    }
}

/// Asks again after an error, a few times.
async fn repeated<'a, T>(
    ask: impl Fn() -> BoxFuture<'a, Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        if let Ok(answer) = ask().await {
            return Ok(answer);
        }
        // At random, so that those who failed together do not come back together.
        let jittered = rand::rng().random_range(pause / 2..=pause);
        tokio::time::sleep(jittered).await;
        pause *= 2;
    }
    ask().await
}

impl PaymentProvider for Guarded {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn charge<'a>(
        &'a self,
        charge: &'a Charge,
        card: &'a CardToken,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.call("charge", move |provider| provider.charge(charge, card)).boxed()
    }

    fn status<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.call("status", move |provider| provider.status(charge)).boxed()
    }

    fn capture<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.call("capture", move |provider| provider.capture(charge)).boxed()
    }

    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.call("void", move |provider| provider.void(charge)).boxed()
    }

    fn refund<'a>(
        &'a self,
        charge: &'a Charge,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        self.call("refund", move |provider| provider.refund(charge, refund)).boxed()
    }

    fn verify(&self, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<Notice, Untrusted> {
        self.provider.verify(delivery, now)
    }

    fn take_note<'a>(
        &'a self,
        charge: &'a Charge,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.call("take_note", move |provider| provider.take_note(charge, notice)).boxed()
    }

    /// Answered from our own tables.
    fn receipt_of<'a>(
        &'a self,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<Option<ReceiptCode>, ProviderError>> {
        self.provider.receipt_of(notice)
    }

    fn records<'a>(
        &'a self,
        after: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>> {
        self.call("records", move |provider| provider.records(after)).boxed()
    }

    fn condition(&self) -> Condition {
        let Some(left) = self.breaker.rest() else { return self.provider.condition() };
        Condition::Resting { until: self.clock.now() + left }
    }
}

#[cfg(test)]
mod tests;
