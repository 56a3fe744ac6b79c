//! Somebody's standing in the club. Ids only: who they are stands in tables that can be erased.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::PlayerId;
use crate::offer::Rank;

/// What has happened to somebody's standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityEvent {
    /// The staff gave another rank.
    RankChanged {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        rank: Rank,
    },
}

impl Event for IdentityEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::RankChanged { .. } => "rank_changed",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What may be asked of it.
#[derive(Debug, Clone)]
pub enum IdentityCommand {
    /// Give a rank; asking for the present one does nothing.
    ChangeRank {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        rank: Rank,
    },
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {}

/// Somebody's standing as the stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    rank: Rank,
}

impl Identity {
    /// The present rank.
    #[must_use]
    pub fn rank(&self) -> Rank {
        self.rank
    }
}

impl Aggregate for Identity {
    const TYPE: &'static str = "identity";
    type Id = PlayerId;
    type Command = IdentityCommand;
    type Event = IdentityEvent;
    type Refusal = IdentityRefusal;

    fn decide(&self, command: &IdentityCommand) -> Result<Vec<IdentityEvent>, IdentityRefusal> {
        match command {
            IdentityCommand::ChangeRank { rank, .. } if *rank == self.rank => Ok(vec![]),
            IdentityCommand::ChangeRank { at, rank } => {
                Ok(vec![IdentityEvent::RankChanged { at: *at, rank: *rank }])
            }
        }
    }

    fn evolve(&mut self, event: &IdentityEvent) {
        match event {
            IdentityEvent::RankChanged { rank, .. } => self.rank = *rank,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    #[test]
    fn a_rank_is_changed_once() {
        let change = IdentityCommand::ChangeRank { at: at(1), rank: Rank::Vip };
        let changed = IdentityEvent::RankChanged { at: at(1), rank: Rank::Vip };
        given::<Identity>(&[]).when(&change).then(std::slice::from_ref(&changed));
        given::<Identity>(&[changed]).when(&change).then(&[]);
    }
}
