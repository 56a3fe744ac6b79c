//! Who may do what now, in memory: roles, bans, sessions that were ended. Kept up by the log on every
//! node, so that no request asks the database, and what the staff does works at once everywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::bus::Head;
use commands::clock::Clock;
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{PlayerId, RoleCode};
use domain::identity::{Ban, Identity};
use domain::role::{BuiltIn, Permissions, Role};
use domain::stored::{Place, Recorded};
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
use tokio::sync::watch;
use tokio::time::Instant;

use super::sessions::SessionKey;

/// Whoever is behind the node's head for so long, and does not move, does not know what was decided.
const LONGEST_BEHIND: Duration = Duration::from_secs(2);
/// People beyond what was left by the last sweep, before those are swept out of whom nothing counts.
const SWEPT_AFTER: usize = 10_000;

/// How somebody stands with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Signed in.
    Good {
        /// What they may do as one of the staff.
        may: Permissions,
        /// Whether signing in takes a code.
        has_totp: bool,
    },
    /// Kept out.
    Banned(Ban),
    /// The session was ended.
    Ended,
}

/// See the module.
#[derive(Clone)]
pub struct Standings(Arc<Shared>);

struct Shared {
    state: RwLock<State>,
    /// The node's head.
    heads: watch::Receiver<Head>,
    /// Since when it is behind the head without moving; `None` if it is not behind.
    behind_since: Mutex<Option<Instant>>,
    /// Raised with every change.
    changes: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    place: Option<Place>,
    people: HashMap<PlayerId, Identity>,
    roles: HashMap<RoleCode, Role>,
    left_by_sweep: usize,
}

impl Standings {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(heads: watch::Receiver<Head>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            state: RwLock::default(),
            heads,
            behind_since: Mutex::default(),
            changes: watch::channel(0).0,
            clock,
        }))
    }

    /// Notes whenever the node's head goes ahead of it, until the bus has gone.
    pub async fn watch_the_head(self) {
        let mut heads = self.0.heads.clone();
        while heads.changed().await.is_ok() {
            self.compare_with_head(HasMoved(false));
        }
    }

    /// How somebody stands with a session at a moment.
    #[must_use]
    pub fn of(&self, session: &SessionKey, now: DateTime<Utc>) -> Standing {
        let state = self.state();
        let Some(identity) = state.people.get(&session.player) else {
            return Standing::Good { may: Permissions::NONE, has_totp: false };
        };
        match identity.ban_at(now) {
            Some(ban) => Standing::Banned(ban),
            None if identity.has_ended(session.id, session.began_at) => Standing::Ended,
            None => Standing::Good {
                may: state.permissions(identity.role()),
                has_totp: identity.totp().is_some(),
            },
        }
    }

    /// Somebody's role and what it allows.
    #[must_use]
    pub fn role(&self, player: PlayerId) -> (Option<RoleCode>, Permissions) {
        let state = self.state();
        let role = state.people.get(&player).and_then(Identity::role);
        (role, state.permissions(role))
    }

    /// The roles of the club's own, what they allow and their versions, in order of their codes.
    #[must_use]
    pub fn own_roles(&self) -> Vec<(RoleCode, Permissions, u32)> {
        let of_role = |(code, role): (&RoleCode, &Role)| {
            (*code, role.permissions().unwrap_or_default(), role.version())
        };
        let mut roles: Vec<_> = self.state().roles.iter().map(of_role).collect();
        roles.sort_unstable_by_key(|(code, ..)| *code);
        roles
    }

    /// Whether it knows what was decided up to a moment ago.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        let behind_since = *self.behind_since();
        let is_stuck = behind_since.is_some_and(|since| since.elapsed() >= LONGEST_BEHIND);
        self.state().place.is_some() && !is_stuck
    }

    /// Changes with everything that was decided about anybody.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn behind_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.behind_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both places are read under the lock: of two who compare at once, the last one has seen both.
    fn compare_with_head(&self, HasMoved(has_moved): HasMoved) {
        let mut behind_since = self.behind_since();
        let head = self.0.heads.borrow().place.position;
        let is_behind = self.state().place.is_some_and(|place| place.position < head);
        if !is_behind {
            *behind_since = None;
        } else if has_moved || behind_since.is_none() {
            *behind_since = Some(Instant::now());
        }
    }

    /// Begins with what the log says up to a place.
    fn begin(&self, place: Place, events: &[Recorded]) -> Result<(), FollowerError> {
        let mut state = State { place: Some(place), ..State::default() };
        events.iter().try_for_each(|recorded| state.take(recorded))?;
        state.sweep(self.0.clock.now());
        *self.state_mut() = state;
        self.compare_with_head(HasMoved(true));
        self.0.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// What cannot be read was written by a newer program. Then it stays where it is, and before long
    /// nobody is let in: never an unchecked yes.
    fn take(&self, events: &[Recorded]) -> Result<(), FollowerError> {
        let Some(last) = events.last() else { return Ok(()) };
        let is_about_somebody = events.iter().any(is_of_standing);
        let mut state = self.state_mut();
        if is_about_somebody {
            events.iter().try_for_each(|recorded| state.take(recorded))?;
            if state.people.len() > state.left_by_sweep + SWEPT_AFTER {
                state.sweep(self.0.clock.now());
            }
        }
        state.place = Some(last.place);
        drop(state);
        self.compare_with_head(HasMoved(true));
        if is_about_somebody {
            self.0.changes.send_modify(|changes| *changes += 1);
        }
        Ok(())
    }
}

/// Whether the place of the standings has moved, or only the head.
struct HasMoved(bool);

fn is_of_standing(recorded: &Recorded) -> bool {
    FAMILIES.contains(&recorded.event.aggregate_type.as_ref())
}

/// The families whose events it is made of.
const FAMILIES: [&str; 2] = [Identity::TYPE, Role::TYPE];

impl State {
    fn take(&mut self, recorded: &Recorded) -> Result<(), FollowerError> {
        if !is_of_standing(recorded) {
            return Ok(());
        }
        let position = recorded.place.position;
        let event = ClubEvent::decode(recorded);
        match event.map_err(|source| FollowerError::Decode { position, source })? {
            ClubEvent::Identity(player, event) => {
                self.people.entry(player).or_default().evolve(&event);
            }
            ClubEvent::Role(code, event) => self.roles.entry(code).or_default().evolve(&event),
            // Of other families, which are not looked at.
            _ => {}
        }
        Ok(())
    }

    fn permissions(&self, role: Option<RoleCode>) -> Permissions {
        let Some(role) = role else { return Permissions::NONE };
        match BuiltIn::find(role) {
            Some(built_in) => built_in.permissions(),
            None => self.roles.get(&role).and_then(Role::permissions).unwrap_or_default(),
        }
    }

    /// Forgets everybody of whom nothing counts any more.
    fn sweep(&mut self, now: DateTime<Utc>) {
        self.people.retain(|_, identity| identity.matters_at(now));
        self.left_by_sweep = self.people.len();
    }
}

/// The standings on the followers' engine. Every node keeps its own.
pub struct StandingsSink {
    standings: Standings,
    feed: Feed,
}

impl StandingsSink {
    /// For these standings.
    #[must_use]
    pub fn new(standings: Standings, feed: Feed) -> Self {
        Self { standings, feed }
    }
}

impl Sink for StandingsSink {
    const NAME: &'static str = "standings";
    const LEASED: bool = false;

    /// Always from the start: these are few events.
    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        let place = self.feed.head().await?;
        let events = self.feed.families(&FAMILIES, place.position).await?;
        self.standings.begin(place, &events)?;
        Ok(Resume::After(place))
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        self.standings.take(events)
    }
}

#[cfg(test)]
mod tests {
    use commands::clock::SystemClock;
    use domain::aggregate::Event;
    use domain::id::SessionId;
    use domain::identity::IdentityEvent;
    use domain::stored::{Hash, StoredEvent};
    use domain::testing::at;

    use super::*;

    fn head(position: u64) -> Head {
        Head { place: place(position), confirmed_at: Instant::now() }
    }

    fn place(position: u64) -> Place {
        Place { position, hash: Hash::genesis(&[]) }
    }

    fn told(position: u64, payload: String) -> Recorded {
        let event = StoredEvent {
            aggregate_type: Identity::TYPE.into(),
            aggregate_id: "23".into(),
            sequence: position,
            event_type: "banned".into(),
            event_version: "1".into(),
            payload: payload.into(),
            metadata: "{}".into(),
        };
        Recorded { place: place(position), recorded_at: at(0), event }
    }

    fn banned(position: u64) -> Recorded {
        let event = IdentityEvent::Banned { at: at(0), until: None };
        assert_eq!(event.event_type(), "banned");
        told(position, domain::encoding::encode(&event).unwrap())
    }

    /// Standings at position 1 of a node that is there, too.
    fn standings() -> (Standings, watch::Sender<Head>) {
        let (heads, seen) = watch::channel(head(1));
        let standings = Standings::new(seen, Arc::new(SystemClock));
        assert!(!standings.is_up_to_date(), "before it has begun it knows nothing");
        standings.begin(place(1), &[]).unwrap();
        tokio::spawn(standings.clone().watch_the_head());
        (standings, heads)
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_quiet_hour_a_moment_behind_the_head_is_not_too_late() {
        let (standings, heads) = standings();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!(standings.is_up_to_date());
        heads.send_replace(head(2));
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        assert!(standings.is_up_to_date());
        standings.take(&[banned(2)]).unwrap();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!(standings.is_up_to_date());
        let session =
            SessionKey { player: PlayerId(23), id: SessionId::from_bits(1), began_at: at(0) };
        assert!(matches!(standings.of(&session, at(1)), Standing::Banned(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stays_behind_the_head_says_so_until_it_has_caught_up() {
        let (standings, heads) = standings();
        for position in 2..6 {
            heads.send_replace(head(position));
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert!(!standings.is_up_to_date(), "the head moves, and it does not");
        standings.take(&[banned(2)]).unwrap();
        assert!(standings.is_up_to_date(), "it moves again");
        tokio::time::sleep(LONGEST_BEHIND).await;
        assert!(!standings.is_up_to_date());
        standings.take(&[banned(3), banned(4), banned(5)]).unwrap();
        tokio::time::sleep(LONGEST_BEHIND).await;
        assert!(standings.is_up_to_date());
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_not_passed_over() {
        let (standings, heads) = standings();
        heads.send_replace(head(2));
        let unknown = told(2, "{\"type\":\"banned\",\"at\":\"some day\"}".to_owned());
        assert!(standings.take(&[unknown]).is_err());
        tokio::time::sleep(LONGEST_BEHIND).await;
        assert!(!standings.is_up_to_date());
    }
}
