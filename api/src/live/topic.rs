//! A channel that many listen to: entries, each told whole whenever it has changed.
//!
//! Whoever joins gets every entry as it is at one place, in the same step. Whoever comes back gets the
//! entries that have changed since: that is all that was missed, however long it was. Changes are told
//! a few times a second, so that a rush on one entry costs each listener a message, not thousands.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::extract::ws::Utf8Bytes;
use domain::stored::{Cursor, Place};

use super::channel::Channel;
use super::hub::Listener;
use super::messages::{self, Frame};

/// An entry's name: unique in its topic, and the order in which entries are listed.
pub type Key = (&'static str, String);

/// What an entry is now.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whose.
    pub key: Key,
    /// As JSON.
    pub data: String,
    /// Whether it is there: one that is not is told once, and is not listed.
    pub is_listed: bool,
}

#[derive(Debug)]
struct Entry {
    position: u64,
    data: String,
    is_listed: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Topic {
    channel: Channel,
    /// What its messages are called.
    kind: &'static str,
    entries: BTreeMap<Key, Entry>,
    /// What has not been told yet, by the position of its last change.
    untold: BTreeSet<(u64, Key)>,
    /// Everything up to here has been told.
    told: Place,
    /// By connection.
    listeners: HashMap<u64, Listener>,
}

/// What somebody who joins is told.
#[derive(Debug)]
pub enum Joined {
    /// Everything, as it is at the place.
    Anew(Place, Utf8Bytes),
    /// What has changed since the cursor.
    Recovered(Vec<Frame>),
}

impl Topic {
    /// Without entries.
    pub fn new(channel: Channel, kind: &'static str, at: Place) -> Self {
        let (entries, untold) = (BTreeMap::new(), BTreeSet::new());
        Self { channel, kind, entries, untold, told: at, listeners: HashMap::new() }
    }

    /// An entry has changed at this position; or has not, if it is what it was, or was read before what is
    /// known.
    pub fn set(&mut self, position: u64, change: Change) {
        let Change { key, data, is_listed } = change;
        let is_known = |entry: &Entry| entry.data == data || position < entry.position;
        if self.entries.get(&key).is_some_and(is_known) {
            return;
        }
        let entry = Entry { position, data, is_listed };
        if let Some(before) = self.entries.insert(key.clone(), entry) {
            self.untold.remove(&(before.position, key.clone()));
        }
        self.untold.insert((position, key));
    }

    /// Tells what has changed up to this place.
    pub fn flush(&mut self, place: Place) {
        let untold = std::mem::take(&mut self.untold);
        if !untold.is_empty() && !self.listeners.is_empty() {
            let frames =
                self.frames(&self.told.cursor(), &place, untold.iter().map(|(_, key)| key));
            self.listeners.retain(|_, listener| frames.iter().all(|f| listener.tell(f.clone())));
        }
        self.told = place;
    }

    /// Whether everything has been told.
    pub fn is_quiet(&self) -> bool {
        self.untold.is_empty()
    }

    /// Adds a listener, and tells what it has to know first: what has changed after a position that it
    /// has seen, or everything.
    pub fn join(&mut self, listener: Listener, since: Option<&Cursor>, place: Place) -> Joined {
        self.flush(place);
        self.listeners.insert(listener.connection, listener);
        let Some(seen) = since else {
            let listed = self.entries.values().filter(|entry| entry.is_listed);
            let items = messages::items(listed.map(|entry| entry.data.as_str()));
            return Joined::Anew(place, items);
        };
        let mut missed: Vec<(u64, &Key)> = self
            .entries
            .iter()
            .map(|(key, entry)| (entry.position, key))
            .filter(|(position, _)| *position > seen.position)
            .collect();
        missed.sort_unstable();
        Joined::Recovered(self.frames(seen, &place, missed.into_iter().map(|(_, key)| key)))
    }

    /// Takes a connection's listener out.
    pub fn leave(&mut self, connection: u64) {
        self.listeners.remove(&connection);
    }

    /// Whether nobody listens.
    pub fn is_deserted(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Messages about entries: all but the last one say that everything up to `before` is through.
    fn frames<'a>(
        &self,
        before: &Cursor,
        place: &Place,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Vec<Frame> {
        let mut keys = keys.filter_map(|key| self.entries.get(key)).peekable();
        let mut frames = Vec::new();
        while let Some(entry) = keys.next() {
            let through = if keys.peek().is_some() { *before } else { place.cursor() };
            let said = (self.channel, self.kind, entry.position);
            frames.push(messages::told(said, &through, &entry.data));
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{listener, place, waiting};
    use super::*;

    fn change(id: u32, price: u32) -> Change {
        let data = json!({"id": id, "price": price}).to_string();
        Change { key: ("pack", id.to_string()), data, is_listed: price > 0 }
    }

    fn topic() -> Topic {
        let mut topic = Topic::new(Channel::Catalog, "catalog_update", place(0));
        topic.set(3, change(1, 10));
        topic.set(5, change(2, 20));
        topic
    }

    #[test]
    fn whoever_joins_gets_every_listed_entry_at_one_place() {
        let mut topic = topic();
        topic.set(6, change(3, 0));
        let Joined::Anew(at, state) = topic.join(listener(), None, place(7)) else { panic!() };
        assert_eq!(at, place(7));
        let state: Value = serde_json::from_str(&state).unwrap();
        let items = json!([{"id": 1, "price": 10}, {"id": 2, "price": 20}]);
        assert_eq!(state, json!({"items": items}));
    }

    #[test]
    fn a_rush_on_one_entry_is_one_message_and_the_last_message_says_that_all_is_through() {
        let (mut topic, listener) = (topic(), listener());
        topic.join(listener.clone(), None, place(5));
        (6..100).for_each(|position| topic.set(u64::from(position), change(1, position)));
        topic.set(100, change(2, 60));
        assert!(!topic.is_quiet());
        topic.flush(place(120));
        let told = waiting(&listener);
        assert_eq!(told.len(), 2);
        assert_eq!((&told[0]["position"], &told[0]["data"]["id"]), (&json!(99), &json!(1)));
        assert_eq!(told[0]["cursor"], place(5).cursor().to_string());
        assert_eq!(told[1]["cursor"], place(120).cursor().to_string());
        assert!(topic.is_quiet());
    }

    #[test]
    fn what_was_read_before_what_is_known_changes_nothing() {
        let (mut topic, listener) = (topic(), listener());
        topic.join(listener.clone(), None, place(5));
        topic.set(4, change(2, 99));
        assert!(topic.is_quiet());
        topic.flush(place(6));
        assert!(waiting(&listener).is_empty());
    }

    #[test]
    fn whoever_comes_back_gets_what_has_changed_and_nothing_else() {
        let mut topic = topic();
        topic.set(9, change(1, 0));
        let Joined::Recovered(frames) = topic.join(listener(), Some(&place(4).cursor()), place(12))
        else {
            panic!()
        };
        let positions: Vec<u64> = frames.iter().map(|frame| frame.position).collect();
        assert_eq!(positions, [5, 9]);
    }
}
