use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;

use super::*;
use crate::payments::nobody::Nobody;
use domain::id::{ChargeId, PlayerId};
use domain::money::{Cents, Currency};
use futures::future::ready;

/// What the scripted provider does when asked how a charge stands.
#[derive(Clone, Copy)]
enum Act {
    Answer(ChargeState),
    Fail,
    Hang,
}

/// Follows a script, and counts how often it was asked.
struct Scripted(Mutex<(VecDeque<Act>, usize)>);

impl Scripted {
    fn new(script: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Self(Mutex::new((script.into_iter().collect(), 0))))
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }

    fn act(&self) -> BoxFuture<'static, Result<ChargeState, ProviderError>> {
        let mut script = self.0.lock().unwrap();
        script.1 += 1;
        match script.0.pop_front().unwrap_or(Act::Answer(ChargeState::CAPTURED)) {
            Act::Answer(state) => ready(Ok(state)).boxed(),
            Act::Fail => ready(Err(ProviderError::new("scripted"))).boxed(),
            Act::Hang => pending().boxed(),
        }
    }
}

impl PaymentProvider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn charge<'a>(
        &'a self,
        _: &'a Charge,
        _: &'a CardToken,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.act()
    }

    fn status<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.act()
    }

    fn capture<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.act()
    }

    fn void<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.act()
    }

    fn refund<'a>(
        &'a self,
        charge: &'a Charge,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        Nobody.refund(charge, refund)
    }

    fn verify(&self, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<Notice, Untrusted> {
        Nobody.verify(delivery, now)
    }

    fn records<'a>(
        &'a self,
        after: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>> {
        Nobody.records(after)
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }
}

fn charge() -> Charge {
    Charge {
        charge_id: ChargeId::from_bits(1),
        receipt_code: ReceiptCode::from_bits(1),
        player: PlayerId(23),
        amount: Cents(299),
        currency: Currency::USD,
    }
}

fn guarded(provider: &Arc<Scripted>) -> Guarded {
    Guarded::new(provider.clone(), Arc::new(Noon))
}

#[tokio::test(start_paused = true)]
async fn an_error_is_repeated_also_of_a_charge() {
    let provider = Scripted::new([Act::Fail, Act::Fail, Act::Answer(ChargeState::Voided)]);
    let answer = guarded(&provider).charge(&charge(), &CardToken::default()).await;
    assert_eq!((answer, provider.asked()), (Ok(ChargeState::Voided), 3));
}

#[tokio::test(start_paused = true)]
async fn after_three_errors_the_fate_is_unknown() {
    let provider = Scripted::new([Act::Fail; 3]);
    let answer = guarded(&provider).charge(&charge(), &CardToken::default()).await;
    assert_eq!((answer, provider.asked()), (Err(ProviderError::new("scripted")), 3));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_eight_seconds() {
    for script in [vec![Act::Hang], vec![Act::Fail, Act::Hang]] {
        let provider = Scripted::new(script);
        let started = Instant::now();
        assert!(guarded(&provider).status(&charge()).await.is_err());
        assert_eq!(started.elapsed().as_secs(), 8);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_five_times_is_left_alone_then_tried_once() {
    let provider = Scripted::new([Act::Fail; 15]);
    let guarded = guarded(&provider);
    for _ in 0..5 {
        assert_eq!(guarded.condition(), Condition::Up);
        assert!(guarded.status(&charge()).await.is_err());
    }
    assert_eq!(provider.asked(), 15);
    let until = Noon.now() + Duration::from_secs(10);
    assert_eq!(guarded.condition(), Condition::Resting { until });
    // What is not asked is not known.
    assert!(guarded.status(&charge()).await.is_err());
    assert!(guarded.void(&charge()).await.is_err());
    assert_eq!(provider.asked(), 15);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(guarded.condition(), Condition::Up);
    assert_eq!(guarded.status(&charge()).await, Ok(ChargeState::CAPTURED));
    assert_eq!(provider.asked(), 16);
}
