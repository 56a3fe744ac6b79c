//! One screen's connection, from its ticket to its close code.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use domain::id::PlayerId;
use domain::stored::Cursor;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::history;
use super::hub::Registration;
use super::messages::{self, Close, Frame, FromClient, ME, WalletData};
use crate::app::App;
use crate::auth::SessionKey;
use crate::auth::standings::Standing;
use crate::faults::Fault;

/// How long one message may take to leave.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How often a silent client is asked whether it is there, and how long it may stay silent.
const PING_EVERY: Duration = Duration::from_secs(30);
const LONGEST_SILENCE: Duration = Duration::from_secs(90);
/// How long a subscription waits for this node to catch up with the client.
const REACH_PATIENCE: Duration = Duration::from_secs(2);

/// Why a session ends.
enum Ending {
    /// With this close code.
    Closed(Close),
    /// The client has gone.
    Gone,
    /// Something inside failed, and has been logged: the client may come back.
    Failed,
}

impl From<Close> for Ending {
    fn from(close: Close) -> Self {
        Self::Closed(close)
    }
}

/// Serves one connection until it ends. `session` is what its ticket was for, if it was valid.
pub async fn serve(mut socket: WebSocket, app: App, session: Option<SessionKey>) {
    let _attending = app.hub.attend();
    let restarts = app.hub.restarts();
    let ending = match session {
        Some(key) => Session::new(&mut socket, &app, key, restarts).run().await,
        None => Close::Unauthenticated.into(),
    };
    let close = match ending {
        Ending::Closed(close) => close,
        Ending::Failed => Close::Restart,
        Ending::Gone => return,
    };
    let (code, reason) = close.told();
    let frame = CloseFrame { code, reason: reason.into() };
    // Whoever does not take it within the time has gone.
    let _ = timeout(SEND_PATIENCE, socket.send(Message::Close(Some(frame)))).await;
    // What the client has said meanwhile is read off, or the network might throw the close away.
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = timeout(CLOSE_PATIENCE, rest).await;
}

struct Session<'a> {
    socket: &'a mut WebSocket,
    app: &'a App,
    key: SessionKey,
    player: PlayerId,
    restarts: watch::Receiver<u64>,
    /// Something was decided about somebody.
    decisions: watch::Receiver<u64>,
    channel: Option<Channel>,
    heard_at: Instant,
    pinged_at: Instant,
    /// Whether anything was sent on the channel since the last tick.
    is_quiet: bool,
}

/// The open channel.
struct Channel {
    registration: Registration,
    /// The client has everything up to here.
    position: u64,
}

impl<'a> Session<'a> {
    fn new(
        socket: &'a mut WebSocket,
        app: &'a App,
        key: SessionKey,
        restarts: watch::Receiver<u64>,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            app,
            key,
            player: key.player,
            restarts,
            decisions: app.standings.changes(),
            channel: None,
            heard_at: now,
            pinged_at: now,
            is_quiet: true,
        }
    }

    async fn run(mut self) -> Ending {
        match self.talk().await {
            Ok(()) => Ending::Gone,
            Err(ending) => ending,
        }
    }

    /// Whoever is banned or was logged out hears nothing more.
    fn insist_on_standing(&self) -> Result<(), Close> {
        match self.app.standings.of(&self.key, self.app.commands.clock.now()) {
            Standing::Good(_) => Ok(()),
            Standing::Banned(_) => Err(Close::Forbidden),
            Standing::Ended => Err(Close::Unauthenticated),
        }
    }

    async fn talk(&mut self) -> Result<(), Ending> {
        self.insist_on_standing()?;
        let session = Uuid::now_v7().to_string();
        self.send(messages::hello(self.app.commands.bus.head().position, &session)).await?;
        let mut ticks = interval(self.app.config.club.mark_interval.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                _ = self.restarts.changed() => return Err(Close::Restart.into()),
                _ = self.decisions.changed() => self.insist_on_standing()?,
                frame = next(&mut self.channel) => match frame {
                    Some(frame) => self.push(frame).await?,
                    None => return Err(Close::TooSlow.into()),
                },
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await?,
                    Some(Err(_)) | None => return Ok(()),
                },
                _ = ticks.tick() => self.tick().await?,
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Ending> {
        self.heard_at = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Ending::Gone),
            Message::Binary(_) => return Err(Close::BadMessage.into()),
        };
        match FromClient::parse(&text).ok_or(Close::BadMessage)? {
            FromClient::Ping => self.send(messages::pong()).await,
            FromClient::Pong => Ok(()),
            FromClient::Subscribe { channel, since } if channel == ME => {
                self.subscribe(since).await
            }
            FromClient::Subscribe { channel, .. } => {
                self.send(messages::error(&channel, "UNKNOWN_CHANNEL", "unknown channel")).await
            }
        }
    }

    /// Registers first and reads then: what happens in between waits in the queue, and what was
    /// read already is left out of it.
    async fn subscribe(&mut self, since: Option<Cursor>) -> Result<(), Ending> {
        self.channel = None;
        let Some(registration) = self.app.hub.register(self.player) else {
            return Err(Close::Restart.into());
        };
        if let Some(cursor) = since {
            let until = registration.from;
            match history::since(&self.app.feed, self.player, &cursor, &until).await {
                Ok(Some(missed)) => return self.recover(registration, cursor, missed).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "what a screen has missed cannot be read");
                    return Err(Ending::Failed);
                }
            }
        }
        self.begin_anew(registration).await
    }

    async fn recover(
        &mut self,
        registration: Registration,
        cursor: Cursor,
        missed: Vec<Frame>,
    ) -> Result<(), Ending> {
        let position = registration.from.position.max(cursor.position);
        self.send(messages::subscribed(true, &cursor, None)).await?;
        for frame in missed {
            self.send(frame.text).await?;
        }
        self.open(registration, position);
        Ok(())
    }

    async fn begin_anew(&mut self, registration: Registration) -> Result<(), Ending> {
        // The state must not be older than the registration, or what lies between would be lost.
        let bus = &self.app.commands.bus;
        if !bus.reach(registration.from.position, REACH_PATIENCE).await {
            return Err(Ending::Failed);
        }
        let wallet = self.app.commands.wallet(self.player).await;
        let (wallet, place) = wallet.map_err(|_| Ending::Failed)?;
        let state = WalletData::of(self.player, &wallet.unwrap_or_default());
        let message = messages::subscribed(false, &place.cursor(), Some(state));
        self.send(message).await?;
        self.open(registration, place.position);
        Ok(())
    }

    /// Joins the stream to what the client was given, which is everything up to a position.
    fn open(&mut self, mut registration: Registration, position: u64) {
        if Fault::LiveSkipsAtTheJoin.is_planted(&self.app.config) {
            let _ = registration.frames.try_recv();
        }
        self.channel = Some(Channel { registration, position });
    }

    async fn push(&mut self, frame: Frame) -> Result<(), Ending> {
        // Two messages may be about one event, so a position is through only when a later one comes.
        let is_new = self.channel.as_ref().is_some_and(|channel| frame.position > channel.position);
        if is_new {
            self.is_quiet = false;
            self.send(frame.text).await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), Ending> {
        if self.heard_at.elapsed() > LONGEST_SILENCE {
            return Err(Ending::Gone);
        }
        if self.heard_at.elapsed() > PING_EVERY && self.pinged_at.elapsed() > PING_EVERY {
            self.pinged_at = Instant::now();
            self.send_raw(Message::Ping(Vec::new().into())).await?;
            self.send(messages::ping()).await?;
        }
        if std::mem::replace(&mut self.is_quiet, true) {
            self.mark().await?;
        }
        Ok(())
    }

    /// Tells how far the quiet channel is. Everything up to the hub's place is in the queue by the
    /// time it is known, so if the queue is empty then, nothing is missing in front of the mark.
    async fn mark(&mut self) -> Result<(), Ending> {
        let Some(place) = self.app.hub.place() else { return Ok(()) };
        let Some(channel) = &self.channel else { return Ok(()) };
        if channel.registration.frames.is_empty() && place.position >= channel.position {
            self.send(messages::mark(&place)).await?;
        }
        Ok(())
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), Ending> {
        self.send_raw(Message::Text(text)).await
    }

    async fn send_raw(&mut self, message: Message) -> Result<(), Ending> {
        match timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Gone),
            Err(_) => Err(Close::TooSlow.into()),
        }
    }
}

/// The channel's next message; never, without a channel.
async fn next(channel: &mut Option<Channel>) -> Option<Frame> {
    match channel {
        Some(channel) => channel.registration.frames.recv().await,
        None => std::future::pending().await,
    }
}
