//! What players work towards, as a text in events: `mission/3/2026-11-25`, `mission/4/once`,
//! `event/2/2026-11-25T00:00:00Z/0`, `score/2/2026-11-25T00:00:00Z`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{InvalidId, LiveEventId, MissionId};
use crate::schema::stored_as_text;

/// Something with an amount that is being reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Goal {
    /// A mission, in one of its periods.
    Mission {
        /// Which.
        mission: MissionId,
        /// In which period.
        period: MissionPeriod,
    },
    /// A requirement of an event that the player has joined.
    Requirement {
        /// Which event.
        event: LiveEventId,
        /// When the occurrence begins that was joined.
        occurrence: DateTime<Utc>,
        /// Which of its requirements, from 0.
        number: u8,
    },
    /// A player's score in an event that has a leaderboard.
    Score {
        /// Which event.
        event: LiveEventId,
        /// When the occurrence begins that was joined.
        occurrence: DateTime<Utc>,
    },
}

/// The period that progress belongs to: later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissionPeriod {
    /// There is only one.
    Once,
    /// The one that begins on this day, in UTC.
    From(NaiveDate),
}

impl fmt::Display for MissionPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("once"),
            Self::From(day) => write!(f, "{day}"),
        }
    }
}

impl FromStr for MissionPeriod {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "once" => Ok(Self::Once),
            day => day.parse().map(Self::From).map_err(|_| InvalidId { what: "period" }),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mission { mission, period } => write!(f, "mission/{mission}/{period}"),
            Self::Requirement { event, occurrence, number } => {
                write!(f, "event/{event}/{}/{number}", moment(occurrence))
            }
            Self::Score { event, occurrence } => write!(f, "score/{event}/{}", moment(occurrence)),
        }
    }
}

fn moment(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl FromStr for Goal {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { what: "goal" };
        let occurrence = |text: &str| text.parse().map_err(|_| invalid());
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or_else(invalid);
        let goal = match next()? {
            "mission" => Self::Mission { mission: next()?.parse()?, period: next()?.parse()? },
            "event" => Self::Requirement {
                event: next()?.parse()?,
                occurrence: occurrence(next()?)?,
                number: next()?.parse().map_err(|_| invalid())?,
            },
            "score" => Self::Score { event: next()?.parse()?, occurrence: occurrence(next()?)? },
            _ => return Err(invalid()),
        };
        if parts.next().is_none() { Ok(goal) } else { Err(invalid()) }
    }
}

macro_rules! texts {
    ($($name:ident: $pattern:literal),*) => {$(
        stored_as_text!($name, $pattern);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

texts!(
    Goal: "^(mission|event|score)/[1-9][0-9]*/[^/]+(/[0-9]+)?$",
    MissionPeriod: "^(once|[0-9]{4}-[0-9]{2}-[0-9]{2})$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_texts_and_read_back() {
        let occurrence = "2026-11-25T00:00:00Z".parse().unwrap();
        let period = MissionPeriod::From("2026-11-23".parse().unwrap());
        for (goal, text) in [
            (Goal::Mission { mission: MissionId(3), period }, "mission/3/2026-11-23"),
            (
                Goal::Mission { mission: MissionId(4), period: MissionPeriod::Once },
                "mission/4/once",
            ),
            (
                Goal::Requirement { event: LiveEventId(2), occurrence, number: 1 },
                "event/2/2026-11-25T00:00:00Z/1",
            ),
            (Goal::Score { event: LiveEventId(2), occurrence }, "score/2/2026-11-25T00:00:00Z"),
        ] {
            assert_eq!(goal.to_string(), text);
            assert_eq!(text.parse(), Ok(goal));
        }
        for text in ["", "mission", "mission/0/once", "mission/1/never", "event/1/2026", "x/1/once"]
        {
            assert!(text.parse::<Goal>().is_err(), "{text}");
        }
        assert!("mission/1/once/2".parse::<Goal>().is_err());
    }

    #[test]
    fn later_periods_are_greater() {
        let day = |text: &str| MissionPeriod::From(text.parse().unwrap());
        assert!(day("2026-11-30") < day("2026-12-01"));
    }
}
