//! All followers of one node, as the service runs them: the read models, the reactions checkout and
//! deeds, and the live feed. Of checkout and the live feed only what costs something without purchases
//! and screens: they look at every event.

use std::time::Duration;

use anyhow::{Result, ensure};
use commands::Commands;
use commands::reactions::checkout::Checkout;
use commands::reactions::deeds;
use domain::event::ClubEvent;
use domain::stored::Recorded;
use projections::engine::{Engine, Pace};
use projections::feed::{Batch, Feed, HANDOVER_BATCHES};
use projections::follower::{FollowerError, FollowerState, Reaction, Resume, Sink};
use sqlx::PgPool;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

/// How long the read models may take until they follow.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one node runs.
pub struct Followers {
    engine: Engine,
    shutdown: watch::Sender<bool>,
}

impl Followers {
    /// Starts all, and waits until the read models are there.
    pub async fn start(commands: &Commands, pool: &PgPool) -> Result<Self> {
        let feed = Feed::new(pool.clone(), handover(commands));
        let (shutdown, ending) = watch::channel(false);
        let mut engine = Engine::new(feed.clone(), ending);
        let read_models = engine.read_models(Pace::default());
        let place = feed.head().await?;
        engine.sink(Purchases(Checkout::new(commands.clone(), place)));
        engine.react(Deeds(commands.clone()));
        engine.sink(Screens);
        let well = read_models.wait_until_well(PATIENCE).await;
        ensure!(well, "the read models do not follow: {}", read_models.state());
        Ok(Self { engine, shutdown })
    }

    /// The lag, in milliseconds, of the one that is furthest behind. Those that stand by leave the
    /// work to another node.
    pub async fn worst_lag(&self) -> f64 {
        let all = self.engine.followers().status().await;
        let at_work = all.iter().filter(|one| one.state != FollowerState::StandingBy);
        at_work.map(|one| one.lag_ms).max().unwrap_or(0) as f64
    }

    /// Ends them; each finishes its page.
    pub async fn stop(self) {
        self.shutdown.send_replace(true);
        self.engine.stopped().await;
    }
}

/// What the bus sees written, for the followers in its process.
fn handover(commands: &Commands) -> broadcast::Sender<Batch> {
    let mut batches = commands.bus.subscribe();
    let (sender, _) = broadcast::channel(HANDOVER_BATCHES);
    let to_followers = sender.clone();
    tokio::spawn(async move {
        loop {
            match batches.recv().await {
                // Nobody may be listening yet.
                Ok(batch) => drop(to_followers.send(batch)),
                // Followers see the gap and read what is missing.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    sender
}

/// Looks for purchases, of which there are none.
struct Purchases(Checkout);

impl Sink for Purchases {
    const NAME: &'static str = Checkout::NAME;
    const LEASED: bool = true;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        Ok(Resume::Head)
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        self.0.note(events).map_err(FollowerError::handler)
    }
}

/// Makes actions of what the club itself sees its players do.
struct Deeds(Commands);

impl Reaction for Deeds {
    const NAME: &'static str = deeds::NAME;

    async fn handle(&mut self, events: &[&Recorded]) -> Result<(), FollowerError> {
        deeds::follow(&self.0, events).await.map_err(FollowerError::handler)
    }
}

/// Looks for screens to tell, of which there are none.
struct Screens;

impl Sink for Screens {
    const NAME: &'static str = "live_feed";
    const LEASED: bool = false;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        Ok(Resume::Head)
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        for recorded in events {
            ClubEvent::decode(recorded).map_err(FollowerError::handler)?;
        }
        Ok(())
    }
}
