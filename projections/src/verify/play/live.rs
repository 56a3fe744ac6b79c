//! Whether players join events as these were at that moment, and whether each of them who needs a seat
//! has one.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate;
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::{
    Eligibility, Entry, EventStatus, LiveEvent, LiveEventCommand, LiveEventEvent, Seat,
};
use domain::schedule::Occurrence;

use super::decided;
use super::places::Contest;
use crate::verify::{Check, Verdict};

/// An event, and what the checks need of its past.
#[derive(Default)]
pub(super) struct Live {
    event: LiveEvent,
    /// The last one that was taken: whoever joins after it shares it, and its occurrence need not be
    /// computed again.
    seat: Option<Arc<Seat>>,
    alone: Option<Half>,
    contests: BTreeMap<DateTime<Utc>, Contest>,
}

/// Taking part where there are only so many seats is two events of one append: one of the player's
/// account, and one of the seat. This is one of them, until the other one comes.
#[derive(Clone, Copy)]
pub(super) struct Half {
    pub position: u64,
    pub occurrence_at: DateTime<Utc>,
    /// Who joined; `None` for the seat.
    pub player: Option<PlayerId>,
}

impl Half {
    pub(super) fn told(&self, event: LiveEventId) -> String {
        let occurrence = self.occurrence_at;
        match self.player {
            Some(player) => {
                format!("player {player} joins event {event} of {occurrence} and takes no seat")
            }
            None => format!("a seat of event {event} of {occurrence} is taken by nobody"),
        }
    }
}

impl Live {
    pub(super) fn now(&self) -> &LiveEvent {
        &self.event
    }

    pub(super) fn contest(&mut self, occurrence_at: DateTime<Utc>) -> &mut Contest {
        self.contests.entry(occurrence_at).or_default()
    }

    /// The half of a seat that never found the other.
    pub(super) fn alone(&self) -> Option<Half> {
        self.alone
    }

    /// Takes half of a seat; answers the one before it, if that is left alone by this.
    pub(super) fn take_half(&mut self, half: Half) -> Option<Half> {
        match self.alone.take() {
            Some(other)
                if other.player.is_some() != half.player.is_some()
                    && other.occurrence_at == half.occurrence_at =>
            {
                None
            }
            other => {
                self.alone = Some(half);
                other
            }
        }
    }

    pub(super) fn has_capacity(&self) -> bool {
        self.event.terms().is_some_and(|(_, terms)| terms.capacity.is_some())
    }

    /// The seat that somebody is said to have taken, shared if it is the usual one, and what is wrong
    /// with it.
    pub(super) fn seat(
        &mut self,
        at: DateTime<Utc>,
        occurrence: Occurrence,
        entry: &Entry,
    ) -> (Arc<Seat>, Result<(), String>) {
        let is_told = |seat: &Seat| seat.occurrence == occurrence && seat.entry == *entry;
        let is_open = self.event.status() == EventStatus::Published && occurrence.contains(at);
        if let Some(seat) = self.seat.as_ref().filter(|seat| is_open && is_told(seat)) {
            return (Arc::clone(seat), Ok(()));
        }
        let wrong = match self.event.seat(at) {
            Ok(due) if is_told(&due) => {
                let seat = Arc::new(due);
                self.seat = Some(Arc::clone(&seat));
                return (seat, Ok(()));
            }
            Ok(due) if due.occurrence != occurrence => {
                format!(
                    "of {}, and at {at} it is that of {}",
                    occurrence.starts_at, due.occurrence.starts_at
                )
            }
            Ok(due) => {
                let (version, present) = (entry.version, due.entry.version);
                format!("under version {version}, and not as its version {present} is at {at}")
            }
            Err(refusal) => format!("at {at}: {refusal}"),
        };
        let (entry, eligibility) = (entry.clone(), Eligibility::default());
        (Arc::new(Seat { occurrence, entry, eligibility }), Err(wrong))
    }

    pub(super) fn take(&mut self, id: LiveEventId, event: &LiveEventEvent) -> Verdict {
        let verdict = match event {
            LiveEventEvent::SeatTaken { at, occurrence_at, taken } => {
                let is_right = self.takes_seat(*at, *occurrence_at, *taken);
                is_right.map_err(|why| (Check::Seats, format!("event {id}: {why}")))
            }
            LiveEventEvent::LiveEventDefined { .. }
            | LiveEventEvent::LiveEventRevised { .. }
            | LiveEventEvent::LiveEventPublished { .. }
            | LiveEventEvent::LiveEventPaused { .. }
            | LiveEventEvent::LiveEventEnded { .. }
            | LiveEventEvent::LeaderboardFrozen { .. }
            | LiveEventEvent::PayoutStopped { .. }
            | LiveEventEvent::PayoutResumed { .. }
            | LiveEventEvent::PlacesRewarded { .. } => {
                let is_right = decided(&self.event, &asked(event), event);
                is_right.map_err(|why| (Check::Reward, format!("event {id}: {why}")))
            }
        };
        self.remember(event);
        verdict
    }

    fn takes_seat(
        &self,
        at: DateTime<Utc>,
        occurrence_at: DateTime<Utc>,
        taken: u32,
    ) -> Result<(), String> {
        let due = self.event.decide(&LiveEventCommand::TakeSeat { at, occurrence_at });
        let due = due.map_err(|refusal| format!("one more seat is taken, and {refusal}"))?;
        match due.first() {
            Some(LiveEventEvent::SeatTaken { taken: due, .. }) if *due == taken => Ok(()),
            Some(LiveEventEvent::SeatTaken { taken: due, .. }) => Err(format!(
                "{taken} seats of {occurrence_at} are said to be taken, and it is number {due}"
            )),
            _ => Err("a seat is taken, and there are as many as anybody wants".to_owned()),
        }
    }

    fn remember(&mut self, event: &LiveEventEvent) {
        self.event.evolve(event);
        match event {
            LiveEventEvent::LiveEventDefined { .. } | LiveEventEvent::LiveEventRevised { .. } => {
                self.seat = None;
            }
            LiveEventEvent::LeaderboardFrozen { occurrence_at, tiers, .. } => {
                // What has not been frozen before a later one never will be.
                self.contests.retain(|at, contest| {
                    at >= occurrence_at || matches!(contest, Contest::Frozen(_))
                });
                self.contest(*occurrence_at).freeze(tiers);
            }
            LiveEventEvent::LiveEventPublished { .. }
            | LiveEventEvent::LiveEventPaused { .. }
            | LiveEventEvent::LiveEventEnded { .. }
            | LiveEventEvent::SeatTaken { .. }
            | LiveEventEvent::PayoutStopped { .. }
            | LiveEventEvent::PayoutResumed { .. }
            | LiveEventEvent::PlacesRewarded { .. } => {}
        }
    }
}

/// What was asked when this happened.
fn asked(event: &LiveEventEvent) -> LiveEventCommand {
    use LiveEventCommand as Ask;
    match *event {
        LiveEventEvent::LiveEventDefined { at, ref terms } => {
            Ask::Define { at, terms: terms.clone() }
        }
        LiveEventEvent::LiveEventRevised { at, ref terms, .. } => {
            Ask::Revise { at, terms: terms.clone(), versions: None }
        }
        LiveEventEvent::LiveEventPublished { at } => Ask::Publish { at },
        LiveEventEvent::LiveEventPaused { at } => Ask::Pause { at },
        LiveEventEvent::LiveEventEnded { at } => Ask::End { at },
        LiveEventEvent::SeatTaken { at, occurrence_at, .. } => Ask::TakeSeat { at, occurrence_at },
        LiveEventEvent::LeaderboardFrozen { at, occurrence_at, .. } => {
            Ask::FreezeLeaderboard { at, occurrence_at }
        }
        LiveEventEvent::PayoutStopped { at } => Ask::StopPayout { at },
        LiveEventEvent::PayoutResumed { at } => Ask::ResumePayout { at },
        LiveEventEvent::PlacesRewarded { at, occurrence_at, places } => {
            Ask::FinishPayout { at, occurrence_at, places }
        }
    }
}
