//! A client of the live feed that keeps its cursor.

use serde_json::{Value, json};

use crate::app::App;
use crate::socket::Socket;

/// See the module.
pub struct Screen {
    feed: Socket,
    /// The last cursor it was given.
    pub cursor: String,
    gold: Value,
}

impl Screen {
    /// Opens the player's channel, as from a cursor if there is one; and the answer to that.
    pub async fn open(app: &App, token: &str, since: Option<&str>) -> (Self, Value) {
        let (feed, subscribed) = Socket::me(app, token, since).await;
        let cursor = subscribed["cursor"].as_str().unwrap().to_owned();
        (Self { feed, cursor, gold: subscribed["state"]["gold"].clone() }, subscribed)
    }

    /// Waits for the next balance; the message.
    pub async fn next_balance(&mut self) -> Value {
        loop {
            let message = self.feed.json().await;
            if let Some(cursor) = message["cursor"].as_str() {
                cursor.clone_into(&mut self.cursor);
            }
            if message["type"] == "balance_update" {
                self.gold = message["data"]["gold"].clone();
                return message;
            }
        }
    }

    /// Waits until it shows this balance.
    pub async fn shows(&mut self, gold: u64) {
        while self.gold != json!(gold) {
            self.next_balance().await;
        }
    }
}
