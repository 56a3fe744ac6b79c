//! Who listens to what: takes every batch of the log at once and gives each event to those whom it
//! concerns.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::LiveEvent;
use domain::stored::{Cursor, Place, Recorded};
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
use tokio::sync::watch;

pub use self::state::Listener;
use self::state::State;
use super::channel::Channel;
use super::messages::{Close, Frame};
use super::outbox::{Outbox, SubscriptionId};
use super::showcase::{FAMILIES, Showcase};
use super::topic::{Change, Joined};

/// Connections of one player on one node; one more takes the place of the oldest.
pub const CONNECTIONS_OF_PLAYER: usize = 8;

/// Connections by player, and the place up to which all of them have been served.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Connections on this node, at most.
    most: u32,
    /// Connections of one player on this node, at most.
    most_of_player: usize,
    /// Held by each session, so that the end can be waited for.
    sessions: watch::Sender<()>,
}

/// A connection of a player, for as long as it lives.
#[derive(Debug)]
pub struct Connection {
    hub: Hub,
    player: PlayerId,
    id: u64,
    next_subscription: u32,
    outbox: Arc<Outbox>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.state().remove(self.player, self.id);
    }
}

/// What somebody who joins the own channel has to know.
#[derive(Debug)]
pub struct JoinedMe {
    /// Which subscription it is.
    pub subscription: SubscriptionId,
    /// All events up to here had been given out before.
    pub from: Place,
    /// What has happened since the cursor, if that is still in memory.
    pub missed: Option<Vec<Recorded>>,
}

impl Hub {
    /// For so many connections at most; of one player [`CONNECTIONS_OF_PLAYER`], unless nobody is limited.
    #[must_use]
    pub fn new(most: u32, limits: bool) -> Self {
        let most_of_player = if limits { CONNECTIONS_OF_PLAYER } else { usize::MAX };
        let (state, sessions) = (Mutex::default(), watch::channel(()).0);
        Self(Arc::new(Shared { state, most, most_of_player, sessions }))
    }

    /// A connection of a player. If there are too many of that player, the oldest ends.
    ///
    /// # Errors
    /// `TooMany` if this node has no room; `Restart` while the hub itself is not at a place.
    pub fn connect(&self, player: PlayerId) -> Result<Connection, Close> {
        let outbox = Arc::new(Outbox::default());
        let id = self.state().connect(player, &outbox, (self.0.most, self.0.most_of_player))?;
        Ok(Connection { hub: self.clone(), player, id, next_subscription: 0, outbox })
    }

    /// The place up to which every message is in the connections' outboxes.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.state().place
    }

    /// Whether a cursor is a place of this history, as far as this node remembers.
    #[must_use]
    pub fn knows(&self, cursor: &Cursor) -> Option<bool> {
        self.state().knows(cursor)
    }

    /// A sign of life, held by a session while it runs.
    #[must_use]
    pub fn attend(&self) -> watch::Receiver<()> {
        self.0.sessions.subscribe()
    }

    /// Tells every connection to come back later, and waits until all are gone.
    pub async fn close(&self) {
        self.state().end_all(Close::Restart);
        self.0.sessions.closed().await;
    }

    /// Who is connected to this node.
    #[must_use]
    pub fn players(&self) -> Vec<PlayerId> {
        self.state().players()
    }

    /// Something of the club's own has changed: told on [`Channel::System`].
    pub fn announce(&self, change: Change) {
        self.state().announce(change);
    }

    /// Tells what has gathered on channels that many listen to, and has ended by now.
    pub fn flush(&self, now: DateTime<Utc>) {
        let mut state = self.state();
        state.end_announcements(now);
        state.flush();
    }

    /// An event that can be seen, as of the hub's place.
    #[must_use]
    pub fn event(&self, id: LiveEventId) -> Option<LiveEvent> {
        self.state().event(id)
    }

    /// The leaderboards that somebody listens to, and the position of the last change of each that has
    /// not been read yet.
    #[must_use]
    pub fn boards(&self) -> Vec<(LiveEventId, Option<u64>)> {
        self.state().boards()
    }

    /// A leaderboard as it was read at a position.
    pub fn show_board(&self, event: LiveEventId, position: u64, change: Change) {
        self.state().show_board(event, position, change);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Joins the player's own channel: every message about what follows `from` comes.
    ///
    /// # Errors
    /// `Restart` while the hub is not at a place.
    pub fn join_me(&mut self, since: Option<&Cursor>) -> Result<JoinedMe, Close> {
        let listener = self.listener();
        let subscription = listener.subscription;
        let mut state = self.hub.state();
        let from = state.place.ok_or(Close::Restart)?;
        let missed = since.and_then(|cursor| state.missed(self.player, cursor));
        state.listen_to_player(self.player, listener);
        Ok(JoinedMe { subscription, from, missed })
    }

    /// Joins a channel that many listen to, with what has changed since a cursor of this history, or
    /// with everything. A leaderboard comes as it was read at a position.
    ///
    /// # Errors
    /// `Restart` while the hub is not at a place.
    pub fn join(
        &mut self,
        channel: Channel,
        since: Option<&Cursor>,
        board: Option<(u64, Change)>,
    ) -> Result<(SubscriptionId, Joined), Close> {
        let listener = self.listener();
        let subscription = listener.subscription;
        let joined = self.hub.state().join(channel, listener, since, board)?;
        Ok((subscription, joined))
    }

    /// Joins the staff's channel; the place after which everything is told.
    ///
    /// # Errors
    /// `Restart` while the hub is not at a place.
    pub fn join_admin(&mut self) -> Result<(SubscriptionId, Place), Close> {
        let listener = self.listener();
        let subscription = listener.subscription;
        Ok((subscription, self.hub.state().listen_to_log(listener)?))
    }

    /// Leaves a channel; what waits is not sent any more.
    pub fn leave(&self, channel: Channel, subscription: SubscriptionId) {
        self.hub.state().leave(self.player, self.id, channel);
        self.outbox.forget(subscription);
    }

    /// How far a channel is, if nothing is missing up to there.
    #[must_use]
    pub fn quiet_at(&self, channel: Channel, subscription: SubscriptionId) -> Option<Place> {
        // Everything up to the hub's place is in the outbox by the time it is known.
        let place = self.hub.state().quiet_at(channel)?;
        self.outbox.is_empty_for(subscription).then_some(place)
    }

    /// The next message, or why there is none any more. May be dropped at any time.
    ///
    /// # Errors
    /// How the connection ends.
    pub async fn next(&self) -> Result<(SubscriptionId, Frame), Close> {
        self.outbox.next().await
    }

    fn listener(&mut self) -> Listener {
        self.next_subscription += 1;
        let subscription = SubscriptionId(self.next_subscription);
        Listener { connection: self.id, subscription, outbox: self.outbox.clone() }
    }
}

/// The hub on the followers' engine. Every node serves its own connections.
pub struct LiveFeed {
    hub: Hub,
    feed: Feed,
}

impl LiveFeed {
    /// For this hub.
    #[must_use]
    pub fn new(hub: Hub, feed: Feed) -> Self {
        Self { hub, feed }
    }

    async fn showcase(&self, place: &Place) -> Result<Vec<Recorded>, FollowerError> {
        Ok(self.feed.families(&FAMILIES, place.position).await?)
    }
}

impl Sink for LiveFeed {
    const NAME: &'static str = "live_feed";
    const LEASED: bool = false;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        if let Some(place) = self.hub.place()
            && self.feed.holds(&place).await?
        {
            return Ok(Resume::After(place));
        }
        let place = self.feed.head().await?;
        let mut showcase = Showcase::default();
        let mut changes = Vec::new();
        for recorded in self.showcase(&place).await? {
            let event = domain::event::ClubEvent::decode(&recorded).map_err(|source| {
                FollowerError::Decode { position: recorded.place.position, source }
            })?;
            let change = showcase.apply(&event);
            changes.extend(change.map(|change| (recorded.place.position, change)));
        }
        self.hub.state().begin(place, showcase, changes);
        Ok(Resume::After(place))
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        self.hub.state().give_out(events);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
