//! Who listens to what: takes every batch of the log at once and gives each event to the screens of
//! its player.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::stored::{Place, Recorded};
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
use tokio::sync::{mpsc, watch};

use super::messages::{self, Frame};

/// Messages that may wait for a slow client; one more, and it is disconnected.
const QUEUE: usize = 256;

/// Screens by player, and the place up to which all of them have been served.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Raised when every screen has to begin anew.
    restarts: watch::Sender<u64>,
    /// Held by each session, so that the end can be waited for.
    sessions: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    place: Option<Place>,
    screens: HashMap<PlayerId, Vec<Screen>>,
    next_id: u64,
}

#[derive(Debug)]
struct Screen {
    id: u64,
    queue: mpsc::Sender<Frame>,
}

/// A screen's place with the hub, for as long as it lives.
#[derive(Debug)]
pub struct Registration {
    hub: Hub,
    player: PlayerId,
    id: u64,
    /// The messages. It ends when the screen was too slow.
    pub frames: mpsc::Receiver<Frame>,
    /// All events up to here had been given out before this registration.
    pub from: Place,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.state().remove(self.player, self.id);
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            restarts: watch::channel(0).0,
            sessions: watch::channel(()).0,
        }))
    }
}

impl Hub {
    /// Registers a screen of a player: gets every message about what follows. `None` while the hub
    /// itself is not yet at a place.
    #[must_use]
    pub fn register(&self, player: PlayerId) -> Option<Registration> {
        let mut state = self.state();
        let from = state.place?;
        let (queue, frames) = mpsc::channel(QUEUE);
        let id = state.next_id;
        state.next_id += 1;
        state.screens.entry(player).or_default().push(Screen { id, queue });
        Some(Registration { hub: self.clone(), player, id, frames, from })
    }

    /// The place up to which every message is in the screens' queues.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.state().place
    }

    /// Changes when every screen has to begin anew.
    #[must_use]
    pub fn restarts(&self) -> watch::Receiver<u64> {
        self.0.restarts.subscribe()
    }

    /// A sign of life, held by a session while it runs.
    #[must_use]
    pub fn attend(&self) -> watch::Receiver<()> {
        self.0.sessions.subscribe()
    }

    /// Tells every screen to come back later, and waits until all are gone.
    pub async fn close(&self) {
        self.restart();
        self.0.sessions.closed().await;
    }

    fn restart(&self) {
        self.0.restarts.send_modify(|restarts| *restarts += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins at a place. Screens that were served up to another one must begin anew.
    fn begin(&self, place: Place) {
        let before = self.state().place.replace(place);
        if before.is_some_and(|before| before != place) {
            self.restart();
        }
    }

    /// Gives out events, which follow the hub's place.
    fn give_out(&self, events: &[Recorded]) {
        let mut state = self.state();
        for recorded in events {
            state.give_out(recorded);
            state.place = Some(recorded.place);
        }
    }
}

impl State {
    fn give_out(&mut self, recorded: &Recorded) {
        let Some(player) = self.listened_to(recorded) else { return };
        let Ok(event) = ClubEvent::decode(recorded) else {
            let position = recorded.place.position;
            tracing::error!(position, "an event cannot be read and is not pushed");
            return;
        };
        let before = self.place.unwrap_or(recorded.place).cursor();
        let frames = messages::about(&recorded.place, &before, &event);
        let Some(screens) = self.screens.get_mut(&player) else { return };
        // Whoever has no room left is too slow: its queue ends, and its session says so.
        screens.retain(|screen| frames.iter().all(|f| screen.queue.try_send(f.clone()).is_ok()));
        if screens.is_empty() {
            self.screens.remove(&player);
        }
    }

    /// The player whose account or activity an event is of, if anybody listens to it.
    fn listened_to(&self, recorded: &Recorded) -> Option<PlayerId> {
        let family = recorded.event.aggregate_type.as_ref();
        if self.screens.is_empty() || !messages::FAMILIES.contains(&family) {
            return None;
        }
        let player = recorded.event.aggregate_id.parse().ok()?;
        self.screens.contains_key(&player).then_some(player)
    }

    fn remove(&mut self, player: PlayerId, id: u64) {
        let Some(screens) = self.screens.get_mut(&player) else { return };
        screens.retain(|screen| screen.id != id);
        if screens.is_empty() {
            self.screens.remove(&player);
        }
    }
}

/// The hub on the followers' engine. Every node serves its own screens.
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
}

impl Sink for LiveFeed {
    const NAME: &'static str = "live_feed";
    const LEASED: bool = false;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        let place = match self.hub.place() {
            Some(place) if self.feed.holds(&place).await? => place,
            _ => self.feed.head().await?,
        };
        self.hub.begin(place);
        Ok(Resume::After(place))
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        self.hub.give_out(events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::account::{Account, AccountEvent};
    use domain::aggregate::{Aggregate, Event};
    use domain::money::{GoldParts, Movement, Wallet};
    use domain::stored::{Hash, StoredEvent};
    use domain::testing::at;

    use super::*;

    fn place(position: u64) -> Place {
        Place { position, hash: Hash::genesis(&position.to_be_bytes()) }
    }

    fn spent(player: i64, position: u64) -> Recorded {
        let balance = Wallet { paid: 0, free: 1_000 - position, ..Wallet::default() };
        let event = AccountEvent::GoldSpent {
            at: at(0),
            reference: "test".to_owned(),
            movement: Movement {
                gold: GoldParts { paid: 0, free: 1 },
                debt: GoldParts::default(),
                balance,
            },
        };
        let event = StoredEvent {
            aggregate_type: Account::TYPE.into(),
            aggregate_id: player.to_string().into(),
            sequence: position,
            event_type: event.event_type().into(),
            event_version: "1".into(),
            payload: domain::encoding::encode(&event).unwrap(),
            metadata: "{}".into(),
        };
        Recorded { place: place(position), recorded_at: at(0), event }
    }

    fn hub_at(position: u64) -> Hub {
        let hub = Hub::default();
        hub.begin(place(position));
        hub
    }

    #[test]
    fn nobody_is_registered_before_the_hub_has_a_place() {
        assert!(Hub::default().register(PlayerId(1)).is_none());
    }

    #[test]
    fn each_screen_gets_the_events_of_its_player_only() {
        let hub = hub_at(10);
        let mut mine = hub.register(PlayerId(1)).unwrap();
        let mut others = hub.register(PlayerId(2)).unwrap();
        hub.give_out(&[spent(1, 11), spent(2, 12), spent(1, 13)]);
        let positions = |registration: &mut Registration| {
            std::iter::from_fn(|| registration.frames.try_recv().ok())
                .map(|frame| frame.position)
                .collect::<Vec<_>>()
        };
        assert_eq!(positions(&mut mine), [11, 13]);
        assert_eq!(positions(&mut others), [12]);
        assert_eq!(hub.place(), Some(place(13)));
    }

    #[test]
    fn a_screen_that_does_not_keep_up_gets_what_it_had_room_for_and_then_its_end() {
        let hub = hub_at(0);
        let mut slow = hub.register(PlayerId(1)).unwrap();
        let more = u64::try_from(QUEUE).unwrap() + 5;
        hub.give_out(&(1..=more).map(|position| spent(1, position)).collect::<Vec<_>>());
        let mut got = 0;
        while let Some(frame) = slow.frames.blocking_recv() {
            got += 1;
            assert_eq!(frame.position, got);
        }
        assert_eq!(usize::try_from(got).unwrap(), QUEUE);
    }

    #[test]
    fn a_screen_that_leaves_is_forgotten() {
        let hub = hub_at(0);
        drop(hub.register(PlayerId(1)).unwrap());
        assert!(hub.state().screens.is_empty());
    }

    #[test]
    fn another_history_makes_every_screen_begin_anew() {
        let hub = hub_at(5);
        let restarts = hub.restarts();
        hub.begin(place(5));
        assert!(!restarts.has_changed().unwrap());
        hub.begin(place(3));
        assert!(restarts.has_changed().unwrap());
    }
}
