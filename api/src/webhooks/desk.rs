//! The table of the provider's messages, written in batches: while one is being written, the next one
//! gathers. A message costs a part of a commit, not two of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use commands::payments::Notice;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use crate::error::{ApiError, Reason};

/// Messages that wait to be written; more wait in line.
const QUEUE: usize = 1_024;
/// Messages written in one transaction.
const BATCH: usize = 256;

/// A message that came in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) provider: &'static str,
    pub(super) notice: Notice,
    pub(super) body: Vec<u8>,
    /// Whether somebody settles it at once, and is left alone with it for a while.
    pub(super) in_hand: bool,
}

enum Slip {
    Keep(Box<Incoming>, oneshot::Sender<Result<bool, Arc<sqlx::Error>>>),
    Settled(String),
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Desk(mpsc::Sender<Slip>);

impl Desk {
    /// Starts writing.
    pub(super) fn open(pool: PgPool) -> Self {
        let (slips, incoming) = mpsc::channel(QUEUE);
        tokio::spawn(write(pool, incoming));
        Self(slips)
    }

    /// Keeps a message, durably; false if it had come before.
    ///
    /// # Errors
    /// If the database does not answer.
    pub(super) async fn keep(&self, incoming: Incoming) -> Result<bool, ApiError> {
        let (answer, answered) = oneshot::channel();
        let away = |_| {
            let detail = "the message cannot be kept now: send it again";
            ApiError::new(Reason::DatabaseUnavailable, detail)
        };
        let slip = Slip::Keep(Box::new(incoming), answer);
        self.0.send(slip).await.map_err(|_| away(()))?;
        let kept = answered.await.map_err(|_| away(()))?;
        kept.map_err(|error| away(()).because(anyhow::anyhow!("{error}")))
    }

    /// A message is settled. If this is lost in a crash, it is settled once more, which does nothing.
    pub(super) async fn settled(&self, event_id: String) {
        // Nobody writes any more: the process ends.
        let _ = self.0.send(Slip::Settled(event_id)).await;
    }
}

async fn write(pool: PgPool, mut slips: mpsc::Receiver<Slip>) {
    let mut batch = Vec::with_capacity(BATCH);
    while slips.recv_many(&mut batch, BATCH).await > 0 {
        let (mut kept, mut answers, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for slip in batch.drain(..) {
            match slip {
                Slip::Keep(incoming, answer) => {
                    kept.push(*incoming);
                    answers.push(answer);
                }
                Slip::Settled(event_id) => settled.push(event_id),
            }
        }
        if let Err(error) = close(&pool, &settled).await {
            // They are settled once more, later.
            tracing::warn!(%error, "messages cannot be closed");
        }
        let mut written = insert(&pool, &kept).await.map_err(Arc::new);
        for (incoming, answer) in kept.iter().zip(answers) {
            // Of two with one name in a batch, the first is the new one.
            let is_new = match &mut written {
                Ok(new) => Ok(new.remove(&incoming.notice.event_id)),
                Err(error) => Err(error.clone()),
            };
            let _ = answer.send(is_new);
        }
    }
}

/// The names of those that are new.
async fn insert(pool: &PgPool, kept: &[Incoming]) -> Result<HashSet<String>, sqlx::Error> {
    if kept.is_empty() {
        return Ok(HashSet::new());
    }
    let mut by_name: HashMap<&str, &Incoming> = HashMap::new();
    for incoming in kept {
        by_name.entry(&incoming.notice.event_id).or_insert(incoming);
    }
    // In one order on all nodes, so that two never wait for each other.
    let mut rows: Vec<&Incoming> = by_name.into_values().collect();
    rows.sort_by(|a, b| a.notice.event_id.cmp(&b.notice.event_id));
    let texts = |text: fn(&Incoming) -> Option<String>| -> Vec<Option<String>> {
        rows.iter().map(|incoming| text(incoming)).collect()
    };
    let new: Vec<String> = sqlx::query_scalar(
        "insert into payments.webhooks
                (event_id, provider, receipt_code, payment, status, reason, body, attempts,
                 next_try_at)
         select id, provider, receipt, payment, status, reason, body, in_hand::int,
                now() + in_hand::int * interval '30 seconds'
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                       $7::bytea[], $8::bool[])
             as message (id, provider, receipt, payment, status, reason, body, in_hand)
         on conflict (event_id) do nothing returning event_id",
    )
    .bind(texts(|incoming| Some(incoming.notice.event_id.clone())))
    .bind(texts(|incoming| Some(incoming.provider.to_owned())))
    .bind(texts(|incoming| Some(incoming.notice.receipt_code?.to_string())))
    .bind(texts(|incoming| incoming.notice.payment.clone()))
    .bind(texts(|incoming| Some(incoming.notice.status.clone())))
    .bind(texts(|incoming| incoming.notice.reason.clone()))
    .bind(rows.iter().map(|incoming| &incoming.body[..]).collect::<Vec<_>>())
    .bind(rows.iter().map(|incoming| incoming.in_hand).collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    Ok(new.into_iter().collect())
}

async fn close(pool: &PgPool, settled: &[String]) -> Result<(), sqlx::Error> {
    if settled.is_empty() {
        return Ok(());
    }
    let update = "update payments.webhooks set settled_at = now(), error = null
                   where event_id = any($1) and settled_at is null";
    sqlx::query(update).bind(settled).execute(pool).await?;
    Ok(())
}
