//! Takes no payments: for whoever sets none up. The edge refuses purchases before they get here.

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::{
    CardToken, Charge, ChargeState, Delivery, Notice, PaymentProvider, ProviderError,
    ProviderRecord, Refund, RefundState, Untrusted,
};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

fn nothing<T: Send + 'static>() -> BoxFuture<'static, Result<T, ProviderError>> {
    ready(Err(ProviderError::new("no payment provider is set up"))).boxed()
}

impl PaymentProvider for Nobody {
    fn name(&self) -> &'static str {
        "none"
    }

    fn charge<'a>(
        &'a self,
        _: &'a Charge,
        _: &'a CardToken,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        nothing()
    }

    fn status<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        nothing()
    }

    fn capture<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        nothing()
    }

    fn void<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        nothing()
    }

    fn refund<'a>(
        &'a self,
        _: &'a Charge,
        _: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        nothing()
    }

    fn verify(&self, _: &Delivery<'_>, _: DateTime<Utc>) -> Result<Notice, Untrusted> {
        Err(Untrusted::Signature)
    }

    fn records<'a>(
        &'a self,
        _: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>> {
        nothing()
    }
}
