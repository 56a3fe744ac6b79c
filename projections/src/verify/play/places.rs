//! Whether places on a leaderboard are rewarded as the scores in the log have it.
//!
//! While a contest runs, the score of each player who takes part is kept, about 50 bytes; when it is
//! frozen, only the places that pay something, 24 bytes each, ten thousand at most.

use std::cmp::Reverse;
use std::collections::HashMap;

use domain::id::PlayerId;
use domain::live_event::{Tier, reward_of};
use domain::reward::Rewards;

/// The contest of one occurrence of an event.
pub(super) enum Contest {
    /// Each score, and the event that made it.
    Running(HashMap<PlayerId, (u64, u64)>),
    /// Scores no longer change.
    Frozen(Standings),
}

/// Places that pay something, the first one first.
pub(super) struct Standings {
    tiers: Vec<Tier>,
    places: Vec<Place>,
}

struct Place {
    player: PlayerId,
    score: u64,
    is_rewarded: bool,
}

impl Default for Contest {
    fn default() -> Self {
        Self::Running(HashMap::new())
    }
}

impl Contest {
    pub(super) fn score(&mut self, player: PlayerId, score: u64, position: u64) {
        match self {
            Self::Running(scores) => {
                scores.insert(player, (score, position));
            }
            // That it came closer after all is a finding already.
            Self::Frozen(_) => {}
        }
    }

    pub(super) fn freeze(&mut self, tiers: &[Tier]) {
        let Self::Running(scores) = self else { return };
        let mut scores: Vec<_> = scores.drain().filter(|(_, (score, _))| *score > 0).collect();
        // The higher score first; of two that are the same, the one that was reached first.
        scores.sort_unstable_by_key(|(_, (score, position))| (Reverse(*score), *position));
        let paid = tiers.last().map_or(0, |tier| tier.last_place);
        scores.truncate(usize::try_from(paid).unwrap_or(usize::MAX));
        let place = |(player, (score, _))| Place { player, score, is_rewarded: false };
        let places = scores.into_iter().map(place).collect();
        *self = Self::Frozen(Standings { tiers: tiers.to_vec(), places });
    }

    /// A place is rewarded: what it pays.
    pub(super) fn reward(
        &mut self,
        player: PlayerId,
        (place, score): (u32, u64),
    ) -> Result<&Rewards, String> {
        let Self::Frozen(Standings { tiers, places }) = self else {
            return Err("its scores are not frozen".to_owned());
        };
        let Some(rewards) = reward_of(tiers, place) else {
            return Err("this place pays nothing".to_owned());
        };
        let number = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
        let Some(has) = number.and_then(|number| places.get_mut(number)) else {
            return Err("nobody has reached it".to_owned());
        };
        if (has.player, has.score) != (player, score) {
            return Err(format!("player {} has it with a score of {}", has.player, has.score));
        }
        if std::mem::replace(&mut has.is_rewarded, true) {
            return Err("it was rewarded before".to_owned());
        }
        Ok(rewards)
    }
}
