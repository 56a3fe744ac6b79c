//! Who may do what now, in memory: roles, bans, sessions that were ended. Kept up by the log on every
//! node, so that no request asks the database, and what the staff does works at once everywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
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

/// Whoever is behind the node's head for so long does not know what was decided meanwhile.
const LONGEST_BEHIND: Duration = Duration::from_secs(2);
/// People beyond what was left by the last sweep, before those are swept out of whom nothing counts.
const SWEPT_AFTER: usize = 10_000;

/// How somebody stands with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Signed in, and may do this as one of the staff.
    Good(Permissions),
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
    taken_at: Mutex<Instant>,
    /// Raised with every change.
    changes: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    place: Option<Place>,
    people: HashMap<PlayerId, Identity>,
    roles: HashMap<RoleCode, Permissions>,
    left_by_sweep: usize,
}

impl Standings {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            state: RwLock::default(),
            taken_at: Mutex::new(Instant::now()),
            changes: watch::channel(0).0,
            clock,
        }))
    }

    /// How somebody stands with a session at a moment.
    #[must_use]
    pub fn of(&self, session: &SessionKey, now: DateTime<Utc>) -> Standing {
        let state = self.state();
        let Some(identity) = state.people.get(&session.player) else {
            return Standing::Good(Permissions::NONE);
        };
        match identity.ban_at(now) {
            Some(ban) => Standing::Banned(ban),
            None if identity.has_ended(session.id, session.began_at) => Standing::Ended,
            None => Standing::Good(state.permissions(identity.role())),
        }
    }

    /// Somebody's role and what it allows.
    #[must_use]
    pub fn role(&self, player: PlayerId) -> (Option<RoleCode>, Permissions) {
        let state = self.state();
        let role = state.people.get(&player).and_then(Identity::role);
        (role, state.permissions(role))
    }

    /// The roles of the club's own, in order of their codes.
    #[must_use]
    pub fn own_roles(&self) -> Vec<(RoleCode, Permissions)> {
        let mut roles: Vec<_> =
            self.state().roles.iter().map(|(code, may)| (*code, *may)).collect();
        roles.sort_unstable_by_key(|(code, _)| *code);
        roles
    }

    /// Whether it knows what stands in the log up to a position, or did so a moment ago.
    #[must_use]
    pub fn is_up_to(&self, position: u64) -> bool {
        let place = self.state().place;
        place.is_some_and(|place| {
            place.position >= position || self.taken().elapsed() < LONGEST_BEHIND
        })
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

    fn taken(&self) -> MutexGuard<'_, Instant> {
        self.0.taken_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with what the log says up to a place.
    fn begin(&self, place: Place, events: &[Recorded]) {
        let mut state = State { place: Some(place), ..State::default() };
        events.iter().for_each(|recorded| state.take(recorded));
        state.sweep(self.0.clock.now());
        *self.state_mut() = state;
        *self.taken() = Instant::now();
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    fn take(&self, events: &[Recorded]) {
        let Some(last) = events.last() else { return };
        let is_about_somebody = events.iter().any(is_of_standing);
        let mut state = self.state_mut();
        state.place = Some(last.place);
        if is_about_somebody {
            events.iter().for_each(|recorded| state.take(recorded));
            if state.people.len() > state.left_by_sweep + SWEPT_AFTER {
                state.sweep(self.0.clock.now());
            }
        }
        drop(state);
        *self.taken() = Instant::now();
        if is_about_somebody {
            self.0.changes.send_modify(|changes| *changes += 1);
        }
    }
}

fn is_of_standing(recorded: &Recorded) -> bool {
    FAMILIES.contains(&recorded.event.aggregate_type.as_ref())
}

/// The families whose events it is made of.
const FAMILIES: [&str; 2] = [Identity::TYPE, Role::TYPE];

impl State {
    fn take(&mut self, recorded: &Recorded) {
        if !is_of_standing(recorded) {
            return;
        }
        match ClubEvent::decode(recorded) {
            Ok(ClubEvent::Identity(player, event)) => {
                self.people.entry(player).or_default().evolve(&event);
            }
            Ok(ClubEvent::Role(code, domain::role::RoleEvent::RoleDefined { permissions, .. })) => {
                self.roles.insert(code, permissions);
            }
            Ok(_) => {}
            Err(error) => {
                // A newer program wrote it. Better too many are kept out than too few.
                let position = recorded.place.position;
                tracing::error!(position, %error, "what was decided about somebody cannot be read");
            }
        }
    }

    fn permissions(&self, role: Option<RoleCode>) -> Permissions {
        let Some(role) = role else { return Permissions::NONE };
        match BuiltIn::find(role) {
            Some(built_in) => built_in.permissions(),
            None => self.roles.get(&role).copied().unwrap_or_default(),
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
        self.standings.begin(place, &events);
        Ok(Resume::After(place))
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        self.standings.take(events);
        Ok(())
    }
}
