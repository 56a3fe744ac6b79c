//! An event that players join: once, or again and again; who may, how many, what it takes, what it
//! pays.
//!
//! Seats are counted here, in the same append as the participation in the player's account: nobody
//! sits twice and no seat is lost.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

mod terms;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use terms::{
    Eligibility, EventKind, Leaderboard, LiveEventTerms, Requirement, Segment, Tier, UnusableTerms,
    reward_of,
};

use crate::aggregate::{Aggregate, Event};
use crate::id::LiveEventId;
use crate::reward::Rewards;
use crate::schedule::{FOR_GOOD, Occurrence};

/// What has happened to an event that players join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LiveEventEvent {
    /// It was drawn up. Nobody sees it yet.
    LiveEventDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it is and pays.
        terms: LiveEventTerms,
    },
    /// It has other terms from now on. Whoever has joined keeps those under which they did.
    LiveEventRevised {
        /// When.
        at: DateTime<Utc>,
        /// The number of the new terms, from 2.
        version: u32,
        /// What it is and pays.
        terms: LiveEventTerms,
    },
    /// It can be seen, and joined in its time.
    LiveEventPublished {
        /// When.
        at: DateTime<Utc>,
    },
    /// It rests: nobody joins, nothing counts, nothing is claimed.
    LiveEventPaused {
        /// When.
        at: DateTime<Utc>,
    },
    /// It is over for good, whatever its terms say. What is complete can still be claimed.
    LiveEventEnded {
        /// When.
        at: DateTime<Utc>,
    },
    /// One more player takes part in an occurrence of which there are only so many seats.
    SeatTaken {
        /// When.
        at: DateTime<Utc>,
        /// When the occurrence begins.
        occurrence_at: DateTime<Utc>,
        /// How many are taken now.
        taken: u32,
    },
    /// The scores of an occurrence no longer change: places can be rewarded.
    LeaderboardFrozen {
        /// When.
        at: DateTime<Utc>,
        /// When the occurrence begins.
        occurrence_at: DateTime<Utc>,
        /// What its places pay.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tiers: Vec<Tier>,
    },
    /// The staff has stopped the rewarding of places.
    PayoutStopped {
        /// When.
        at: DateTime<Utc>,
    },
    /// It goes on where it was.
    PayoutResumed {
        /// When.
        at: DateTime<Utc>,
    },
    /// Every place of an occurrence has its reward.
    PlacesRewarded {
        /// When.
        at: DateTime<Utc>,
        /// When the occurrence begins.
        occurrence_at: DateTime<Utc>,
        /// How many places were rewarded.
        places: u32,
    },
}

impl Event for LiveEventEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::LiveEventDefined { .. } => "live_event_defined",
            Self::LiveEventRevised { .. } => "live_event_revised",
            Self::LiveEventPublished { .. } => "live_event_published",
            Self::LiveEventPaused { .. } => "live_event_paused",
            Self::LiveEventEnded { .. } => "live_event_ended",
            Self::SeatTaken { .. } => "seat_taken",
            Self::LeaderboardFrozen { .. } => "leaderboard_frozen",
            Self::PayoutStopped { .. } => "payout_stopped",
            Self::PayoutResumed { .. } => "payout_resumed",
            Self::PlacesRewarded { .. } => "places_rewarded",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum LiveEventCommand {
    /// Draw it up.
    Define {
        /// When.
        at: DateTime<Utc>,
        /// What it is and pays.
        terms: LiveEventTerms,
    },
    /// Give it other terms; asking for the present ones does nothing.
    Revise {
        /// When.
        at: DateTime<Utc>,
        /// What it shall be and pay.
        terms: LiveEventTerms,
        /// The versions that the caller has seen, if it matters.
        versions: Option<Vec<u32>>,
    },
    /// Let it be seen and joined, for the first time or again. Asking again does nothing.
    Publish {
        /// When.
        at: DateTime<Utc>,
    },
    /// Let it rest. Asking again does nothing.
    Pause {
        /// When.
        at: DateTime<Utc>,
    },
    /// End it for good. Asking again does nothing.
    End {
        /// When.
        at: DateTime<Utc>,
    },
    /// One more takes part.
    TakeSeat {
        /// When.
        at: DateTime<Utc>,
        /// When the occurrence begins.
        occurrence_at: DateTime<Utc>,
    },
    /// Stop counting scores of an occurrence that is over. Asking again does nothing.
    FreezeLeaderboard {
        /// When.
        at: DateTime<Utc>,
        /// When the occurrence begins.
        occurrence_at: DateTime<Utc>,
    },
    /// Stop rewarding places. Asking again does nothing.
    StopPayout {
        /// When.
        at: DateTime<Utc>,
    },
    /// Go on rewarding places. Asking again does nothing.
    ResumePayout {
        /// When.
        at: DateTime<Utc>,
    },
    /// Every place has its reward. Asking again does nothing.
    FinishPayout {
        /// When.
        at: DateTime<Utc>,
        /// When the occurrence begins.
        occurrence_at: DateTime<Utc>,
        /// How many places were rewarded.
        places: u32,
    },
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveEventRefusal {
    /// Nobody has drawn it up, or it has not been published.
    #[error("there is no such event")]
    NotFound,
    /// It is there with other terms.
    #[error("the event is already defined with other terms")]
    AlreadyDefined,
    /// Its time has not come.
    #[error("the event opens at {opens_at}")]
    NotOpen {
        /// When it does.
        opens_at: DateTime<Utc>,
    },
    /// Its time is over.
    #[error("the event is over")]
    Closed,
    /// It rests.
    #[error("the event is paused")]
    Paused,
    /// All seats are taken.
    #[error("all {capacity} seats are taken")]
    Full {
        /// How many there are.
        capacity: u32,
    },
    /// It is at another version than the caller has seen.
    #[error("the event is at version {version} by now")]
    OtherVersion {
        /// The present one.
        version: u32,
    },
    /// It has ended: only what is over for good stays as it is.
    #[error("the event has ended for good: make another one")]
    Ended,
    /// It has no leaderboard.
    #[error("the event has no leaderboard")]
    NoLeaderboard,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Nobody sees it.
    #[default]
    Draft,
    /// It is seen, and joined in its time.
    Published,
    /// It rests.
    Paused,
    /// It is over for good.
    Ended,
}

impl EventStatus {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// The terms under which somebody takes part: those of the moment of joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Their number.
    pub version: u32,
    /// What it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// What it pays.
    pub rewards: Rewards,
    /// Whether it is claimed as soon as it is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_claim: bool,
    /// The first moment at which it can no longer be claimed.
    pub claims_end_at: DateTime<Utc>,
    /// What is scored, if there is a leaderboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored: Option<crate::id::Counter>,
}

/// A seat to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// In which occurrence.
    pub occurrence: Occurrence,
    /// Under which terms.
    pub entry: Entry,
    /// For whom.
    pub eligibility: Eligibility,
}

/// An event as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEvent {
    version: u32,
    terms: Option<LiveEventTerms>,
    status: EventStatus,
    ended_at: Option<DateTime<Utc>>,
    /// The latest occurrence of which seats were taken, and how many.
    seats: Option<(DateTime<Utc>, u32)>,
    /// The latest occurrence whose scores are frozen, and whether its places are rewarded.
    frozen: Option<(DateTime<Utc>, bool)>,
    payout_stopped: bool,
}

impl LiveEvent {
    /// The present terms and their number.
    #[must_use]
    pub fn terms(&self) -> Option<(u32, &LiveEventTerms)> {
        Some((self.version, self.terms.as_ref()?))
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> EventStatus {
        self.status
    }

    /// Whether the rewarding of places was stopped.
    #[must_use]
    pub fn payout_is_stopped(&self) -> bool {
        self.payout_stopped
    }

    /// The occurrence that a moment belongs to, whatever the status. One that was on when the event
    /// was ended early has ended then.
    #[must_use]
    pub fn occurrence_at(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let occurrence = self.terms.as_ref()?.occurrence_at(at)?;
        match self.ended_at {
            Some(ended_at) if ended_at <= at => None,
            _ => Some(occurrence),
        }
    }

    /// What taking part now means.
    ///
    /// # Errors
    /// If it is not open.
    pub fn seat(&self, at: DateTime<Utc>) -> Result<Seat, LiveEventRefusal> {
        let terms = self.terms.as_ref().ok_or(LiveEventRefusal::NotFound)?;
        match self.status {
            EventStatus::Draft => return Err(LiveEventRefusal::NotFound),
            EventStatus::Paused => return Err(LiveEventRefusal::Paused),
            EventStatus::Ended => return Err(LiveEventRefusal::Closed),
            EventStatus::Published => {}
        }
        let Some(occurrence) = terms.occurrence_at(at) else {
            let next = terms.next_after(at).map(|next| next.starts_at);
            return Err(next.map_or(LiveEventRefusal::Closed, |opens_at| {
                LiveEventRefusal::NotOpen { opens_at }
            }));
        };
        let claims = TimeDelta::hours(terms.claim_hours.into());
        let claims_end_at = occurrence.ends_at.checked_add_signed(claims);
        let entry = Entry {
            version: self.version,
            requirements: terms.requirements.clone(),
            rewards: terms.rewards.clone(),
            auto_claim: terms.auto_claim,
            claims_end_at: claims_end_at.unwrap_or(FOR_GOOD),
            scored: terms.leaderboard.as_ref().map(|board| board.counter),
        };
        Ok(Seat { occurrence, entry, eligibility: terms.eligibility })
    }

    /// Whether something done at a moment counts for an occurrence that somebody has joined.
    #[must_use]
    pub fn counts(&self, occurrence: Occurrence, at: DateTime<Utc>) -> bool {
        self.status != EventStatus::Paused
            && occurrence.contains(at)
            && self.ended_at.is_none_or(|end| at < end)
            && !self.is_frozen(occurrence.starts_at)
    }

    /// Whether the scores of an occurrence no longer change.
    #[must_use]
    pub fn is_frozen(&self, occurrence_at: DateTime<Utc>) -> bool {
        self.frozen.is_some_and(|(last, _)| occurrence_at <= last)
    }

    /// The latest occurrence of which seats were taken, and how many.
    #[must_use]
    pub fn seats(&self) -> Option<(DateTime<Utc>, u32)> {
        self.seats
    }

    /// How many seats of an occurrence can be had; `None` for any number.
    #[must_use]
    pub fn seats_left(&self, occurrence_at: DateTime<Utc>) -> Option<u32> {
        let capacity = self.terms.as_ref()?.capacity?;
        let taken = self.seats.filter(|(last, _)| *last == occurrence_at).map_or(0, |(_, n)| n);
        Some(capacity.saturating_sub(taken))
    }

    fn take_seat(
        &self,
        at: DateTime<Utc>,
        occurrence_at: DateTime<Utc>,
    ) -> Result<Vec<LiveEventEvent>, LiveEventRefusal> {
        let capacity = self.terms.as_ref().and_then(|terms| terms.capacity);
        let Some(capacity) = capacity else { return Ok(vec![]) };
        let taken = match self.seats {
            // By the clock of another node the next one has begun.
            Some((last, _)) if last > occurrence_at => return Err(LiveEventRefusal::Closed),
            Some((last, taken)) if last == occurrence_at => taken,
            _ => 0,
        };
        if taken >= capacity {
            return Err(LiveEventRefusal::Full { capacity });
        }
        Ok(vec![LiveEventEvent::SeatTaken { at, occurrence_at, taken: taken + 1 }])
    }

    fn freeze(
        &self,
        at: DateTime<Utc>,
        occurrence_at: DateTime<Utc>,
    ) -> Result<Vec<LiveEventEvent>, LiveEventRefusal> {
        let board = self.terms.as_ref().and_then(|terms| terms.leaderboard.as_ref());
        let board = board.ok_or(LiveEventRefusal::NoLeaderboard)?;
        if self.is_frozen(occurrence_at) {
            return Ok(vec![]);
        }
        let tiers = board.tiers.clone();
        Ok(vec![LiveEventEvent::LeaderboardFrozen { at, occurrence_at, tiers }])
    }

    fn revise(
        &self,
        at: DateTime<Utc>,
        terms: &LiveEventTerms,
        versions: Option<&[u32]>,
    ) -> Result<Vec<LiveEventEvent>, LiveEventRefusal> {
        let version = self.version;
        if versions.is_some_and(|seen| !seen.contains(&version)) {
            return Err(LiveEventRefusal::OtherVersion { version });
        }
        if self.terms.as_ref() == Some(terms) {
            return Ok(vec![]);
        }
        if self.status == EventStatus::Ended {
            return Err(LiveEventRefusal::Ended);
        }
        let (version, terms) = (version.saturating_add(1), terms.clone());
        Ok(vec![LiveEventEvent::LiveEventRevised { at, version, terms }])
    }

    fn change(
        &self,
        to: EventStatus,
        event: LiveEventEvent,
    ) -> Result<Vec<LiveEventEvent>, LiveEventRefusal> {
        match self.status {
            present if present == to => Ok(vec![]),
            EventStatus::Ended => Err(LiveEventRefusal::Ended),
            EventStatus::Draft | EventStatus::Published | EventStatus::Paused => Ok(vec![event]),
        }
    }
}

impl Aggregate for LiveEvent {
    const TYPE: &'static str = "live_event";
    type Id = LiveEventId;
    type Command = LiveEventCommand;
    type Event = LiveEventEvent;
    type Refusal = LiveEventRefusal;

    fn decide(&self, command: &LiveEventCommand) -> Result<Vec<LiveEventEvent>, LiveEventRefusal> {
        use LiveEventCommand as Ask;
        let Some(terms) = &self.terms else {
            return match command {
                Ask::Define { at, terms } => {
                    Ok(vec![LiveEventEvent::LiveEventDefined { at: *at, terms: terms.clone() }])
                }
                _ => Err(LiveEventRefusal::NotFound),
            };
        };
        match *command {
            Ask::Define { terms: ref same, .. } if same == terms => Ok(vec![]),
            Ask::Define { .. } => Err(LiveEventRefusal::AlreadyDefined),
            Ask::Revise { at, ref terms, ref versions } => {
                self.revise(at, terms, versions.as_deref())
            }
            Ask::Publish { at } => {
                self.change(EventStatus::Published, LiveEventEvent::LiveEventPublished { at })
            }
            Ask::Pause { at } => {
                self.change(EventStatus::Paused, LiveEventEvent::LiveEventPaused { at })
            }
            Ask::End { at } => {
                self.change(EventStatus::Ended, LiveEventEvent::LiveEventEnded { at })
            }
            Ask::TakeSeat { at, occurrence_at } => self.take_seat(at, occurrence_at),
            Ask::FreezeLeaderboard { at, occurrence_at } => self.freeze(at, occurrence_at),
            Ask::StopPayout { .. } if self.payout_stopped => Ok(vec![]),
            Ask::StopPayout { at } => Ok(vec![LiveEventEvent::PayoutStopped { at }]),
            Ask::ResumePayout { .. } if !self.payout_stopped => Ok(vec![]),
            Ask::ResumePayout { at } => Ok(vec![LiveEventEvent::PayoutResumed { at }]),
            Ask::FinishPayout { at, occurrence_at, places } => {
                let is_due = self.frozen == Some((occurrence_at, false));
                let rewarded = LiveEventEvent::PlacesRewarded { at, occurrence_at, places };
                Ok(if is_due { vec![rewarded] } else { vec![] })
            }
        }
    }

    fn evolve(&mut self, event: &LiveEventEvent) {
        match event {
            LiveEventEvent::LiveEventDefined { terms, .. } => {
                self.version = 1;
                self.terms = Some(terms.clone());
            }
            LiveEventEvent::LiveEventRevised { version, terms, .. } => {
                self.version = *version;
                self.terms = Some(terms.clone());
            }
            LiveEventEvent::LiveEventPublished { .. } => self.status = EventStatus::Published,
            LiveEventEvent::LiveEventPaused { .. } => self.status = EventStatus::Paused,
            LiveEventEvent::LiveEventEnded { at } => {
                self.status = EventStatus::Ended;
                self.ended_at = Some(*at);
            }
            LiveEventEvent::SeatTaken { occurrence_at, taken, .. } => {
                self.seats = Some((*occurrence_at, *taken));
            }
            LiveEventEvent::LeaderboardFrozen { occurrence_at, .. } => {
                self.frozen = Some((*occurrence_at, false));
            }
            LiveEventEvent::PayoutStopped { .. } => self.payout_stopped = true,
            LiveEventEvent::PayoutResumed { .. } => self.payout_stopped = false,
            LiveEventEvent::PlacesRewarded { occurrence_at, .. } => {
                self.frozen = Some((*occurrence_at, true));
            }
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + 1_024
    }
}

#[cfg(test)]
mod tests;
