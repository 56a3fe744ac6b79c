//! What the club tells everybody who is here: that it closes for a while, say. Each stands until it ends
//! or is taken back; all of them stand in one stream, since there are never many.
//!
//! Their texts stand in the events: they are about no person, and everybody has read them.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{AnnouncementId, InvalidId};

/// Announcements that stand at once, at most: whoever comes is told all of them.
pub const MOST: usize = 10;

/// What has happened to the announcements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncementEvent {
    /// Everybody is told.
    AnnouncementPublished {
        /// When.
        at: DateTime<Utc>,
        /// Its number.
        announcement_id: AnnouncementId,
        /// What it says.
        notice: Notice,
    },
    /// It was taken back.
    AnnouncementWithdrawn {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        announcement_id: AnnouncementId,
    },
}

impl Event for AnnouncementEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::AnnouncementPublished { .. } => "announcement_published",
            Self::AnnouncementWithdrawn { .. } => "announcement_withdrawn",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What an announcement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// What it is about.
    pub about: About,
    /// In Korean.
    pub text: String,
    /// In English.
    pub text_en: String,
    /// The first moment at which it stands no more; until it is taken back, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
}

/// What an announcement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Work on the club, which may be in the way.
    Maintenance,
    /// The club closes, for a while or for good.
    Closing,
    /// Anything else.
    News,
}

impl About {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Maintenance, Self::Closing, Self::News];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Closing => "closing",
            Self::News => "news",
        }
    }
}

/// An announcement that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// What it says.
    pub notice: Notice,
}

impl Announcement {
    /// Whether it stands at a moment.
    #[must_use]
    pub fn stands(&self, at: DateTime<Utc>) -> bool {
        self.notice.ends_at.is_none_or(|end| at < end)
    }
}

/// The only stream of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TheClub;

impl fmt::Display for TheClub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("club")
    }
}

impl FromStr for TheClub {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "club" { Ok(Self) } else { Err(InvalidId { what: "club's announcements" }) }
    }
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum AnnouncementCommand {
    /// Tell everybody.
    Publish {
        /// When.
        at: DateTime<Utc>,
        /// What.
        notice: Notice,
    },
    /// Take one back. Asking again, or after its end, does nothing.
    Withdraw {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        announcement_id: AnnouncementId,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementRefusal {
    /// There was never one of this number.
    #[error("there is no such announcement")]
    NotFound,
    /// Nobody would see it.
    #[error("it would end before it begins")]
    EndsBeforeItBegins,
    /// There are [`MOST`].
    #[error("{MOST} announcements stand already: withdraw one first")]
    TooMany,
}

/// All announcements that stand, as their stream tells it. Some of them may have ended since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcements {
    last: i64,
    standing: BTreeMap<AnnouncementId, Announcement>,
}

impl Announcements {
    /// Those that stand at a moment, by number.
    pub fn at(&self, at: DateTime<Utc>) -> impl Iterator<Item = (AnnouncementId, &Announcement)> {
        let standing = self.standing.iter().map(|(id, announcement)| (*id, announcement));
        standing.filter(move |(_, announcement)| announcement.stands(at))
    }
}

impl Aggregate for Announcements {
    const TYPE: &'static str = "announcements";
    type Id = TheClub;
    type Command = AnnouncementCommand;
    type Event = AnnouncementEvent;
    type Refusal = AnnouncementRefusal;

    fn decide(
        &self,
        command: &AnnouncementCommand,
    ) -> Result<Vec<AnnouncementEvent>, AnnouncementRefusal> {
        match command {
            AnnouncementCommand::Publish { at, notice } => {
                if notice.ends_at.is_some_and(|end| end <= *at) {
                    return Err(AnnouncementRefusal::EndsBeforeItBegins);
                }
                if self.at(*at).count() >= MOST {
                    return Err(AnnouncementRefusal::TooMany);
                }
                let announcement_id = AnnouncementId(self.last.saturating_add(1));
                let (at, notice) = (*at, notice.clone());
                Ok(vec![AnnouncementEvent::AnnouncementPublished { at, announcement_id, notice }])
            }
            AnnouncementCommand::Withdraw { at, announcement_id } => {
                let (at, announcement_id) = (*at, *announcement_id);
                if !(1..=self.last).contains(&announcement_id.0) {
                    return Err(AnnouncementRefusal::NotFound);
                }
                if !self.at(at).any(|(id, _)| id == announcement_id) {
                    return Ok(vec![]);
                }
                Ok(vec![AnnouncementEvent::AnnouncementWithdrawn { at, announcement_id }])
            }
        }
    }

    fn evolve(&mut self, event: &AnnouncementEvent) {
        match event {
            AnnouncementEvent::AnnouncementPublished { at, announcement_id, notice } => {
                self.standing.retain(|_, announcement| announcement.stands(*at));
                self.last = announcement_id.0;
                let announcement = Announcement { published_at: *at, notice: notice.clone() };
                self.standing.insert(*announcement_id, announcement);
            }
            AnnouncementEvent::AnnouncementWithdrawn { announcement_id, .. } => {
                self.standing.remove(announcement_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    fn notice(ends_at: Option<DateTime<Utc>>) -> Notice {
        let (text, text_en) = ("점검 중".to_owned(), "Under maintenance".to_owned());
        Notice { about: About::Maintenance, text, text_en, ends_at }
    }

    fn published(second: i64, number: i64, ends_at: Option<DateTime<Utc>>) -> AnnouncementEvent {
        AnnouncementEvent::AnnouncementPublished {
            at: at(second),
            announcement_id: AnnouncementId(number),
            notice: notice(ends_at),
        }
    }

    fn publish(second: i64, ends_at: Option<DateTime<Utc>>) -> AnnouncementCommand {
        AnnouncementCommand::Publish { at: at(second), notice: notice(ends_at) }
    }

    fn withdraw(second: i64, number: i64) -> AnnouncementCommand {
        AnnouncementCommand::Withdraw { at: at(second), announcement_id: AnnouncementId(number) }
    }

    fn withdrawn(second: i64, number: i64) -> AnnouncementEvent {
        AnnouncementEvent::AnnouncementWithdrawn {
            at: at(second),
            announcement_id: AnnouncementId(number),
        }
    }

    #[test]
    fn each_has_the_next_number_and_none_is_given_twice() {
        given::<Announcements>(&[]).when(&publish(1, None)).then(&[published(1, 1, None)]);
        let history = [published(1, 1, None), withdrawn(2, 1)];
        given::<Announcements>(&history).when(&publish(3, None)).then(&[published(3, 2, None)]);
    }

    #[test]
    fn one_that_nobody_would_see_is_refused() {
        for end in [4, 5] {
            let refusal = AnnouncementRefusal::EndsBeforeItBegins;
            let asked = publish(5, Some(at(end)));
            given::<Announcements>(&[]).when(&asked).then_refused(&refusal);
        }
    }

    #[test]
    fn taking_back_is_done_once_and_only_while_it_stands() {
        let history = [published(1, 1, Some(at(9)))];
        let when = |asked| given::<Announcements>(&history).when(&asked);
        when(withdraw(8, 1)).then(&[withdrawn(8, 1)]);
        when(withdraw(9, 1)).then(&[]);
        for unknown in [0, 2, -1] {
            when(withdraw(2, unknown)).then_refused(&AnnouncementRefusal::NotFound);
        }
        let history = [published(1, 1, None), withdrawn(2, 1)];
        given::<Announcements>(&history).when(&withdraw(3, 1)).then(&[]);
    }

    #[test]
    fn there_are_never_too_many_and_those_that_ended_do_not_count() {
        let ten: Vec<_> = (1..=10).map(|number| published(1, number, Some(at(9)))).collect();
        let when = |asked| given::<Announcements>(&ten).when(&asked);
        when(publish(8, None)).then_refused(&AnnouncementRefusal::TooMany);
        when(publish(9, None)).then(&[published(9, 11, None)]);
        let mut state = given::<Announcements>(&ten).state();
        state.evolve(&published(9, 11, None));
        assert_eq!(state.standing.len(), 1);
    }
}
