//! What can be listened to.

use std::fmt;
use std::str::FromStr;

use domain::id::LiveEventId;
use domain::role::Permission;
use serde::{Serialize, Serializer};

/// A channel, by the name that clients use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A player's own account and play.
    Me,
    /// What is sold: packs, benefits, limited packages.
    Catalog,
    /// What can be joined.
    Events,
    /// The first places of an event.
    Leaderboard(LiveEventId),
    /// What is written to the log, play left out; for those of the staff who may read the audit.
    Admin,
    /// What concerns everybody who is here.
    System,
}

impl Channel {
    /// What one of the staff needs to listen; players may not. `None`: everybody may.
    #[must_use]
    pub fn permission(self) -> Option<Permission> {
        match self {
            Self::Admin => Some(Permission::ReadAudit),
            Self::Me | Self::Catalog | Self::Events | Self::Leaderboard(_) | Self::System => None,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Me => f.write_str("me"),
            Self::Catalog => f.write_str("catalog"),
            Self::Events => f.write_str("events"),
            Self::Leaderboard(event) => write!(f, "leaderboard:{event}"),
            Self::Admin => f.write_str("admin"),
            Self::System => f.write_str("system"),
        }
    }
}

/// There is no such channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownChannel;

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        match text {
            "me" => Ok(Self::Me),
            "catalog" => Ok(Self::Catalog),
            "events" => Ok(Self::Events),
            "admin" => Ok(Self::Admin),
            "system" => Ok(Self::System),
            _ => {
                let event = text.strip_prefix("leaderboard:").ok_or(UnknownChannel)?;
                event.parse().map(Self::Leaderboard).map_err(|_| UnknownChannel)
            }
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_is_read_as_it_is_written() {
        let leaderboard = Channel::Leaderboard(LiveEventId(7));
        let others = [Channel::Me, Channel::Catalog, Channel::Events, Channel::Admin];
        for channel in others.into_iter().chain([Channel::System, leaderboard]) {
            assert_eq!(channel.to_string().parse(), Ok(channel));
        }
    }

    #[test]
    fn what_is_no_channel_is_none() {
        for text in ["", "Me", "leaderboard", "leaderboard:", "leaderboard:x", "leaderboard:-1 "] {
            assert_eq!(text.parse::<Channel>(), Err(UnknownChannel), "{text}");
        }
    }
}
