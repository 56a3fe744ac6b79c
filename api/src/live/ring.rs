//! The last events of the log, in memory: whoever comes back after a moment costs no query.

use std::collections::{HashMap, VecDeque};

use domain::id::PlayerId;
use domain::stored::{Cursor, Place, Recorded};

use super::messages::FAMILIES;

/// How many events are kept: some megabytes.
const KEPT: usize = 8_192;

/// See the module. Its events follow each other without a gap.
#[derive(Debug)]
pub struct Ring {
    /// The place in front of the first event.
    before: Place,
    events: VecDeque<Recorded>,
    /// Positions of the events that a player is told of.
    of_player: HashMap<PlayerId, VecDeque<u64>>,
}

impl Ring {
    /// Nothing yet, from a place on.
    pub fn new(before: Place) -> Self {
        Self { before, events: VecDeque::new(), of_player: HashMap::new() }
    }

    /// Adds the next event.
    pub fn push(&mut self, recorded: &Recorded) {
        if let Some(player) = player_of(recorded) {
            self.of_player.entry(player).or_default().push_back(recorded.place.position);
        }
        self.events.push_back(recorded.clone());
        if self.events.len() > KEPT {
            self.drop_first();
        }
    }

    /// Whether a cursor is a place of this history; `None` if it is too old, or too new, to tell.
    pub fn knows(&self, cursor: &Cursor) -> Option<bool> {
        if cursor.position == self.before.position {
            return Some(cursor.is_at(&self.before.hash));
        }
        let event = self.events.get(self.index_of(cursor.position)?)?;
        Some(cursor.is_at(&event.place.hash))
    }

    /// What has happened to a player after a cursor that this ring knows.
    pub fn since(&self, player: PlayerId, cursor: &Cursor) -> Vec<Recorded> {
        let Some(positions) = self.of_player.get(&player) else { return vec![] };
        let missed = positions.iter().filter(|position| **position > cursor.position);
        missed.filter_map(|position| self.events.get(self.index_of(*position)?)).cloned().collect()
    }

    fn index_of(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.before.position + 1)?).ok()
    }

    fn drop_first(&mut self) {
        let Some(first) = self.events.pop_front() else { return };
        self.before = first.place;
        let Some(player) = player_of(&first) else { return };
        let Some(positions) = self.of_player.get_mut(&player) else { return };
        positions.pop_front();
        if positions.is_empty() {
            self.of_player.remove(&player);
        }
    }
}

/// The player whose own channel tells of an event, if there is one.
pub fn player_of(recorded: &Recorded) -> Option<PlayerId> {
    let family = recorded.event.aggregate_type.as_ref();
    let is_told = FAMILIES.contains(&family);
    is_told.then(|| recorded.event.aggregate_id.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{place, spent};
    use super::*;

    fn ring_of(events: u64) -> Ring {
        let mut ring = Ring::new(place(0));
        (1..=events).for_each(|position| {
            ring.push(&spent(i64::try_from(position % 3 + 1).unwrap(), position))
        });
        ring
    }

    fn positions(events: &[Recorded]) -> Vec<u64> {
        events.iter().map(|event| event.place.position).collect()
    }

    #[test]
    fn each_player_gets_what_came_after_the_cursor() {
        let ring = ring_of(10);
        assert_eq!(positions(&ring.since(PlayerId(2), &place(4).cursor())), [7, 10]);
        assert_eq!(positions(&ring.since(PlayerId(2), &place(0).cursor())), [1, 4, 7, 10]);
        assert!(ring.since(PlayerId(9), &place(4).cursor()).is_empty());
    }

    #[test]
    fn it_knows_its_own_history_and_no_other() {
        let ring = ring_of(10);
        let other: Cursor = "4-0000000000000000".parse().unwrap();
        assert_eq!(ring.knows(&place(4).cursor()), Some(true));
        assert_eq!(ring.knows(&other), Some(false));
        assert_eq!(ring.knows(&place(11).cursor()), None);
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_not_guessed() {
        let ring = ring_of(u64::try_from(KEPT).unwrap() + 5);
        assert_eq!(ring.knows(&place(4).cursor()), None);
        assert_eq!(ring.knows(&place(5).cursor()), Some(true));
        let all: usize = ring.of_player.values().map(VecDeque::len).sum();
        assert_eq!(all, KEPT);
    }
}
