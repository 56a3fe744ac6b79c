//! A payment provider in process, for everything but production. The card token decides what it
//! does. Its books are its own: its own tables, its own transactions, as durable as a real
//! provider's, and they survive our crashes.
//!
//! | card token | what happens |
//! |---|---|
//! | none, `tok_approve`, any other | the money is taken |
//! | `tok_decline` | the card is declined: `PAYMENT_DECLINED` |
//! | `tok_decline_insufficient_funds` | … `INSUFFICIENT_FUNDS` |
//! | `tok_decline_expired_card` | … `EXPIRED_CARD` |
//! | `tok_decline_stolen_card` | … `STOLEN_CARD` |
//! | `tok_pending` | pending, until a webhook, a capture or a void decides |
//! | `tok_pending_success` | pending; taken after the delay, with a webhook |
//! | `tok_pending_failure` | pending; declined after the delay, with a webhook |
//! | `tok_timeout` | the money is taken, but the answer is lost each time; the status tells |
//! | `tok_duplicate_webhook` | the money is taken, and one webhook tells it three times |
//! | `tok_webhook_first` | the money is taken; the webhook comes before the answer |
//! | `tok_capture_after_void` | pending; a void is confirmed, but the money is taken after the delay all the same, with a webhook |
//! | `tok_late_refund` | the money is taken; given back after the delay, with a webhook |
//! | `tok_chargeback` | the money is taken; charged back after the delay, with a webhook |
//! | `tok_refund_refused` | the money is taken; refunds are refused |
//!
//! Webhooks are `succeeded`, `failed`, `refunded` or `charged_back`, signed as [`message`] says.
//! Whoever has the secret may send one for a pending charge: the sandbox takes it for the word of
//! the bank behind it.

mod agenda;
mod books;
mod card;
mod message;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};

use self::books::{Entry, Wishes};
use self::card::{Card, State};
use self::webhooks::{Courier, Letter};
use super::{
    CardToken, Charge, ChargeState, Delivery, Notice, PaymentProvider, ProviderError,
    ProviderRecord, Refund, RefundState, Untrusted,
};
use crate::clock::Clock;
use crate::secret::Secret;

/// Charges waiting to be recorded; more wait in line.
const QUEUE: usize = 4_096;
/// Charges recorded in one transaction.
const BATCH: usize = 256;
/// How long a message that is sent at once is left to whoever sends it.
const SENT_AT_ONCE: Duration = Duration::from_secs(10);

/// How the sandbox behaves.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// What its messages are signed with: the newest first, which signs; older ones still count.
    pub secrets: Vec<Secret>,
    /// How much later that happens which happens later, on the club's clock.
    pub delay: Duration,
    /// Where its messages go, once that is known.
    pub address: watch::Receiver<Option<String>>,
}

impl Default for SandboxSettings {
    /// Believes and sends no messages.
    fn default() -> Self {
        let (_, address) = watch::channel(None);
        Self { secrets: vec![], delay: Duration::from_secs(2), address }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Sandbox {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    delay: Duration,
    courier: Courier,
    address: watch::Receiver<Option<String>>,
    asks: mpsc::Sender<Ask>,
    agenda: mpsc::Sender<()>,
    outbox: mpsc::Sender<()>,
}

/// Something that is done for many at once; answered by how the charge stands then.
struct Ask {
    charge_id: String,
    wish: Wish,
    answer: oneshot::Sender<Result<ChargeState, ProviderError>>,
}

enum Wish {
    /// The first is recorded; later ones learn what was recorded.
    Record(Box<Entry>),
    /// Decide it, if it is still pending.
    Decide(State),
    /// Only tell.
    Tell,
}

impl Sandbox {
    /// Starts the provider on its books.
    ///
    /// # Errors
    /// If nothing can be sent from this machine.
    pub fn start(
        pool: PgPool,
        clock: Arc<dyn Clock>,
        settings: SandboxSettings,
    ) -> Result<Self, ProviderError> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(ProviderError::new)?;
        let courier = Courier { http, secrets: settings.secrets };
        let (asks, asked) = mpsc::channel(QUEUE);
        let (agenda, agenda_woken) = mpsc::channel(1);
        let (outbox, outbox_woken) = mpsc::channel(1);
        let address = settings.address;
        tokio::spawn(keep_books(pool.clone(), clock.clone(), asked));
        tokio::spawn(agenda::keep_agenda(
            pool.clone(),
            clock.clone(),
            outbox.clone(),
            agenda_woken,
        ));
        tokio::spawn(agenda::keep_outbox(
            pool.clone(),
            clock.clone(),
            courier.clone(),
            address.clone(),
            outbox_woken,
        ));
        let delay = settings.delay;
        Ok(Self { pool, clock, delay, courier, address, asks, agenda, outbox })
    }

    /// Asks together with others.
    async fn ask(&self, charge: &Charge, wish: Wish) -> Result<ChargeState, ProviderError> {
        let (answer, answered) = oneshot::channel();
        let gone = || ProviderError::new("the sandbox has ended");
        let ask = Ask { charge_id: charge.charge_id.to_string(), wish, answer };
        self.asks.send(ask).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Records a charge whose card does something by itself.
    async fn record_with_consequences(
        &self,
        charge: &Charge,
        card: Card,
    ) -> Result<ChargeState, ProviderError> {
        let now = self.clock.now();
        let deed = card.deed().map(|deed| (deed, now + self.delay));
        let sent_here = card == Card::WebhookFirst;
        let due_at = if sent_here { now + SENT_AT_ONCE } else { now };
        let letter = (card.messages() > 0).then(|| {
            let letter = Letter::new(charge.receipt_code.to_string(), "succeeded", None);
            letter.times(card.messages(), due_at)
        });
        let entry = Entry::of(charge, card);
        let (state, is_new) =
            books::record_with_consequences(&self.pool, &entry, deed, letter.as_ref(), now)
                .await
                .map_err(ProviderError::new)?;
        self.wake();
        match letter {
            Some(letter) if is_new && sent_here => self.send_at_once(&letter).await?,
            _ => {}
        }
        Ok(state)
    }

    async fn send_at_once(&self, letter: &Letter) -> Result<(), ProviderError> {
        let address = self.address.borrow().clone();
        let Some(address) = address else { return Ok(()) };
        if self.courier.send(letter, &address, self.clock.now()).await {
            webhooks::confirm(&self.pool, letter).await.map_err(ProviderError::new)?;
        }
        Ok(())
    }

    /// Something may be due.
    fn wake(&self) {
        // If there is no room, they have been woken already.
        let _ = self.agenda.try_send(());
        let _ = self.outbox.try_send(());
    }

    async fn take(&self, charge: &Charge, card: &CardToken) -> Result<ChargeState, ProviderError> {
        let card = Card::of(card.reveal());
        let state = if card.deed().is_some() || card.messages() > 0 {
            self.record_with_consequences(charge, card).await?
        } else {
            self.ask(charge, Wish::Record(Box::new(Entry::of(charge, card)))).await?
        };
        if card == Card::Timeout {
            return Err(ProviderError::new("the sandbox's answer was lost, as its card says"));
        }
        Ok(state)
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
        self.take(charge, card).boxed()
    }

    fn status<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        self.ask(charge, Wish::Tell).boxed()
    }

    fn capture<'a>(
        &'a self,
        charge: &'a Charge,
    ) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        books::capture(&self.pool, charge).map(told).boxed()
    }

    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<ChargeState, ProviderError>> {
        async {
            let now = self.clock.now();
            let state = told(books::void(&self.pool, charge, now, now + self.delay).await);
            self.wake();
            state
        }
        .boxed()
    }

    fn refund<'a>(
        &'a self,
        charge: &'a Charge,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        books::refund(&self.pool, charge, refund, self.clock.now()).map(told).boxed()
    }

    fn verify(&self, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<Notice, Untrusted> {
        message::verify(&self.courier.secrets, delivery, now)
    }

    fn take_note<'a>(
        &'a self,
        charge: &'a Charge,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async {
            match books::decision(notice) {
                Some(state) => self.ask(charge, Wish::Decide(state)).await.map(drop),
                None => told(books::take_note(&self.pool, charge, notice).await),
            }
        }
        .boxed()
    }

    fn records<'a>(
        &'a self,
        after: Option<&'a ProviderRecord>,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecord>, ProviderError>> {
        books::records(&self.pool, after).boxed()
    }
}

fn told<T>(answer: sqlx::Result<T>) -> Result<T, ProviderError> {
    answer.map_err(ProviderError::new)
}

/// Keeps the books in batches: while one is being written, the next one gathers.
async fn keep_books(pool: PgPool, clock: Arc<dyn Clock>, mut asked: mpsc::Receiver<Ask>) {
    let mut batch = Vec::with_capacity(BATCH);
    while asked.recv_many(&mut batch, BATCH).await > 0 {
        let mut wishes = Wishes::default();
        let mut answers = Vec::with_capacity(batch.len());
        for Ask { charge_id, wish, answer } in batch.drain(..) {
            match wish {
                Wish::Record(entry) => wishes.entries.push(*entry),
                Wish::Decide(state) => wishes.decisions.push((charge_id.clone(), state)),
                Wish::Tell => wishes.asked.push(charge_id.clone()),
            }
            answers.push((charge_id, answer));
        }
        let states = books::fulfil(&pool, &wishes, clock.now()).await;
        for (charge_id, answer) in answers {
            let state = match &states {
                Ok(states) => Ok(states.get(&charge_id).copied().unwrap_or(ChargeState::Unknown)),
                Err(error) => Err(ProviderError::new(error)),
            };
            // Whoever has gone away asks again.
            let _ = answer.send(state);
        }
    }
}
