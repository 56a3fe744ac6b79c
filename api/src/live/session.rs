//! One connection, from its ticket to its close code.

mod subscribing;

use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use domain::id::PlayerId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use self::subscribing::Subscription;
use super::channel::Channel;
use super::hub::Connection;
use super::messages::{self, Close, Frame, FromClient};
use super::outbox::SubscriptionId;
use crate::app::App;
use crate::auth::SessionKey;
use crate::auth::standings::Standing;

/// How long one message may take to leave.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How often a silent client is asked whether it is there, and how long it may stay silent.
const PING_EVERY: Duration = Duration::from_secs(30);
const LONGEST_SILENCE: Duration = Duration::from_secs(90);
/// Messages that a client may say at once, and in a second for long.
const BURST: NonZeroU32 = NonZeroU32::new(40).unwrap();
const PACE: NonZeroU32 = NonZeroU32::new(10).unwrap();

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
    let ending = match session {
        Some(key) => begin(&mut socket, &app, key).await,
        None => Close::Unauthenticated.into(),
    };
    let close = match ending {
        Ending::Closed(close) => close,
        Ending::Failed => Close::Restart,
        Ending::Gone => return,
    };
    Box::pin(say_goodbye(socket, close)).await;
}

async fn say_goodbye(mut socket: WebSocket, close: Close) {
    let (code, reason) = close.told();
    metrics::counter!("club_live_closed_total", "code" => code.to_string()).increment(1);
    let frame = CloseFrame { code, reason: reason.into() };
    // Whoever does not take it within the time has gone.
    let _ = timeout(SEND_PATIENCE, socket.send(Message::Close(Some(frame)))).await;
    // What the client has said meanwhile is read off, or the network might throw the close away.
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = timeout(CLOSE_PATIENCE, rest).await;
}

async fn begin(socket: &mut WebSocket, app: &App, key: SessionKey) -> Ending {
    let connection = match app.hub.connect(key.player) {
        Ok(connection) => connection,
        Err(close) => return close.into(),
    };
    let mut session = Session::new(socket, app, key, connection);
    match session.talk().await {
        Ok(()) => Ending::Gone,
        Err(ending) => ending,
    }
}

struct Session<'a> {
    socket: &'a mut WebSocket,
    app: &'a App,
    key: SessionKey,
    player: PlayerId,
    connection: Connection,
    /// Something was decided about somebody.
    decisions: watch::Receiver<u64>,
    subscriptions: Vec<Subscription>,
    may_say: DefaultDirectRateLimiter,
    heard_at: Instant,
    pinged_at: Instant,
}

impl<'a> Session<'a> {
    fn new(
        socket: &'a mut WebSocket,
        app: &'a App,
        key: SessionKey,
        connection: Connection,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            app,
            key,
            player: key.player,
            connection,
            decisions: app.standings.changes(),
            subscriptions: Vec::new(),
            may_say: RateLimiter::direct(Quota::per_second(PACE).allow_burst(BURST)),
            heard_at: now,
            pinged_at: now,
        }
    }

    async fn talk(&mut self) -> Result<(), Ending> {
        self.insist_on_standing().await?;
        let session = Uuid::now_v7().to_string();
        self.send(messages::hello(self.app.commands.bus.head().position, &session)).await?;
        let mut ticks = interval(self.app.config.club.mark_interval.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                _ = self.decisions.changed() => self.insist_on_standing().await?,
                next = self.connection.next() => self.push(next?).await?,
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => Box::pin(self.hear(message)).await?,
                    Some(Err(_)) | None => return Ok(()),
                },
                _ = ticks.tick() => Box::pin(self.tick()).await?,
            }
        }
    }

    /// Whoever is banned or was logged out hears nothing more; whoever may not see something any more
    /// does not.
    async fn insist_on_standing(&mut self) -> Result<(), Ending> {
        match self.app.standings.of(&self.key, self.app.commands.clock.now()) {
            Standing::Good { .. } => {}
            Standing::Banned(_) => return Err(Close::Forbidden.into()),
            Standing::Ended => return Err(Close::Unauthenticated.into()),
        }
        let lost = self.subscriptions.iter().map(|subscription| subscription.channel);
        let lost: Vec<Channel> = lost.filter(|channel| !self.may_hear(*channel)).collect();
        for channel in lost {
            self.leave(channel);
            self.send(messages::unsubscribed(channel)).await?;
        }
        Ok(())
    }

    fn may_hear(&self, channel: Channel) -> bool {
        let (_, permissions) = self.app.standings.role(self.player);
        channel.permission().is_none_or(|needed| permissions.has(needed))
    }

    async fn hear(&mut self, message: Message) -> Result<(), Ending> {
        self.heard_at = Instant::now();
        if self.may_say.check().is_err() {
            return Err(Close::TooMany.into());
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Ending::Gone),
            Message::Binary(_) => return Err(Close::BadMessage.into()),
        };
        match FromClient::parse(&text).ok_or(Close::BadMessage)? {
            FromClient::Ping => self.send(messages::pong()).await,
            FromClient::Pong => Ok(()),
            FromClient::Subscribe { channel, since } => match self.wanted(&channel) {
                Ok(channel) => self.subscribe(channel, since).await,
                Err((code, told)) => self.send(messages::error(&channel, code, told)).await,
            },
            FromClient::Unsubscribe { channel } => match channel.parse() {
                Ok(channel) => {
                    self.leave(channel);
                    self.send(messages::unsubscribed(channel)).await
                }
                Err(_) => self.send(messages::error(&channel, "UNKNOWN_CHANNEL", UNKNOWN)).await,
            },
        }
    }

    async fn push(&mut self, (to, frame): (SubscriptionId, Frame)) -> Result<(), Ending> {
        let subscription = self.subscriptions.iter_mut().find(|subscription| subscription.id == to);
        let Some(subscription) = subscription else { return Ok(()) };
        // Two messages may be about one event, so what is here already is known by the moment of
        // subscribing only.
        if frame.position <= subscription.from || std::mem::take(&mut subscription.loses_one) {
            return Ok(());
        }
        subscription.is_quiet = false;
        self.send(frame.text).await
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
        let mut marks = Vec::new();
        for subscription in &mut self.subscriptions {
            if std::mem::replace(&mut subscription.is_quiet, true) {
                let Subscription { channel, id, from, .. } = *subscription;
                let place = self.connection.quiet_at(channel, id);
                marks.extend(place.filter(|place| place.position >= from).map(|at| (channel, at)));
            }
        }
        for (channel, place) in marks {
            self.send(messages::mark(channel, &place)).await?;
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

const UNKNOWN: &str = "unknown channel";
