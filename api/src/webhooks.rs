//! Messages of the payment provider: kept raw, then settled. A message is only a hint that something
//! has happened; what has, the provider is asked. So they may come twice, late and in any order.

mod desk;

use std::sync::Arc;
use std::time::Duration;

use commands::payments::Notice;
use commands::shop::{ShopRefusal, UnderWay};
use commands::{Caller, Commands, Failure};
use domain::id::{PlayerId, ReceiptCode};
use projections::read_models::purchases;
use sqlx::{PgPool, Row};
use tokio::sync::{Notify, Semaphore, watch};

use crate::error::{ApiError, Reason};
use desk::{Desk, Incoming};

/// How often messages are looked for that another node has left.
const ROUND: Duration = Duration::from_secs(1);
/// Messages settled in one round.
const AT_ONCE: usize = 32;
/// Messages that are settled by whoever took them in, at once; more are left to the rounds.
const HANDS: usize = 64;
/// After so many attempts a message is given up; the checkout reaction and reconciliation remain.
const ATTEMPTS: i32 = 20;
/// The longest event id and message that are kept.
const LONGEST_EVENT_ID: usize = 255;
const LONGEST_BODY: usize = 64 * 1024;
/// Who settles what a message was about.
const NAME: &str = "webhook";

/// Keeps and settles messages.
#[derive(Debug, Clone)]
pub struct Webhooks {
    pool: PgPool,
    desk: Desk,
    wake: Arc<Notify>,
    /// Messages being settled by whoever took them in.
    hands: Arc<Semaphore>,
}

/// A message that is not settled yet.
struct Open {
    notice: Notice,
    attempts: i32,
}

/// What became of an attempt.
enum Outcome {
    Settled,
    Later(String),
    Hopeless(String),
}

impl Webhooks {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let desk = Desk::open(pool.clone());
        Self { pool, desk, wake: Arc::default(), hands: Arc::new(Semaphore::new(HANDS)) }
    }

    /// Keeps a message that was believed, and begins to settle it; false if it had come before.
    ///
    /// # Errors
    /// If it is too long, or the database does not answer.
    pub async fn take(
        &self,
        commands: &Commands,
        notice: Notice,
        body: &[u8],
    ) -> Result<bool, ApiError> {
        if notice.event_id.len() > LONGEST_EVENT_ID || body.len() > LONGEST_BODY {
            return Err(ApiError::new(Reason::BodyTooLarge, "the message is too long"));
        }
        let hand = self.hands.clone().try_acquire_owned().ok();
        let (provider, in_hand) = (commands.provider.name(), hand.is_some());
        let incoming = Incoming { provider, notice: notice.clone(), body: body.to_vec(), in_hand };
        let is_new = self.desk.keep(incoming).await?;
        match hand {
            Some(hand) if is_new => {
                let (webhooks, commands) = (self.clone(), commands.clone());
                tokio::spawn(async move {
                    webhooks.settle_and_close(&commands, Open { notice, attempts: 1 }).await;
                    drop(hand);
                });
            }
            _ => self.wake.notify_one(),
        }
        Ok(is_new)
    }

    /// Settles messages until it is told to end. Several nodes may: a message in the hands of one is
    /// skipped by the others.
    pub async fn run(self, commands: Commands, mut ending: watch::Receiver<bool>) {
        loop {
            let looked = self.round(&commands).await;
            let found = looked.unwrap_or_else(|error| {
                tracing::warn!(%error, "the provider's messages cannot be looked through");
                0
            });
            if found >= AT_ONCE {
                continue;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(ROUND) => {}
                _ = ending.wait_for(|end| *end) => return,
            }
        }
    }

    /// Takes what is due and settles it; how many there were.
    async fn round(&self, commands: &Commands) -> Result<usize, sqlx::Error> {
        // Taken for half a minute: if this node dies, another takes it again.
        let rows = sqlx::query(
            "update payments.webhooks set attempts = attempts + 1,
                    next_try_at = now() + interval '30 seconds'
              where event_id in (
                    select event_id from payments.webhooks
                     where settled_at is null and given_up_at is null and next_try_at <= now()
                     order by next_try_at limit $1 for update skip locked)
             returning event_id, receipt_code, payment, status, reason, attempts",
        )
        .bind(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            let receipt: Option<String> = row.try_get("receipt_code")?;
            let notice = Notice {
                event_id: row.try_get("event_id")?,
                receipt_code: receipt.and_then(|receipt| receipt.parse().ok()),
                payment: row.try_get("payment")?,
                status: row.try_get("status")?,
                reason: row.try_get("reason")?,
            };
            taken.push(Open { notice, attempts: row.try_get("attempts")? });
        }
        let found = taken.len();
        let settling = taken.into_iter().map(|open| self.settle_and_close(commands, open));
        futures::future::join_all(settling).await;
        Ok(found)
    }

    async fn settle_and_close(&self, commands: &Commands, open: Open) {
        let outcome = self.settle(commands, &open).await;
        if let Err(error) = self.close(&open, outcome).await {
            // It is settled, or will be tried again: neither does harm.
            tracing::warn!(%error, event_id = open.notice.event_id, "a message cannot be closed");
        }
    }

    async fn settle(&self, commands: &Commands, open: &Open) -> Outcome {
        let receipt = match commands.provider.receipt_of(&open.notice).await {
            Ok(Some(receipt)) => receipt,
            Ok(None) => return Outcome::Hopeless("it is about no purchase of ours".to_owned()),
            Err(error) => return Outcome::Later(error.to_string()),
        };
        let purchase = match self.purchase(commands, receipt).await {
            Ok(Some(purchase)) => purchase,
            // It may be faster than the read models.
            Ok(None) => return Outcome::Later("there is no such purchase yet".to_owned()),
            Err(error) => return Outcome::Later(error),
        };
        if let Err(error) = commands.provider.take_note(&purchase.charge(), &open.notice).await {
            return Outcome::Later(error.to_string());
        }
        let caller = Caller {
            cause: Some(format!("{NAME}/{}", open.notice.event_id)),
            ..Caller::system(NAME)
        };
        match commands.settle(&caller, &purchase).await {
            Ok(_) => Outcome::Settled,
            Err(Failure::Refused { refusal: ShopRefusal::ProviderSilent, .. }) => {
                Outcome::Later("the provider does not answer".to_owned())
            }
            Err(failure) => Outcome::Later(failure.to_string()),
        }
    }

    async fn purchase(
        &self,
        commands: &Commands,
        receipt: ReceiptCode,
    ) -> Result<Option<UnderWay>, String> {
        if let Some(purchase) = commands.pending.find(receipt) {
            return Ok(Some(purchase));
        }
        let found = purchases::by_receipt(&self.pool, receipt).await;
        let Some(row) = found.map_err(|error| error.to_string())?.rows else { return Ok(None) };
        let player: PlayerId = row.user_id;
        let at = commands.purchase_at(player, receipt, row.requested_position).await;
        at.map_err(|error| error.to_string())
    }

    async fn close(&self, open: &Open, outcome: Outcome) -> Result<(), sqlx::Error> {
        let event_id = &open.notice.event_id;
        let (column, error) = match outcome {
            Outcome::Settled => {
                self.desk.settled(event_id.clone()).await;
                return Ok(());
            }
            Outcome::Hopeless(error) => ("given_up_at = now()", error),
            Outcome::Later(error) if open.attempts >= ATTEMPTS => {
                tracing::error!(event_id, error, "a message is given up");
                ("given_up_at = now()", error)
            }
            // 0.1 s, 0.2 s, 0.4 s … up to a minute.
            Outcome::Later(error) => (
                "next_try_at = now() + least(interval '1 minute',
                               interval '50 milliseconds' * power(2, least(attempts, 12)))",
                error,
            ),
        };
        let update =
            format!("update payments.webhooks set {column}, error = $2 where event_id = $1");
        sqlx::query(&update).bind(event_id).bind(error).execute(&self.pool).await?;
        Ok(())
    }
}
