//! How fast one player may play: nobody's missions are for scripts.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// So many rounds …
const MOST: usize = 3;
/// … in so long.
const WITHIN: Duration = Duration::from_secs(1);
/// Players that are remembered: the latest.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// The latest rounds of each player, oldest first. In memory: a restart forgets.
#[derive(Debug)]
pub struct Pace(Mutex<LruCache<i64, VecDeque<Instant>>>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Pace {
    /// Counts a round, if it may begin.
    ///
    /// # Errors
    /// How long to wait, if it may not.
    pub fn count(&self, player: i64, now: Instant) -> Result<(), Duration> {
        let mut players = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = players.get_or_insert_mut(player, VecDeque::new);
        while rounds.front().is_some_and(|&oldest| now.duration_since(oldest) >= WITHIN) {
            rounds.pop_front();
        }
        match rounds.front() {
            Some(&oldest) if rounds.len() >= MOST => Err(WITHIN - now.duration_since(oldest)),
            _ => {
                rounds.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_rounds_a_second_and_everybody_has_their_own() {
        let (pace, start) = (Pace::default(), Instant::now());
        let at =
            |player, milliseconds| pace.count(player, start + Duration::from_millis(milliseconds));
        assert_eq!([at(1, 0), at(1, 100), at(1, 200)], [Ok(()); 3]);
        assert_eq!(at(1, 300), Err(Duration::from_millis(700)));
        assert_eq!(at(2, 300), Ok(()));
        assert_eq!(at(1, 1_000), Ok(()));
        assert_eq!(at(1, 1_001), Err(Duration::from_millis(99)));
    }
}
