//! A websocket as a browser has one: every message is waited for, within bounds.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::App;
use crate::contract;

/// The longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(15);

/// See the module.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects to a path of a node.
    pub async fn connect(app: &App, path: &str) -> Self {
        let url = format!("{}{path}", app.url.replace("http://", "ws://"));
        Self(connect_async(url).await.unwrap().0)
    }

    /// The live feed of whoever has this token, up to and without its `hello`.
    pub async fn feed(app: &App, token: &str) -> Self {
        let ticket = app.post("/api/realtime/ticket", Some(token), json!({})).await;
        let ticket = ticket.body["ticket"].as_str().unwrap().to_owned();
        Self::connect(app, &format!("/api/realtime/sync?ticket={ticket}")).await
    }

    /// A feed that is subscribed to the own account; what it was told about that.
    pub async fn me(app: &App, token: &str, since: Option<&str>) -> (Self, Value) {
        let mut feed = Self::feed(app, token).await;
        assert_eq!(feed.json().await["type"], "hello");
        let subscribed = feed.subscribe(since).await;
        (feed, subscribed)
    }

    /// Subscribes to the own account; the first message about that.
    pub async fn subscribe(&mut self, since: Option<&str>) -> Value {
        self.join("me", since).await
    }

    /// Subscribes to a channel; the first message about that.
    pub async fn join(&mut self, channel: &str, since: Option<&str>) -> Value {
        let mut message = json!({"type": "subscribe", "channel": channel});
        if let Some(since) = since {
            message["since"] = since.into();
        }
        self.say(&message.to_string()).await;
        loop {
            let message = self.json().await;
            if message["type"] == "error" || message["type"] == "subscribed" {
                assert_eq!(message["channel"], channel, "{message}");
                return message;
            }
        }
    }

    /// The next message of a channel that this is true of; what comes before it is left out.
    pub async fn until_on(&mut self, channel: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.json().await;
            if message["channel"] == channel && is_it(&message) {
                return message;
            }
        }
    }

    /// Says something.
    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends any message.
    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Sends any message, unless the other side has ended it already.
    pub async fn try_send(&mut self, message: Message) -> bool {
        self.0.send(message).await.is_ok()
    }

    /// Whether the other side ends it, in whatever way.
    pub async fn is_over(&mut self) -> bool {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("an end in time") {
                None | Some(Err(_) | Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("expected a text and got {other:?}"),
        }
    }

    /// The next message, which is as the published schema says.
    pub async fn json(&mut self) -> Value {
        let text = self.text().await;
        contract::witness(&text);
        serde_json::from_str(&text).unwrap()
    }

    /// The next message of a type; marks may come at any time and are left out.
    pub async fn named(&mut self, kind: &str) -> Value {
        loop {
            let message = self.json().await;
            if message["type"] == kind {
                return message;
            }
            assert_eq!(message["type"], "mark", "waiting for {kind}: {message}");
        }
    }

    /// The next message of a type, whatever comes before it.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.json().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The code with which it is closed by the other side.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.next().await {
                Message::Close(frame) => return frame.expect("a close has a code").code.into(),
                Message::Text(_) => {}
                other => panic!("expected a close and got {other:?}"),
            }
        }
    }

    async fn next(&mut self) -> Message {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match message.expect("the connection is open").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }
}
