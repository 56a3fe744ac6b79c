//! The role `serve`: checks, starts, listens, and ends in order.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::ServiceExt;
use axum::extract::Request;
use axum::serve::ListenerExt;
use commands::appender::Ending;
use commands::clock::{Clock, MovedClock, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::{self, App};
use crate::config::Config;
use crate::edge::AnySlash;
use crate::live::Hub;
use crate::mail::Mail;
use crate::olap::Olap;
use crate::worker::Worker;
use crate::{database, payments, routes, seed, telemetry};

/// How long requests and websockets may take to finish after the signal to end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// Connections to the database for sending mail, each of which is held for as long as a mail takes.
const SENDING_CONNECTIONS: u32 = 6;
/// How often recorded durations are put into their classes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the service until it is told to end.
///
/// # Errors
/// If it must not or cannot start, or its place has gone from the log.
pub async fn run(config: Config) -> anyhow::Result<()> {
    refuse_if_unsafe(&config).await?;
    let metrics = telemetry::start_metrics()?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    let pool = database::main_pool(&config.database).await?;
    let moved_clock = (!config.environment.is_production()).then(Arc::<MovedClock>::default);
    let clock: Arc<dyn Clock> = match &moved_clock {
        Some(clock) => clock.clone(),
        None => Arc::new(SystemClock),
    };
    let (webhook_address, told) = watch::channel(None);
    let commands = app::start_commands(&config, &pool, clock, told).await?;
    let hub = Hub::new(config.club.live_connections, config.club.limits);
    let mail = Mail::new(&config, pool.clone())?;
    let sending = database::service_pool(&config.database, SENDING_CONNECTIONS).await?;
    let mut worker = Worker::start(&commands, &pool, hub, (&mail, sending), config.fault);
    let olap = Olap::new(&config.olap);
    worker.feed_clickhouse(&olap, config.olap.is_fed_here, &pool);
    if let Some(kafka) = config.kafka.kafka() {
        worker.publish(kafka);
    }
    let listen = config.http.listen;
    let app = App::new(config, commands, pool, (&worker, mail, olap), moved_clock, metrics).await?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("CLUB_LISTEN {listen} cannot be listened on"))?;
    app.mail.listens_on(format!("http://{}", listener.local_addr()?));
    webhook_address.send_replace(Some(payments::webhook_address(listener.local_addr()?)));
    serve(app, worker, listener).await
}

/// Says and checks what must hold before anything is started.
async fn refuse_if_unsafe(config: &Config) -> anyhow::Result<()> {
    let mut reasons: Vec<String> =
        config.unsafe_settings().iter().map(ToString::to_string).collect();
    if reasons.is_empty() {
        database::insist_on_migrations(&config.database).await?;
        if config.environment.is_production() {
            let demo = seed::demo_credentials(&config.database).await?;
            reasons.extend(demo.iter().map(ToString::to_string));
        }
    }
    if !reasons.is_empty() {
        bail!("production mode refuses to start:\n  - {}", reasons.join("\n  - "));
    }
    if !config.club.limits {
        tracing::warn!("CLUB_LIMITS is off: no limit protects players or the club");
    }
    Ok(())
}

async fn serve(app: App, worker: Worker, listener: TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let environment = app.config.environment.name();
    let position = app.commands.bus.head().position;
    tracing::info!(%address, environment, position, "the club is open");
    let counting = app.clone();
    tokio::spawn(async move { counting.limits.keep_small().await });
    let keeping = app.clone();
    tokio::spawn(async move {
        keeping.keeper.keep(&keeping.tokens, keeping.commands.clock.as_ref()).await;
    });
    let (stop, stopping) = watch::channel(false);
    let service = AnySlash(routes::all(app.clone()));
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    // Small answers must not wait for more to come.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let server = axum::serve(listener, service).with_graceful_shutdown(told(stopping));
    let server = tokio::spawn(async move { server.await });
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    let ended = tokio::select! {
        signal = ending_signal() => {
            tracing::info!(signal = signal?, "ending: what was accepted is finished");
            None
        }
        ending = app.commands.bus.ended() => Some(ending),
    };
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN_PATIENCE, server).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    if tokio::time::timeout(CLOSE_PATIENCE, app.hub.close()).await.is_err() {
        tracing::warn!("some live feeds did not close in time");
    }
    if tokio::time::timeout(CLOSE_PATIENCE, app.commands.bus.close()).await.is_err() {
        tracing::warn!("some commands did not end in time");
    }
    worker.stop().await;
    if ended == Some(Ending::PlaceGone) {
        bail!("the log does not hold this node's place (was it restored?): start again");
    }
    Ok(())
}

/// Ends when it is time to stop.
pub async fn told(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// SIGTERM or SIGINT (Ctrl-C).
///
/// # Errors
/// If signals cannot be listened for.
pub async fn ending_signal() -> anyhow::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
