//! The role `relay`: a process that publishes events and does nothing else. It answers `/health`, `/ready`
//! and `/metrics`. Nodes of the service do the same work where brokers are named: whoever has the lease
//! does it, all others stand by.

use std::io::Write;

use anyhow::{Context, bail};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use projections::engine::{Engine, Followers};
use projections::feed::Feed;
use projections::sinks::kafka::Relay;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::routes::health;
use crate::serve::{ending_signal, told};
use crate::{database, telemetry};

/// For reading the log and telling the place.
const CONNECTIONS: u32 = 4;

#[derive(Clone)]
struct Parts {
    followers: Followers,
    metrics: PrometheusHandle,
}

/// Runs the relay until it is told to end.
///
/// # Errors
/// If no brokers are named, the database is not one of this program, or it cannot listen.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let Some(kafka) = config.kafka.kafka() else {
        bail!("KAFKA_BROKERS is not set: the relay has nobody to publish to");
    };
    database::insist_on_migrations(&config.database).await?;
    let metrics = telemetry::start_metrics()?;
    let pool = database::service_pool(&config.database, CONNECTIONS).await?;
    let feed = Feed::polling(pool);
    let (stop, stopping) = watch::channel(false);
    let mut engine = Engine::new(feed.clone(), stopping.clone());
    engine.sink(Relay::new(kafka, feed));
    let listen = config.kafka.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("CLUB_RELAY_LISTEN {listen} cannot be listened on"))?;
    let address = listener.local_addr()?;
    let routes = routes(Parts { followers: engine.followers(), metrics });
    let server = axum::serve(listener, routes).with_graceful_shutdown(told(stopping));
    let server = tokio::spawn(async move { server.await });
    tracing::info!(%address, topic = config.kafka.topic, "the relay is at work");
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    let signal = ending_signal().await?;
    tracing::info!(signal, "ending: the transaction under way is finished");
    stop.send_replace(true);
    engine.stopped().await;
    server.await??;
    Ok(())
}

fn routes(parts: Parts) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(parts)
}

async fn ready(State(parts): State<Parts>) -> Response {
    let followers = parts.followers.status().await;
    let is_ready = followers.iter().all(|follower| follower.state.is_well());
    let (status, word) = match is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    (status, Json(json!({"status": word, "followers": followers}))).into_response()
}

async fn metrics(State(parts): State<Parts>) -> Response {
    parts.metrics.run_upkeep();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], parts.metrics.render()).into_response()
}
