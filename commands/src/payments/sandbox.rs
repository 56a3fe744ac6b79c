//! A payment provider in process, for everything but production. The card token decides what it
//! does. Its records are its own: its own tables, its own transactions, as durable as a real
//! provider's, and they survive our crashes.
//!
//! | card token | what happens |
//! |---|---|
//! | none, `tok_approve` | the money is taken |
//! | `tok_decline` | the card is declined |

use domain::account::FailureReason;
use domain::id::ChargeId;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::{
    CardToken, Charge, ChargeState, Delivery, Notice, PaymentProvider, ProviderError,
    ProviderRecord, Refund, RefundState, Untrusted,
};

/// Charges waiting to be recorded; more wait in line.
const QUEUE: usize = 4_096;
/// Charges recorded in one transaction.
const BATCH: usize = 256;

/// See the module.
#[derive(Clone)]
pub struct Sandbox {
    records: mpsc::Sender<Ask>,
}

/// The first wish for a charge is recorded; later ones learn what was recorded.
struct Ask {
    charge: Charge,
    wish: State,
    answer: oneshot::Sender<Result<ChargeState, ProviderError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Captured,
    Declined,
    Voided,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Voided => "voided",
        }
    }

    fn outcome(name: &str) -> Option<ChargeState> {
        match name {
            "captured" => Some(ChargeState::CAPTURED),
            "declined" => Some(ChargeState::Declined(FailureReason::PaymentDeclined)),
            "voided" => Some(ChargeState::Voided),
            _ => None,
        }
    }
}

impl Sandbox {
    /// Starts the provider on its records.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let (records, asks) = mpsc::channel(QUEUE);
        tokio::spawn(keep_records(pool, asks));
        Self { records }
    }

    async fn ask(&self, charge: Charge, wish: State) -> Result<ChargeState, ProviderError> {
        let (answer, answered) = oneshot::channel();
        let gone = || ProviderError::new("the sandbox has ended");
        self.records.send(Ask { charge, wish, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl PaymentProvider for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn charge<'a>(
        &'a self,
        charge: &'a Charge,
        card: &'a CardToken,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        let wish = match card.reveal() {
            Some("tok_decline") => State::Declined,
            _ => State::Captured,
        };
        self.ask(charge.clone(), wish).boxed()
    }

    fn status<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.ask(charge.clone(), State::Voided).boxed()
    }

    fn capture<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.status(charge)
    }

    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.ask(charge.clone(), State::Voided).boxed()
    }

    fn refund<'a>(
        &'a self,
        _: &'a Charge,
        _: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        async { Ok(RefundState::Refused) }.boxed()
    }

    fn verify(
        &self,
        _: &Delivery<'_>,
        _: chrono::DateTime<chrono::Utc>,
    ) -> Result<Notice, Untrusted> {
        Err(Untrusted::Signature)
    }

    fn records<'a>(
        &'a self,
        _: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>> {
        async { Ok(vec![]) }.boxed()
    }
}

/// Records charges in batches: while one is being written, the next one gathers.
async fn keep_records(pool: PgPool, mut asks: mpsc::Receiver<Ask>) {
    let mut batch = Vec::with_capacity(BATCH);
    while asks.recv_many(&mut batch, BATCH).await > 0 {
        let recorded = record(&pool, &batch).await;
        for ask in batch.drain(..) {
            let outcome = match &recorded {
                Ok(states) => find(states, ask.charge.charge_id),
                Err(error) => Err(ProviderError::new(error)),
            };
            // Whoever has gone away asks again.
            let _ = ask.answer.send(outcome);
        }
    }
}

fn find(states: &[(String, String)], charge: ChargeId) -> Result<ChargeState, ProviderError> {
    let charge = charge.to_string();
    let state =
        states.iter().find(|(id, _)| *id == charge).and_then(|(_, state)| State::outcome(state));
    state.ok_or_else(|| ProviderError::new(format_args!("charge {charge} was not recorded")))
}

/// Whoever comes first decides; everybody learns what was decided.
async fn record(pool: &PgPool, batch: &[Ask]) -> Result<Vec<(String, String)>, sqlx::Error> {
    let ids: Vec<String> = batch.iter().map(|ask| ask.charge.charge_id.to_string()).collect();
    let states: Vec<&str> = batch.iter().map(|ask| ask.wish.name()).collect();
    let cents = batch.iter().map(|ask| i64::try_from(ask.charge.amount.0).unwrap_or(i64::MAX));
    let currencies: Vec<String> = batch.iter().map(|ask| ask.charge.currency.into()).collect();
    let recorded: Vec<(String, String)> = sqlx::query_as(
        "insert into sandbox.charges (charge_id, state, amount_cents, currency) \
         select distinct on (id) * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) \
             as charge (id, state, cents, currency) \
         on conflict (charge_id) do nothing returning charge_id, state",
    )
    .bind(&ids)
    .bind(&states)
    .bind(cents.collect::<Vec<_>>())
    .bind(&currencies)
    .fetch_all(pool)
    .await?;
    if recorded.len() == ids.len() {
        return Ok(recorded);
    }
    // Some were there before.
    sqlx::query_as("select charge_id, state from sandbox.charges where charge_id = any($1)")
        .bind(&ids)
        .fetch_all(pool)
        .await
}
