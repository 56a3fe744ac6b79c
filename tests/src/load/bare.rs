//! What a websocket costs at least: a bare server with the same framework and the same buffers that
//! says again what it hears, and as many connections to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ws::{Message as Said, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::active::Plan;
use super::figures::Quantiles;
use super::source;

/// As those of the live feed.
const READ_BUFFER: usize = 1_024;
/// About as long as a balance.
const LENGTH: usize = 300;

/// Serves until it is killed, and says where.
///
/// # Errors
/// If there is no address for it.
async fn serve() -> Result<()> {
    let app = Router::new().route("/", get(upgrade));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(0).on_upgrade(say_again)
}

async fn say_again(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Said::Text(_) = message
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

/// Connections to the bare server.
#[derive(Debug)]
pub struct Bare(Vec<WebSocketStream<TcpStream>>);

impl Bare {
    /// Be the server.
    ///
    /// # Errors
    /// If there is no address for it.
    pub async fn serve() -> Result<()> {
        serve().await
    }

    /// Opens so many.
    ///
    /// # Errors
    /// If they do not come about.
    pub async fn open(at: SocketAddr, count: usize) -> Result<Self> {
        let mut open = Vec::with_capacity(count);
        for number in 0..count {
            let stream = source::connect(at, number).await?;
            let config =
                WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
            let url = format!("ws://{at}/");
            open.push(client_async_with_config(url, stream, Some(config)).await?.0);
        }
        Ok(Self(open))
    }

    /// Lets each say something by turns; how long it takes to come back.
    ///
    /// # Errors
    /// If it does not come back.
    pub async fn echo(self, plan: Plan) -> Result<Quantiles> {
        let count = self.0.len();
        let begin = Instant::now();
        let mut talking = JoinSet::new();
        for (number, socket) in self.0.into_iter().enumerate() {
            talking.spawn(talk(socket, (number, count), begin, plan));
        }
        let mut micros = Vec::new();
        while let Some(talked) = talking.join_next().await {
            micros.extend(talked??);
        }
        Quantiles::of(micros)
    }
}

async fn talk(
    mut socket: WebSocketStream<TcpStream>,
    (first, count): (usize, usize),
    begin: Instant,
    plan: Plan,
) -> Result<Vec<u64>> {
    let mut micros = Vec::new();
    for number in (first..).step_by(count) {
        let at = begin + Duration::from_secs_f64(number as f64 / plan.rate);
        if at >= begin + plan.warm_up + plan.window {
            break;
        }
        sleep_until(at.into()).await;
        let said = Instant::now();
        socket.send(Message::text("x".repeat(LENGTH))).await?;
        socket.next().await.context("the bare server has gone")??;
        if at >= begin + plan.warm_up {
            micros.push(u64::try_from(said.elapsed().as_micros())?);
        }
    }
    Ok(micros)
}
