//! The checkout reaction on the followers' engine. It is fed as a sink, since it keeps its own
//! place: not the last event it has seen, but the one before the oldest purchase under way, so that
//! whoever comes after it reads that purchase again.

use std::sync::Arc;
use std::time::Duration;

use commands::Commands;
use commands::reactions::checkout::Checkout;
use domain::stored::{Place, Recorded};
use projections::checkpoint::{self, Checkpoint};
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

/// How often it looks for purchases that were left, and stores its place.
const ROUND: Duration = Duration::from_millis(250);

/// How long it rests when its place could not be stored.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct CheckoutSink {
    commands: Commands,
    feed: Feed,
    at_work: Option<AtWork>,
}

/// The reaction and the task that finishes what was left, for as long as this node has the lease.
struct AtWork {
    checkout: Arc<Mutex<Checkout>>,
    rounds: AbortHandle,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.rounds.abort();
    }
}

impl CheckoutSink {
    /// Not at work yet.
    pub(super) fn new(commands: Commands, feed: Feed) -> Self {
        Self { commands, feed, at_work: None }
    }
}

impl Sink for CheckoutSink {
    const NAME: &'static str = Checkout::NAME;
    const LEASED: bool = true;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        self.at_work = None;
        let stored = stored_place(self.feed.pool()).await?;
        // In another history everything is read again: settling twice does nothing twice.
        let place = match stored {
            Some(place) if self.feed.holds(&place).await? => place,
            _ => self.feed.genesis().await?,
        };
        let checkout = Checkout::new(self.commands.clone(), place);
        let checkout = Arc::new(Mutex::new(checkout));
        let rounds = rounds(checkout.clone(), self.feed.pool().clone(), place);
        let rounds = tokio::spawn(rounds).abort_handle();
        self.at_work = Some(AtWork { checkout, rounds });
        Ok(Resume::After(place))
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        let Some(at_work) = &self.at_work else { return Ok(()) };
        at_work.checkout.lock().await.note(events).map_err(FollowerError::handler)
    }
}

async fn rounds(checkout: Arc<Mutex<Checkout>>, pool: PgPool, mut stored: Place) {
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let place = {
            let mut checkout = checkout.lock().await;
            checkout.finish_overdue().await;
            checkout.place()
        };
        if place == stored {
            continue;
        }
        match store_place(&pool, &place).await {
            Ok(()) => stored = place,
            Err(error) => {
                tracing::warn!(%error, "the place of the checkout cannot be stored");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn stored_place(pool: &PgPool) -> Result<Option<Place>, FollowerError> {
    let live = checkpoint::live(&mut *pool.acquire().await?, Checkout::NAME).await?;
    Ok(live.map(|checkpoint| checkpoint.place))
}

async fn store_place(pool: &PgPool, place: &Place) -> Result<(), FollowerError> {
    let mut connection = pool.acquire().await?;
    checkpoint::put(&mut connection, Checkout::NAME, &Checkpoint::only(*place)).await
}
