//! What the sandbox does by itself: its agenda and its outbox, looked at a few times a second while
//! something waits there, and now and then otherwise, for what another node has left behind.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use super::books;
use super::card::Deed;
use super::webhooks::{self, Courier};
use crate::clock::Clock;

/// Between two looks while something waits.
const BUSY: Duration = Duration::from_millis(200);
/// Between two looks otherwise.
const IDLE: Duration = Duration::from_secs(5);
/// Deeds in one transaction.
const BATCH: i64 = 100;

/// Does what is due until the provider is gone. Whoever keeps the outbox is told of new messages.
pub(super) async fn keep_agenda(
    pool: PgPool,
    clock: Arc<dyn Clock>,
    outbox: mpsc::Sender<()>,
    mut woken: mpsc::Receiver<()>,
) {
    loop {
        let waiting = do_due(&pool, &outbox, clock.now()).await;
        if !pause(&mut woken, waiting).await {
            return;
        }
    }
}

/// Sends what is due until the provider is gone.
pub(super) async fn keep_outbox(
    pool: PgPool,
    clock: Arc<dyn Clock>,
    courier: Courier,
    address: watch::Receiver<Option<String>>,
    mut woken: mpsc::Receiver<()>,
) {
    loop {
        let to = address.borrow().clone();
        let waiting = match to {
            Some(to) => webhooks::deliver(&pool, &courier, &to, clock.now()).await,
            // It will be known soon, and until then nothing is asked.
            None => Ok(true),
        };
        if !pause(&mut woken, waiting).await {
            return;
        }
    }
}

/// Until it is time for the next look. `false` if the provider is gone.
async fn pause(woken: &mut mpsc::Receiver<()>, waiting: sqlx::Result<bool>) -> bool {
    let pause = match waiting {
        Ok(true) => BUSY,
        Ok(false) => IDLE,
        Err(error) => {
            tracing::warn!(%error, "the sandbox's tables cannot be read");
            IDLE
        }
    };
    tokio::time::timeout(pause, woken.recv()).await.unwrap_or(Some(())).is_some()
}

/// Does what is due. Returns whether anything waits.
async fn do_due(
    pool: &PgPool,
    outbox: &mpsc::Sender<()>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let first: Option<DateTime<Utc>> =
        sqlx::query_scalar("select min(due_at) from sandbox.agenda").fetch_one(pool).await?;
    let Some(first) = first else { return Ok(false) };
    if first > now {
        return Ok(true);
    }
    let mut transaction = pool.begin().await?;
    let due: Vec<(String, String)> = sqlx::query_as(
        "delete from sandbox.agenda where number in \
             (select number from sandbox.agenda where due_at <= $1 \
               order by due_at limit $2 for update skip locked) \
         returning charge_id, deed",
    )
    .bind(now)
    .bind(BATCH)
    .fetch_all(&mut *transaction)
    .await?;
    for (charge_id, deed) in due {
        let Some(deed) = Deed::from_name(&deed) else { continue };
        if let Some(letter) = books::do_deed(&mut *transaction, &charge_id, deed).await? {
            webhooks::post(&mut transaction, &letter).await?;
        }
    }
    transaction.commit().await?;
    // If there is no room, it has been woken already.
    let _ = outbox.try_send(());
    Ok(true)
}
