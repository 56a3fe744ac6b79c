//! A client of the live feed that keeps its cursor.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::App;

const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Screen {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The last cursor it was given.
    pub cursor: String,
    /// The last balance it was shown.
    pub gold: Value,
}

impl Screen {
    /// Opens the player's channel, as from a cursor if there is one; and the answer to that.
    pub async fn open(app: &App, token: &str, since: Option<&str>) -> (Self, Value) {
        let ticket = app.post("/api/realtime/ticket", Some(token), json!({})).await;
        let ticket = ticket.body["ticket"].as_str().unwrap_or_else(|| panic!("{}", ticket.text));
        let url = app.url.replace("http://", "ws://");
        let url = format!("{url}/api/realtime/sync?ticket={ticket}");
        let (socket, _) = connect_async(url).await.unwrap();
        let mut screen = Self { socket, cursor: String::new(), gold: Value::Null };
        screen.next("hello").await;
        let subscribe = json!({"type": "subscribe", "channel": "me", "since": since});
        screen.socket.send(Message::text(subscribe.to_string())).await.unwrap();
        let subscribed = screen.next("subscribed").await;
        screen.gold = subscribed["state"]["gold"].clone();
        (screen, subscribed)
    }

    /// Waits for the next message of a type.
    pub async fn next(&mut self, kind: &str) -> Value {
        let next = async {
            loop {
                let message = self.socket.next().await.expect("the feed goes on").unwrap();
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).unwrap();
                if let Some(cursor) = message["cursor"].as_str() {
                    cursor.clone_into(&mut self.cursor);
                }
                if message["type"] == "balance_update" {
                    self.gold = message["data"]["gold"].clone();
                }
                if message["type"] == kind {
                    return message;
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no {kind} in time"))
    }

    /// Waits until it shows this balance.
    pub async fn shows(&mut self, gold: u64) {
        while self.gold != json!(gold) {
            self.next("balance_update").await;
        }
    }
}
