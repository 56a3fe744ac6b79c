//! Roles of the staff, and what each may do.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody is in the club.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Plays.
    Player,
    /// Helps players.
    Support,
    /// Runs shop and events.
    Operator,
    /// Reads the books.
    Auditor,
    /// Everything.
    Admin,
}

/// A role that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}")]
pub struct UnknownRole(String);

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Player, Self::Support, Self::Operator, Self::Auditor, Self::Admin];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Support => "support",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// Whether they may sign in to the console.
    #[must_use]
    pub fn is_staff(self) -> bool {
        self != Self::Player
    }

    /// Whether they may give gold and edit the shop.
    #[must_use]
    pub fn may_grant(self) -> bool {
        matches!(self, Self::Admin | Self::Operator)
    }
}

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let unknown = || UnknownRole(text.to_owned());
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(unknown)
    }
}
