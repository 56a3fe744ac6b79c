//! What the hub knows, under its lock.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::activity::Goal;
use domain::event::ClubEvent;
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::LiveEvent;
use domain::stored::{Cursor, Place, Recorded};

use super::super::boards::BoardData;
use super::super::channel::Channel;
use super::super::messages::{self, CatalogData, Close, Frame, LiveEventData, Says, SystemData};
use super::super::outbox::{Outbox, SubscriptionId};
use super::super::ring::{Ring, player_of};
use super::super::showcase::{self, Showcase};
use super::super::topic::{Change, Joined, Topic};

/// One subscription of a connection.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Whose.
    pub connection: u64,
    /// Which.
    pub subscription: SubscriptionId,
    /// Where its messages go.
    pub outbox: Arc<Outbox>,
}

impl Listener {
    /// Sends a message; `false` once the connection ends.
    pub fn tell(&self, frame: Frame) -> bool {
        self.outbox.push(self.subscription, frame)
    }
}

/// What there is of a player here.
#[derive(Debug, Default)]
struct OfPlayer {
    connections: Vec<(u64, Arc<Outbox>)>,
    listeners: Vec<Listener>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    pub place: Option<Place>,
    ring: Option<Ring>,
    showcase: Showcase,
    of_players: HashMap<PlayerId, OfPlayer>,
    connections: u32,
    next_id: u64,
    topics: HashMap<Channel, Topic>,
    /// Leaderboards that are listened to, and where the last change of each is that is not shown yet.
    boards: HashMap<LiveEventId, Option<u64>>,
    log: Vec<Listener>,
}

impl State {
    /// Begins at a place. Whoever was served up to another one must begin anew.
    pub fn begin(
        &mut self,
        place: Place,
        showcase: Showcase,
        changes: Vec<(u64, (Channel, Change))>,
    ) {
        if self.place.is_some_and(|before| before != place) {
            self.end_all(Close::Restart);
        }
        self.place = Some(place);
        self.ring = Some(Ring::new(place));
        self.showcase = showcase;
        let topic = |channel, kind| (channel, Topic::new(channel, kind, place));
        self.topics = HashMap::from([
            topic(Channel::Catalog, CatalogData::TYPE),
            topic(Channel::Events, LiveEventData::TYPE),
            topic(Channel::System, SystemData::TYPE),
        ]);
        for (position, (channel, change)) in changes {
            self.change(position, channel, change);
        }
        self.flush();
    }

    pub fn connect(
        &mut self,
        player: PlayerId,
        outbox: &Arc<Outbox>,
        (most, most_of_player): (u32, usize),
    ) -> Result<u64, Close> {
        if self.place.is_none() {
            return Err(Close::Restart);
        }
        if self.connections >= most {
            return Err(Close::TooMany);
        }
        self.next_id += 1;
        self.connections += 1;
        let of_player = self.of_players.entry(player).or_default();
        of_player.connections.push((self.next_id, outbox.clone()));
        // One that was told to end stays until it has.
        let surplus = of_player.connections.len().saturating_sub(most_of_player);
        for (_, oldest) in of_player.connections.iter().take(surplus) {
            oldest.end(Close::Replaced);
        }
        Ok(self.next_id)
    }

    pub fn remove(&mut self, player: PlayerId, connection: u64) {
        for topic in self.topics.values_mut() {
            topic.leave(connection);
        }
        self.log.retain(|listener| listener.connection != connection);
        self.forget_deserted_boards();
        let Some(of_player) = self.of_players.get_mut(&player) else { return };
        of_player.listeners.retain(|listener| listener.connection != connection);
        let of = of_player.connections.iter().position(|(id, _)| *id == connection);
        if let Some(of) = of {
            of_player.connections.remove(of);
            self.connections -= 1;
        }
        if of_player.connections.is_empty() {
            self.of_players.remove(&player);
        }
    }

    pub fn leave(&mut self, player: PlayerId, connection: u64, channel: Channel) {
        let is_another = |listener: &Listener| listener.connection != connection;
        match channel {
            Channel::Me => {
                if let Some(of_player) = self.of_players.get_mut(&player) {
                    of_player.listeners.retain(is_another);
                }
            }
            Channel::Admin => self.log.retain(is_another),
            Channel::Catalog | Channel::Events | Channel::Leaderboard(_) | Channel::System => {
                if let Some(topic) = self.topics.get_mut(&channel) {
                    topic.leave(connection);
                }
            }
        }
        self.forget_deserted_boards();
    }

    pub fn end_all(&mut self, close: Close) {
        let of_players = self.of_players.values();
        of_players.flat_map(|of| &of.connections).for_each(|(_, outbox)| outbox.end(close));
    }

    pub fn players(&self) -> Vec<PlayerId> {
        self.of_players.keys().copied().collect()
    }

    pub fn listen_to_player(&mut self, player: PlayerId, listener: Listener) {
        self.of_players.entry(player).or_default().listeners.push(listener);
    }

    pub fn listen_to_log(&mut self, listener: Listener) -> Result<Place, Close> {
        let place = self.place.ok_or(Close::Restart)?;
        self.log.push(listener);
        Ok(place)
    }

    pub fn knows(&self, cursor: &Cursor) -> Option<bool> {
        self.ring.as_ref()?.knows(cursor)
    }

    /// What a player has missed since a cursor, if it is all in memory.
    pub fn missed(&self, player: PlayerId, cursor: &Cursor) -> Option<Vec<Recorded>> {
        let ring = self.ring.as_ref()?;
        ring.knows(cursor)?.then(|| ring.since(player, cursor))
    }

    pub fn join(
        &mut self,
        channel: Channel,
        listener: Listener,
        since: Option<&Cursor>,
        board: Option<(u64, Change)>,
    ) -> Result<Joined, Close> {
        let place = self.place.ok_or(Close::Restart)?;
        let topic = self
            .topics
            .entry(channel)
            .or_insert_with(|| Topic::new(channel, BoardData::TYPE, place));
        if let (Channel::Leaderboard(event), Some((position, change))) = (channel, board) {
            topic.set(position, change);
            // What happened between reading it and joining is read soon.
            self.boards.insert(event, Some(place.position));
        }
        Ok(topic.join(listener, since, place))
    }

    /// How far a channel is, if all that happened has been told.
    pub fn quiet_at(&self, channel: Channel) -> Option<Place> {
        let is_quiet = match channel {
            Channel::Me | Channel::Admin => true,
            Channel::Leaderboard(event) => {
                self.is_told(channel) && self.boards.get(&event).is_some_and(Option::is_none)
            }
            Channel::Catalog | Channel::Events | Channel::System => self.is_told(channel),
        };
        self.place.filter(|_| is_quiet)
    }

    fn is_told(&self, channel: Channel) -> bool {
        self.topics.get(&channel).is_some_and(Topic::is_quiet)
    }

    pub fn announce(&mut self, change: Change) {
        let Some(place) = self.place else { return };
        self.change(place.position, Channel::System, change);
    }

    /// Announcements that have ended by now are over.
    pub fn end_announcements(&mut self, now: DateTime<Utc>) {
        for change in self.showcase.ended(now) {
            self.announce(change);
        }
    }

    pub fn flush(&mut self) {
        let Some(place) = self.place else { return };
        self.topics.values_mut().for_each(|topic| topic.flush(place));
    }

    pub fn event(&self, id: LiveEventId) -> Option<LiveEvent> {
        self.showcase.event(id).cloned()
    }

    pub fn boards(&self) -> Vec<(LiveEventId, Option<u64>)> {
        self.boards.iter().map(|(event, changed)| (*event, *changed)).collect()
    }

    pub fn show_board(&mut self, event: LiveEventId, position: u64, change: Change) {
        self.change(position, Channel::Leaderboard(event), change);
        if let Some(changed) = self.boards.get_mut(&event) {
            *changed = changed.filter(|changed| *changed > position);
        }
    }

    /// Gives out events, which follow the hub's place.
    pub fn give_out(&mut self, events: &[Recorded]) {
        for recorded in events {
            if self.is_wanted(recorded) {
                match ClubEvent::decode(recorded) {
                    Ok(event) => self.give_out_one(recorded, &event),
                    Err(_) => {
                        let position = recorded.place.position;
                        tracing::error!(position, "an event cannot be read and is not pushed");
                    }
                }
            }
            if let Some(ring) = &mut self.ring {
                ring.push(recorded);
            }
            self.place = Some(recorded.place);
        }
    }

    /// Whether somebody here has to know of it.
    fn is_wanted(&self, recorded: &Recorded) -> bool {
        let family = recorded.event.aggregate_type.as_ref();
        showcase::FAMILIES.contains(&family)
            || (!self.log.is_empty() && messages::is_for_staff(family))
            || (!self.boards.is_empty() && messages::may_score(family))
            || self.listened_to(recorded).is_some()
    }

    fn give_out_one(&mut self, recorded: &Recorded, event: &ClubEvent) {
        let position = recorded.place.position;
        if let Some((channel, change)) = self.showcase.apply(event) {
            self.change(position, channel, change);
        }
        if let Some(player) = self.listened_to(recorded) {
            self.tell_player(player, recorded, event);
        }
        if !self.log.is_empty() && messages::is_for_staff(&recorded.event.aggregate_type) {
            let frame = messages::log_event(recorded);
            self.log.retain(|listener| listener.tell(frame.clone()));
        }
        self.note_scores(position, event);
    }

    fn tell_player(&mut self, player: PlayerId, recorded: &Recorded, event: &ClubEvent) {
        let before = self.place.unwrap_or(recorded.place).cursor();
        let frames = messages::about(&recorded.place, &before, event);
        let Some(of_player) = self.of_players.get_mut(&player) else { return };
        of_player.listeners.retain(|listener| frames.iter().all(|f| listener.tell(f.clone())));
    }

    /// The player whose own channel tells of an event, if anybody listens to it.
    fn listened_to(&self, recorded: &Recorded) -> Option<PlayerId> {
        if self.of_players.is_empty() {
            return None;
        }
        let player = player_of(recorded)?;
        let has_listeners = |of: &OfPlayer| !of.listeners.is_empty();
        self.of_players.get(&player).is_some_and(has_listeners).then_some(player)
    }

    /// Leaderboards that an event changes are read again.
    fn note_scores(&mut self, position: u64, event: &ClubEvent) {
        let mut note = |event| {
            if let Some(changed) = self.boards.get_mut(&event) {
                *changed = Some(position);
            }
        };
        match event {
            ClubEvent::Activity(_, event) => {
                for advance in event.advanced() {
                    if let Goal::Score { event, .. } = advance.goal {
                        note(event);
                    }
                }
            }
            // Frozen, revised, ended: all of it may show.
            ClubEvent::LiveEvent(event, _) => note(*event),
            _ => {}
        }
    }

    fn change(&mut self, position: u64, channel: Channel, change: Change) {
        if let Some(topic) = self.topics.get_mut(&channel) {
            topic.set(position, change);
        }
    }

    fn forget_deserted_boards(&mut self) {
        let topics = &mut self.topics;
        self.boards.retain(|event, _| {
            let channel = Channel::Leaderboard(*event);
            let is_deserted = topics.get(&channel).is_none_or(Topic::is_deserted);
            if is_deserted {
                topics.remove(&channel);
            }
            !is_deserted
        });
    }
}
