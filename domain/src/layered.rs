//! A map that is cheap to copy, however much is in it: a state is copied at every command that goes
//! ahead of the log, and most of it stays as it was.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries that are copied with the map; one more, and all become the shared ones.
const RECENT: usize = 16;

/// See the module. What was put in lately lies on top of what all copies share.
#[derive(Clone)]
pub(crate) struct Layered<K, V> {
    /// By key.
    shared: Arc<[(K, V)]>,
    /// By key; an entry here stands for the one of the same key in `shared`.
    recent: Vec<(K, V)>,
}

impl<K, V> Default for Layered<K, V> {
    fn default() -> Self {
        Self { shared: Arc::default(), recent: Vec::new() }
    }
}

impl<K: Ord + Copy, V: Copy> Layered<K, V> {
    /// What was put in last under a key.
    pub(crate) fn get(&self, key: K) -> Option<V> {
        let find = |entries: &[(K, V)]| {
            let found = entries.binary_search_by_key(&key, |(key, _)| *key);
            found.ok().and_then(|found| entries.get(found)).map(|(_, value)| *value)
        };
        find(&self.recent).or_else(|| find(&self.shared))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.recent.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(found) => self.recent[found].1 = value,
            Err(place) => self.recent.insert(place, (key, value)),
        }
        if self.recent.len() > RECENT {
            self.shared = self.entries().into();
            self.recent.clear();
        }
    }

    /// At least as many as there are, for weighing.
    pub(crate) fn len_at_most(&self) -> usize {
        self.shared.len() + self.recent.len()
    }

    fn entries(&self) -> Vec<(K, V)> {
        let is_replaced =
            |key: &K| self.recent.binary_search_by_key(key, |(recent, _)| *recent).is_ok();
        let kept = self.shared.iter().filter(|(key, _)| !is_replaced(key));
        let mut entries: Vec<_> = kept.chain(&self.recent).copied().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }
}

impl<K: Ord + Copy, V: Copy + PartialEq> PartialEq for Layered<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl<K: Ord + Copy, V: Copy + Eq> Eq for Layered<K, V> {}

impl<K: Ord + Copy + fmt::Debug, V: Copy + fmt::Debug> fmt::Debug for Layered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

impl<K: Ord + Copy + Serialize, V: Copy + Serialize> Serialize for Layered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries())
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Layered<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entries = Vec::<(K, V)>::deserialize(deserializer)?;
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self { shared: entries.into(), recent: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(inserts in prop::collection::vec((0_u8..60, any::<u8>()), 0..200)) {
            let (mut layered, mut map) = (Layered::default(), BTreeMap::new());
            for (key, value) in inserts {
                let before = layered.clone();
                layered.insert(key, value);
                prop_assert_eq!(before.get(key), map.insert(key, value));
            }
            for key in 0..60 {
                prop_assert_eq!(layered.get(key), map.get(&key).copied());
            }
            prop_assert!(layered.len_at_most() >= map.len());
            prop_assert!(layered.len_at_most() <= map.len() + RECENT);
            let stored = serde_json::to_string(&layered).unwrap();
            prop_assert_eq!(serde_json::from_str::<Layered<u8, u8>>(&stored).unwrap(), layered);
        }
    }
}
