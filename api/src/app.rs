//! Everything that a request may need, put together in one place.

use std::ops::Deref;
use std::sync::Arc;

use anyhow::Context;
use commands::bus::Limits;
use commands::clock::{Clock, MovedClock};
use commands::codes::Codes;
use commands::log::Log;
use commands::log::postgres::PostgresLog;
use commands::shop::PendingPurchases;
use commands::{Bus, Commands, FingerprintKey};
use metrics_exporter_prometheus::PrometheusHandle;
use projections::engine::Followers;
use projections::feed::Feed;
use projections::follower::FollowerHandle;
use sqlx::PgPool;
use tokio::sync::{Semaphore, watch};

use crate::auth::grant_pace::GrantPace;
use crate::auth::languages::Languages;
use crate::auth::lockout::Lockout;
use crate::auth::password::Passwords;
use crate::auth::profile::Profiles;
use crate::auth::reset::Resets;
use crate::auth::second_factors::SecondFactors;
use crate::auth::services::{Credentials, ServiceKey};
use crate::auth::sessions::Sessions;
use crate::auth::signing::Keeper;
use crate::auth::standings::Standings;
use crate::auth::tokens::Tokens;
use crate::auth::users::Users;
use crate::config::Config;
use crate::edge::Figures;
use crate::exports;
use crate::limits::RateLimits;
use crate::live::{Hub, Tickets};
use crate::mail::{Composer, Mail};
use crate::olap::Olap;
use crate::payments;
use crate::positions::Positions;
use crate::webhooks::Webhooks;
use crate::worker::Worker;

/// The running service, as handlers see it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What it is made of.
pub struct Parts {
    /// All settings.
    pub config: Config,
    /// The write side.
    pub commands: Commands,
    /// The log by position.
    pub feed: Feed,
    /// The database, as the service's role.
    pub pool: PgPool,
    /// The follower that keeps the read models.
    pub read_models: FollowerHandle,
    /// All followers.
    pub followers: Followers,
    /// Who listens to what, live.
    pub hub: Hub,
    /// The payment provider's messages.
    pub webhooks: Webhooks,
    /// The clock, where it may be moved: not in production.
    pub moved_clock: Option<Arc<MovedClock>>,
    /// What opens a live feed.
    pub tickets: Tickets,
    /// The identity table.
    pub users: Users,
    /// Who is spoken to in which language.
    pub languages: Languages,
    /// What people may change about themselves.
    pub profiles: Profiles,
    /// Passwords that were forgotten or are changed.
    pub resets: Resets,
    /// Mail that is due and was sent.
    pub mail: Mail,
    /// Writes what mails say.
    pub composer: Composer,
    /// The follower that puts mail into the outbox.
    pub mail_follower: FollowerHandle,
    /// Figures of everything that has happened.
    pub olap: Olap,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Codes besides passwords.
    pub second_factors: SecondFactors,
    /// Signs and verifies access tokens.
    pub tokens: Tokens,
    /// Keeps the keys by which that is done.
    pub keeper: Keeper,
    /// Begins, continues and ends sessions.
    pub sessions: Sessions,
    /// Who may do what now.
    pub standings: Standings,
    /// Counts wrong passwords.
    pub lockout: Lockout,
    /// Counts requests.
    pub limits: RateLimits,
    /// Programs outside that the club knows.
    pub services: Credentials,
    /// How much gold each of the staff gives in a short time.
    pub grant_pace: GrantPace,
    /// How many documents about people are made at once.
    pub exports: Arc<Semaphore>,
    /// What callers have been told.
    pub positions: Positions,
    /// Counts requests.
    pub figures: Figures,
    /// Renders what was counted.
    pub metrics: PrometheusHandle,
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts it together on a running write side and its followers.
    ///
    /// # Errors
    /// If the keys cannot be read.
    pub async fn new(
        config: Config,
        commands: Commands,
        pool: PgPool,
        (worker, mail, olap): (&Worker, Mail, Olap),
        moved_clock: Option<Arc<MovedClock>>,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let now = commands.clock.now();
        let (keeper, tokens) = Keeper::start(&pool, &config.auth, now).await?;
        let users = Users::new(pool.clone());
        let fingerprints = commands.fingerprints.clone();
        let failures = config.rates.sign_in_failures;
        let lockout = Lockout::new(pool.clone(), fingerprints, failures);
        let limits = RateLimits::new(&config.rates, moved_clock.as_ref());
        let services = Credentials::new(pool.clone(), ServiceKey::new(&config.auth.service_key));
        let second_factors = SecondFactors::new(pool.clone(), config.auth.totp_key.clone());
        Ok(Self(Arc::new(Parts {
            config,
            commands,
            feed: worker.feed.clone(),
            read_models: worker.read_models.clone(),
            followers: worker.followers(),
            hub: worker.hub.clone(),
            webhooks: worker.webhooks.clone(),
            moved_clock,
            tickets: Tickets::new(pool.clone()),
            languages: Languages::new(users.clone()),
            resets: Resets::new(pool.clone(), mail.clone()),
            profiles: Profiles::new(pool.clone(), mail.clone()),
            mail,
            composer: worker.composer.clone(),
            mail_follower: worker.mail.clone(),
            olap,
            users,
            passwords: Passwords::default(),
            second_factors,
            tokens,
            keeper,
            sessions: Sessions::new(pool.clone()),
            standings: worker.standings.clone(),
            lockout,
            limits,
            services,
            grant_pace: GrantPace::default(),
            exports: Arc::new(Semaphore::new(exports::AT_ONCE)),
            positions: Positions::default(),
            figures: Figures::default(),
            metrics,
            pool,
        })))
    }
}

/// Starts the write side on this database. The sandbox, if that is who takes payments, sends its
/// messages to `webhook_address`.
///
/// # Errors
/// If the log cannot be reached.
pub async fn start_commands(
    config: &Config,
    pool: &PgPool,
    clock: Arc<dyn Clock>,
    webhook_address: watch::Receiver<Option<String>>,
) -> anyhow::Result<Commands> {
    let log = PostgresLog::connect(config.database.url.reveal(), pool.clone()).await;
    let log: Arc<dyn Log> = Arc::new(log.context("the log cannot be read")?);
    let bus = Bus::start(log.clone(), clock.clone(), Limits::default()).await;
    let provider = payments::start(config, pool, &clock, webhook_address).await?;
    Ok(Commands {
        bus: bus.context("the log cannot be read")?,
        codes: Codes::new(log),
        clock,
        provider,
        fingerprints: FingerprintKey::new(config.club.fingerprint_key.reveal().as_bytes()),
        policy: config.shop.policy,
        approvals: config.approvals,
        pending: PendingPurchases::default(),
        streak_grace_days: config.club.streak_grace_days,
    })
}
