//! What each caller has been told on this node, so that their next read shows it.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use domain::id::PlayerId;
use lru::LruCache;

/// Callers remembered; who is forgotten reads what is there.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99_999);

/// The position of each caller's last acknowledged command.
#[derive(Debug)]
pub struct Positions(Mutex<LruCache<PlayerId, u64>>);

impl Default for Positions {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Positions {
    /// The caller has been told of this position.
    pub fn acknowledge(&self, caller: PlayerId, position: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = known.get_or_insert_mut(caller, || 0);
        *told = position.max(*told);
    }

    /// The last position that the caller has been told of.
    #[must_use]
    pub fn of(&self, caller: PlayerId) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&caller).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_never_goes_back() {
        let positions = Positions::default();
        positions.acknowledge(PlayerId(1), 7);
        positions.acknowledge(PlayerId(1), 5);
        assert_eq!((positions.of(PlayerId(1)), positions.of(PlayerId(2))), (7, 0));
    }
}
