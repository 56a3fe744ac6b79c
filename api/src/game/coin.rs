//! The game itself: a coin, decided here and nowhere else.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reports::Action;

/// A side of the coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The one with the head.
    Heads,
    /// The other.
    Tails,
}

/// A toss, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Its own id.
    pub id: Uuid,
    /// What the player has picked.
    pub pick: Side,
    /// What came.
    pub result: Side,
}

impl Round {
    /// Tosses. The generator is seeded by the operating system and cannot be foreseen.
    #[must_use]
    pub fn toss(pick: Side) -> Self {
        let result = if rand::random() { Side::Heads } else { Side::Tails };
        Self { id: Uuid::now_v7(), pick, result }
    }

    /// Whether the player has won.
    #[must_use]
    pub fn is_won(&self) -> bool {
        self.pick == self.result
    }

    /// What the club is told: that the player has played and, if so, won. Each has an id that stays
    /// the same however often it is sent.
    #[must_use]
    pub fn actions(&self, user_id: i64) -> Vec<Action> {
        let kinds = if self.is_won() { &["play_count", "win_count"][..] } else { &["play_count"] };
        let action = |action_type: &&'static str| Action {
            action_id: Uuid::now_v7(),
            user_id,
            action_type,
            amount: 1,
        };
        kinds.iter().map(action).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_won_round_is_two_actions_and_a_lost_one_is_one() {
        let round = |result| Round { id: Uuid::nil(), pick: Side::Heads, result };
        let kinds = |round: Round| -> Vec<&str> {
            round.actions(23).iter().map(|action| action.action_type).collect()
        };
        assert_eq!(kinds(round(Side::Heads)), ["play_count", "win_count"]);
        assert_eq!(kinds(round(Side::Tails)), ["play_count"]);
        let actions = round(Side::Heads).actions(23);
        assert_ne!(actions[0].action_id, actions[1].action_id);
    }

    #[test]
    fn the_coin_falls_on_both_sides() {
        let heads = (0..1_000).filter(|_| Round::toss(Side::Heads).is_won()).count();
        assert!((350..650).contains(&heads), "{heads} of 1,000");
    }
}
