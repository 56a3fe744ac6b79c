//! Joining a channel: first listen, then read; so nothing is missing between the two, and what comes
//! twice is known by its position.

use std::time::Duration;

use domain::id::LiveEventId;
use domain::stored::{Cursor, Recorded};

use super::super::boards;
use super::super::channel::Channel;
use super::super::history;
use super::super::hub::JoinedMe;
use super::super::messages::{self, Close, Frame, WalletData};
use super::super::outbox::SubscriptionId;
use super::super::topic::{Change, Joined};
use super::{Ending, Session, UNKNOWN};
use crate::app::App;
use crate::faults::Fault;

/// Channels of one connection, at most.
const CHANNELS: usize = 32;
/// How long a subscription waits for this node to catch up with the client.
const REACH_PATIENCE: Duration = Duration::from_secs(2);

/// An open channel of a connection.
#[derive(Debug)]
pub(super) struct Subscription {
    pub channel: Channel,
    pub id: SubscriptionId,
    /// The client has everything up to here.
    pub from: u64,
    /// Whether nothing was sent since the last tick.
    pub is_quiet: bool,
    /// The next message is lost: planted, for the test that has to find it missing.
    pub loses_one: bool,
}

impl Session<'_> {
    /// The channel of this name, if the client may have it; else a code and a sentence.
    pub(super) fn wanted(&self, name: &str) -> Result<Channel, (&'static str, &'static str)> {
        let channel: Channel = name.parse().map_err(|_| ("UNKNOWN_CHANNEL", UNKNOWN))?;
        let is_open = self.subscriptions.iter().any(|it| it.channel == channel);
        if !is_open && self.subscriptions.len() >= CHANNELS {
            return Err(("TOO_MANY_CHANNELS", "unsubscribe from another channel first"));
        }
        if !self.may_hear(channel) {
            return Err(("PERMISSION_DENIED", "this channel is not for your role"));
        }
        Ok(channel)
    }

    pub(super) fn leave(&mut self, channel: Channel) {
        let Some(open) = self.subscriptions.iter().position(|it| it.channel == channel) else {
            return;
        };
        let subscription = self.subscriptions.swap_remove(open);
        self.connection.leave(channel, subscription.id);
    }

    pub(super) async fn subscribe(
        &mut self,
        channel: Channel,
        since: Option<Cursor>,
    ) -> Result<(), Ending> {
        self.leave(channel);
        let since = match since {
            Some(cursor) if is_of_this_history(self.app, &cursor).await? => Some(cursor),
            _ => None,
        };
        match channel {
            Channel::Me => self.subscribe_me(since).await,
            Channel::Admin => self.subscribe_admin(since).await,
            Channel::Leaderboard(event) => self.subscribe_board(event).await,
            Channel::Catalog | Channel::Events => self.subscribe_topic(channel, since, None).await,
            // Who is here stands nowhere in the log: it changes between two positions, and each node has
            // heard of it at another one.
            Channel::System => self.subscribe_topic(channel, None, None).await,
        }
    }

    async fn subscribe_me(&mut self, since: Option<Cursor>) -> Result<(), Ending> {
        let JoinedMe { subscription, from, missed } = self.connection.join_me(since.as_ref())?;
        let Some(cursor) = since else { return self.begin_anew(subscription, from.position).await };
        let missed: Option<Vec<Recorded>> = match missed {
            Some(missed) => Some(missed),
            None => {
                let feed = &self.app.feed;
                history::since(feed, self.player, &cursor, &from).await.map_err(failed)?
            }
        };
        let Some(missed) = missed else {
            return self.begin_anew(subscription, from.position).await;
        };
        let frames = history::frames(&cursor, &missed).map_err(failed)?;
        let from = from.position.max(cursor.position);
        self.recover((Channel::Me, subscription, from), &cursor, frames).await
    }

    /// The state must not be older than the moment of listening, or what lies between would be lost.
    async fn begin_anew(&mut self, id: SubscriptionId, from: u64) -> Result<(), Ending> {
        if !self.app.commands.bus.reach(from, REACH_PATIENCE).await {
            return Err(Ending::Failed);
        }
        let wallet = self.app.commands.wallet(self.player).await;
        let (wallet, place) = wallet.map_err(|_| Ending::Failed)?;
        let state = messages::text(&WalletData::of(self.player, &wallet.unwrap_or_default()));
        self.send(messages::subscribed(Channel::Me, &place.cursor(), Some(&state))).await?;
        self.open((Channel::Me, id, place.position));
        Ok(())
    }

    async fn subscribe_topic(
        &mut self,
        channel: Channel,
        since: Option<Cursor>,
        board: Option<(u64, Change)>,
    ) -> Result<(), Ending> {
        let (id, joined) = self.connection.join(channel, since.as_ref(), board)?;
        match (joined, since) {
            (Joined::Recovered(frames), Some(cursor)) => {
                self.recover((channel, id, cursor.position), &cursor, frames).await
            }
            (Joined::Recovered(_), None) => Err(Close::Restart.into()),
            (Joined::Anew(place, state), _) => {
                self.open((channel, id, 0));
                self.send(messages::subscribed(channel, &place.cursor(), Some(&state))).await
            }
        }
    }

    /// A leaderboard is shown whole each time; there is nothing to recover.
    async fn subscribe_board(&mut self, event: LiveEventId) -> Result<(), Ending> {
        let now = self.app.commands.clock.now();
        let shown = self.app.hub.event(event);
        let board = match shown {
            Some(shown) => {
                boards::read(&self.app.pool, &self.app.users, (event, &shown), now).await
            }
            None => Ok(None),
        };
        match board.map_err(failed)? {
            Some(board) => {
                self.subscribe_topic(Channel::Leaderboard(event), None, Some(board)).await
            }
            None => {
                let name = Channel::Leaderboard(event).to_string();
                let told = messages::error(&name, "NO_LEADERBOARD", "there is no such leaderboard");
                self.send(told).await
            }
        }
    }

    async fn subscribe_admin(&mut self, since: Option<Cursor>) -> Result<(), Ending> {
        let (id, from) = self.connection.join_admin()?;
        if let Some(cursor) = since {
            let missed = history::log_since(&self.app.feed, &cursor, &from).await;
            if let Some(frames) = missed.map_err(failed)? {
                let from = from.position.max(cursor.position);
                return self.recover((Channel::Admin, id, from), &cursor, frames).await;
            }
        }
        let nothing = messages::items(std::iter::empty());
        self.open((Channel::Admin, id, from.position));
        self.send(messages::subscribed(Channel::Admin, &from.cursor(), Some(&nothing))).await
    }

    async fn recover(
        &mut self,
        opened: (Channel, SubscriptionId, u64),
        cursor: &Cursor,
        missed: Vec<Frame>,
    ) -> Result<(), Ending> {
        self.send(messages::subscribed(opened.0, cursor, None)).await?;
        for frame in missed {
            self.send(frame.text).await?;
        }
        self.open(opened);
        Ok(())
    }

    /// Joins the stream to what the client was given, which is everything up to a position.
    fn open(&mut self, (channel, id, from): (Channel, SubscriptionId, u64)) {
        let loses_one =
            channel == Channel::Me && Fault::LiveSkipsAtTheJoin.is_planted(&self.app.config);
        self.subscriptions.push(Subscription { channel, id, from, is_quiet: true, loses_one });
    }
}

async fn is_of_this_history(app: &App, cursor: &Cursor) -> Result<bool, Ending> {
    if let Some(known) = app.hub.knows(cursor) {
        return Ok(known);
    }
    let hash = app.feed.hash_at(cursor.position).await.map_err(failed)?;
    Ok(hash.is_some_and(|hash| cursor.is_at(&hash)))
}

fn failed(error: impl std::fmt::Debug) -> Ending {
    tracing::error!(?error, "what a client has missed cannot be read");
    Ending::Failed
}
