//! Snapshots in memory: kept and checked as the table does it.

use std::collections::HashMap;

use domain::stored::{Hash, Place, Recorded};

use super::Tables;
use crate::cache::StreamKey;
use crate::snapshot::Snapshot;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The version of the state's shape.
    pub version: i32,
    /// The last event in it.
    pub sequence: u64,
    /// That event's hash.
    pub hash: Hash,
    /// The state's JSON text.
    pub state: String,
}

/// The table.
pub type Snapshots = HashMap<StreamKey, Kept>;

impl Tables {
    fn event_of(&self, stream: &StreamKey, sequence: u64) -> Option<&Recorded> {
        let mut events = self.stream(stream.aggregate_type, &stream.aggregate_id);
        events.find(|recorded| recorded.event.sequence == sequence)
    }

    fn is_in_log(&self, stream: &StreamKey, kept: &Kept) -> bool {
        let event = self.event_of(stream, kept.sequence);
        event.is_some_and(|recorded| recorded.place.hash == kept.hash)
    }

    pub(super) fn find_snapshot(&self, stream: &StreamKey, version: i32) -> Option<Snapshot> {
        let kept = self.snapshots.get(stream)?;
        let counts = kept.version == version && self.is_in_log(stream, kept);
        let Kept { sequence, state, .. } = kept.clone();
        counts.then(|| Snapshot { stream: stream.clone(), version, sequence, state })
    }

    pub(super) fn store_snapshot(&mut self, snapshot: &Snapshot, seen: Place) {
        let Snapshot { stream, version, sequence, state } = snapshot;
        let Some(event) = self.event_of(stream, *sequence) else { return };
        let has_seen = self.events.iter().any(|recorded| recorded.place == seen);
        let is_newer = self.snapshots.get(stream).is_none_or(|kept| {
            (kept.version, kept.sequence) <= (*version, *sequence) || !self.is_in_log(stream, kept)
        });
        if has_seen && is_newer {
            let (hash, state) = (event.place.hash, state.clone());
            let kept = Kept { version: *version, sequence: *sequence, hash, state };
            self.snapshots.insert(stream.clone(), kept);
        }
    }
}
