//! How much gold each member of staff gives in a short time. In memory: each node counts its own,
//! and a restart forgets.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use commands::IdempotencyKey;
use domain::id::PlayerId;
use domain::limit::Rate;

/// The latest grants of each, oldest first.
#[derive(Debug, Default)]
pub struct GrantPace(Mutex<HashMap<PlayerId, VecDeque<Asked>>>);

/// A grant that was asked for, whatever became of it.
#[derive(Debug)]
struct Asked {
    at: DateTime<Utc>,
    key: IdempotencyKey,
}

impl GrantPace {
    /// Counts a grant; a repeat of one that is counted already is not counted again.
    ///
    /// # Errors
    /// When the next one is allowed, if this one is not.
    pub fn count(
        &self,
        admin: PlayerId,
        key: &IdempotencyKey,
        rate: Rate,
        now: DateTime<Utc>,
    ) -> Result<(), DateTime<Utc>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = all.entry(admin).or_default();
        while asked.front().is_some_and(|oldest| oldest.at + rate.within <= now) {
            asked.pop_front();
        }
        if asked.iter().any(|earlier| earlier.key == *key) {
            return Ok(());
        }
        if let Some(until) = rate.full_until(asked.iter().map(|earlier| earlier.at), now) {
            return Err(until);
        }
        asked.push_back(Asked { at: now, key: key.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_window_slides_repeats_are_free_and_everybody_has_their_own() {
        let pace = GrantPace::default();
        let rate = Rate { most: 2, within: TimeDelta::seconds(60) };
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let count = |admin, key: &str, second| {
            let key = IdempotencyKey::parse(key).unwrap();
            pace.count(PlayerId(admin), &key, rate, at(second))
        };
        assert_eq!([count(1, "a", 0), count(1, "b", 10), count(1, "a", 20)], [Ok(()); 3]);
        assert_eq!(count(1, "c", 20), Err(at(60)));
        assert_eq!(count(2, "c", 20), Ok(()));
        assert_eq!(count(1, "c", 60), Ok(()));
        assert_eq!(count(1, "d", 61), Err(at(70)));
    }
}
