//! What runs besides requests: the followers of this process, and the one order in which all of it
//! ends.

mod checkout;
mod deeds;
mod erasures;
mod expiry;
mod jobs;
mod past_play;
mod payouts;

use std::time::Duration;

use commands::Commands;
use projections::engine::{Engine, Followers, Pace};
use projections::feed::{Feed, HANDOVER_BATCHES};
use projections::follower::FollowerHandle;
use projections::sinks::clickhouse;
use projections::sinks::kafka::{self, Kafka, Relay};
use sqlx::PgPool;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::auth::standings::{Standings, StandingsSink};
use crate::faults::Fault;
use crate::live::{self, Hub, LiveFeed};
use crate::mail::{self, Composer, Mail, MailSink};
use crate::olap::Olap;
use crate::webhooks::Webhooks;
use checkout::CheckoutSink;
use deeds::Deeds;

/// Followers that feed what others use: the club is as good without them, so a node is ready all the
/// same, and says how they are.
pub const OUTWARD: [&str; 2] = [kafka::NAME, clickhouse::NAME];

/// How long followers may take to finish their page.
const STOP_PATIENCE: Duration = Duration::from_secs(4);

/// The followers of this process.
pub struct Worker {
    /// The log by position.
    pub feed: Feed,
    /// The follower that keeps the read models.
    pub read_models: FollowerHandle,
    /// Who listens to what, live.
    pub hub: Hub,
    /// Who may do what now.
    pub standings: Standings,
    /// The provider's messages.
    pub webhooks: Webhooks,
    /// The follower that puts mail into the outbox.
    pub mail: FollowerHandle,
    /// Writes what mails say.
    pub composer: Composer,
    engine: Engine,
    chores: JoinSet<()>,
    shutdown: watch::Sender<bool>,
}

impl Worker {
    /// Starts every follower (read models, the reactions checkout and deeds, the live feed, the standings,
    /// mail) and what looks after the provider's messages, expired items, past play, leaderboards that are
    /// over, jobs, those who listen, people who are erased, and mail that is due. It is sent over connections
    /// of its own. `fault`: where it shall crash, for tests.
    #[must_use]
    pub fn start(
        commands: &Commands,
        pool: &PgPool,
        hub: Hub,
        (mail, sending): (&Mail, PgPool),
        fault: Option<Fault>,
    ) -> Self {
        let feed = Feed::new(pool.clone(), handover(commands));
        let (shutdown, ending) = watch::channel(false);
        let mut engine = Engine::new(feed.clone(), ending.clone());
        let standings = Standings::new(commands.bus.heads(), commands.clock.clone());
        let read_models = engine.read_models(Pace::default());
        engine.sink(CheckoutSink::new(commands.clone(), feed.clone()));
        engine.react(Deeds(commands.clone()));
        engine.sink(LiveFeed::new(hub.clone(), feed.clone()));
        engine.sink(StandingsSink::new(standings.clone(), feed.clone()));
        let outbox = engine.sink(MailSink::new(mail.clone(), feed.clone(), commands.clock.clone()));
        let composer = Composer::new(mail.clone(), commands.clone(), feed.clone());
        let webhooks = Webhooks::new(pool.clone());
        tokio::spawn(standings.clone().watch_the_head());
        let mut chores = JoinSet::new();
        chores.spawn(webhooks.clone().run(commands.clone(), ending.clone()));
        chores.spawn(expiry::run(commands.clone(), pool.clone(), ending.clone()));
        chores.spawn(past_play::run(commands.clone(), pool.clone(), ending.clone()));
        chores.spawn(erasures::run(commands.clone(), pool.clone(), fault, ending.clone()));
        chores.spawn(payouts::run(commands.clone(), pool.clone(), ending.clone()));
        chores.spawn(jobs::run(commands.clone(), pool.clone(), ending.clone()));
        chores.spawn(live::keep_telling(hub.clone(), commands.clock.clone(), ending.clone()));
        chores.spawn(live::keep_presence(hub.clone(), pool.clone(), ending.clone()));
        chores.spawn(live::keep_boards(
            hub.clone(),
            commands.clone(),
            pool.clone(),
            ending.clone(),
        ));
        if mail.is_on() {
            let run =
                mail::run_sender(mail.clone(), composer.clone(), sending.clone(), ending.clone());
            chores.spawn(run);
            chores.spawn(mail::run_campaigns(mail.clone(), composer.clone(), sending, ending));
        }
        Self {
            feed,
            read_models,
            hub,
            standings,
            webhooks,
            mail: outbox,
            composer,
            engine,
            chores,
            shutdown,
        }
    }

    /// Starts what feeds ClickHouse, if there is one: here, or only looking on while another process does it.
    pub fn feed_clickhouse(&mut self, olap: &Olap, is_fed_here: bool, pool: &PgPool) {
        let Some(clickhouse) = olap.clickhouse() else { return };
        if is_fed_here {
            self.engine.clickhouse(clickhouse.clone());
        } else {
            self.engine.look_on(clickhouse::NAME);
        }
        let ending = self.shutdown.subscribe();
        self.chores.spawn(olap.clone().keep_counting(pool.clone(), ending));
    }

    /// Publishes events, too, or stands by for it.
    pub fn publish(&mut self, kafka: Kafka) {
        self.engine.sink(Relay::new(kafka, self.feed.clone()));
    }

    /// All followers, to ask how they are.
    #[must_use]
    pub fn followers(&self) -> Followers {
        self.engine.followers()
    }

    /// Ends them; each finishes the page it is at.
    pub async fn stop(self) {
        self.shutdown.send_replace(true);
        let stopped = async {
            self.engine.stopped().await;
            self.chores.join_all().await;
        };
        if tokio::time::timeout(STOP_PATIENCE, stopped).await.is_err() {
            tracing::warn!("a follower did not stop in time: it goes on where its place is");
        }
    }
}

/// What the bus sees written, for every follower of this process.
fn handover(commands: &Commands) -> broadcast::Sender<projections::feed::Batch> {
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
