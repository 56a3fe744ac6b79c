//! What the staff asks of events.

use chrono::{DateTime, Utc};
use domain::id::LiveEventId;
use domain::live_event::{
    EventStatus, LiveEvent, LiveEventCommand, LiveEventRefusal, LiveEventTerms,
};
use serde::Serialize;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::play::PlayRefusal;
use crate::rewards::check_items;
use crate::world::{Decline, World};

/// An event that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its number.
    pub event: LiveEventId,
    /// Where in the log it stands.
    pub position: u64,
    /// Whether an earlier request had made it.
    pub replayed: bool,
}

/// An event that is to be drawn up.
#[derive(Debug, Clone, Serialize)]
pub struct EventDraft {
    /// What it shall be and pay.
    pub terms: LiveEventTerms,
    /// Whether it begins when it is drawn up, whatever its terms say: a repeat later is the same wish.
    pub starts_now: bool,
    /// Whether it is published at once.
    pub publish: bool,
}

/// An event at a moment, from the node's own state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventNow {
    /// The number of its terms.
    pub version: u32,
    /// What it is and pays.
    pub terms: LiveEventTerms,
    /// Where it stands.
    pub status: EventStatus,
    /// Whether the rewarding of places was stopped.
    pub payout_is_stopped: bool,
}

impl EventNow {
    fn of(event: &LiveEvent) -> Option<Self> {
        let (version, terms) = event.terms()?;
        Some(Self {
            version,
            terms: terms.clone(),
            status: event.status(),
            payout_is_stopped: event.payout_is_stopped(),
        })
    }
}

/// A change of where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventChange {
    /// Let it be seen and joined.
    Publish,
    /// Let it rest.
    Pause,
    /// End it for good.
    End,
    /// Stop rewarding places.
    StopPayout,
    /// Go on rewarding places.
    ResumePayout,
}

impl EventChange {
    fn command(self, at: DateTime<Utc>) -> LiveEventCommand {
        match self {
            Self::Publish => LiveEventCommand::Publish { at },
            Self::Pause => LiveEventCommand::Pause { at },
            Self::End => LiveEventCommand::End { at },
            Self::StopPayout => LiveEventCommand::StopPayout { at },
            Self::ResumePayout => LiveEventCommand::ResumePayout { at },
        }
    }
}

/// Numbers that are tried for a new event.
const NUMBERS_TRIED: usize = 100_000;

impl Commands {
    /// Draws up a new event, under the first free number. The number is no part of what is asked, so a
    /// repeat finds the event of the first time.
    ///
    /// # Errors
    /// If a reward's item is no benefit.
    pub async fn add_event(
        &self,
        caller: &Caller,
        mut draft: EventDraft,
    ) -> Result<NewEvent, Failure<PlayRefusal>> {
        let at = self.clock.now();
        if draft.starts_now {
            // No part of the wish, or a repeat would be another one.
            draft.terms.starts_at = DateTime::UNIX_EPOCH;
        }
        let fingerprint = self.fingerprints.fingerprint("add_event", &draft);
        let request = Request::new(caller, None).keyed(fingerprint);
        let EventDraft { mut terms, starts_now, publish } = draft;
        if starts_now {
            terms.starts_at = at;
        }
        let decide = move |world: &mut World<'_>| {
            check_terms(world, &terms, at)?;
            let define = LiveEventCommand::Define { at, terms: terms.clone() };
            let event = free_number(world)?;
            world.decide::<LiveEvent>(event, &define).map_err(Decline::widen)?;
            if publish {
                let publish = LiveEventCommand::Publish { at };
                world.decide::<LiveEvent>(event, &publish).map_err(Decline::widen)?;
            }
            Ok(())
        };
        let added = self.bus.execute(request, decide).await?;
        let first = added.events.first();
        let event = first.and_then(|recorded| recorded.event.aggregate_id.parse().ok());
        let event = event.ok_or(Failure::Unavailable)?;
        Ok(NewEvent { event, position: added.place.position, replayed: added.replayed })
    }

    /// Gives an event this number and these terms, for demo data. Asking again with the same terms
    /// does nothing.
    ///
    /// # Errors
    /// If it is there with other terms.
    pub async fn define_event(
        &self,
        caller: &Caller,
        event: LiveEventId,
        terms: LiveEventTerms,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let request = Request::new(caller, None);
        let decide = move |world: &mut World<'_>| {
            check_terms(world, &terms, at)?;
            let define = LiveEventCommand::Define { at, terms: terms.clone() };
            world.decide::<LiveEvent>(event, &define).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Replaces an event's terms. `versions`, if given, are those that the caller has seen: any other
    /// is left alone.
    ///
    /// # Errors
    /// If there is no such event, it has ended, or it is at another version.
    pub async fn revise_event(
        &self,
        caller: &Caller,
        event: LiveEventId,
        terms: LiveEventTerms,
        versions: Option<Vec<u32>>,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("revise_event", &(event, &terms));
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            check_terms(world, &terms, at)?;
            let (terms, versions) = (terms.clone(), versions.clone());
            let ask = LiveEventCommand::Revise { at, terms, versions };
            world.decide::<LiveEvent>(event, &ask).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Changes where an event stands. Asking for what is so already does nothing.
    ///
    /// # Errors
    /// If there is no such event, or it has ended.
    pub async fn change_event(
        &self,
        caller: &Caller,
        event: LiveEventId,
        change: EventChange,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("change_event", &(event, change));
        let request = Request::new(caller, None).keyed(fingerprint);
        self.ask_event(request, event, change.command(self.clock.now())).await
    }

    /// Stops the scores of an occurrence that is over. Asking again does nothing.
    ///
    /// # Errors
    /// If the event has no leaderboard.
    pub async fn freeze_leaderboard(
        &self,
        caller: &Caller,
        event: LiveEventId,
        occurrence_at: DateTime<Utc>,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let ask = LiveEventCommand::FreezeLeaderboard { at, occurrence_at };
        self.ask_event(Request::new(caller, None), event, ask).await
    }

    /// Every place of an occurrence has its reward. Asking again does nothing.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn finish_payout(
        &self,
        caller: &Caller,
        event: LiveEventId,
        occurrence_at: DateTime<Utc>,
        places: u32,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let ask = LiveEventCommand::FinishPayout { at, occurrence_at, places };
        self.ask_event(Request::new(caller, None), event, ask).await
    }

    /// An event from the node's own state, if there is one.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn event_now(&self, event: LiveEventId) -> Result<Option<EventNow>, Unavailable> {
        let (now, _) = self.bus.look::<LiveEvent, _>(event, EventNow::of).await?;
        Ok(now)
    }

    async fn ask_event(
        &self,
        request: Request,
        event: LiveEventId,
        ask: LiveEventCommand,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let decide = move |world: &mut World<'_>| {
            world.decide::<LiveEvent>(event, &ask).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }
}

fn free_number(world: &mut World<'_>) -> Result<LiveEventId, Decline<PlayRefusal>> {
    for event in (1..).take(NUMBERS_TRIED).map(LiveEventId) {
        if world.read::<LiveEvent>(event)?.terms().is_none() {
            return Ok(event);
        }
    }
    Err(Decline::Refused(LiveEventRefusal::AlreadyDefined.into()))
}

fn check_terms(
    world: &mut World<'_>,
    terms: &LiveEventTerms,
    at: DateTime<Utc>,
) -> Result<(), Decline<PlayRefusal>> {
    check_items(world, &terms.rewards, at)?;
    for tier in terms.leaderboard.iter().flat_map(|board| &board.tiers) {
        check_items(world, &tier.rewards, at)?;
    }
    Ok(())
}

/// The answer of a command that may have found nothing to do.
impl From<Committed> for Answer<()> {
    fn from(Committed { place, replayed, .. }: Committed) -> Self {
        Self { body: (), position: place.position, replayed }
    }
}
