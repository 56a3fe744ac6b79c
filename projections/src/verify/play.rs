//! Whether play, missions, events and rewards are as the rules make them. The log is read in order, so
//! at each event the state of every stream before it is known; and as each decision was made on
//! exactly the log before it, it can be made once more here and compared.
//!
//! What that takes in memory: the board, the catalogue and each event once, which are few. For each
//! player, 32 bytes; for each who plays, about 100 more, 48 for each goal in the latest period in
//! which it came closer ([`progress`]), 24 for each event that was ever joined (its terms are shared
//! by all who joined it under the same), 16 for each mission that was ever claimed, and 64 for each deed
//! between the moment at which the club saw it and the one at which it was counted. Contests and past
//! play have their own ([`places`], [`past_play`]). Nothing grows with the number of actions.

use std::collections::{HashMap, VecDeque};
use std::slice;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::Deed;
use domain::activity::MissionPeriod;
use domain::aggregate::{Aggregate, Event};
use domain::id::{LiveEventId, MissionId, ProductId};
use domain::live_event::{Eligibility, LiveEventEvent, Seat, Segment};
use domain::mission::{MissionBoard, MissionCommand, MissionEvent};
use domain::offer::Rank;
use domain::product::ProductEvent;

use self::live::{Half, Live};
use self::past_play::PastPlay;
use self::progress::Progress;
use self::rewards::Products;
use super::{Check, Findings, Verdict};

mod actions;
mod claims;
mod live;
pub(super) mod past_play;
mod places;
mod progress;
mod rewards;

/// What is the same for all players.
pub(super) struct Play {
    board: MissionBoard,
    past_play: PastPlay,
    events: HashMap<LiveEventId, Live>,
    products: Products,
}

/// What counts of one player, beside money.
#[derive(Default)]
pub(super) struct Member {
    opened_at: Option<DateTime<Utc>>,
    has_paid: bool,
    rank: Rank,
    /// Few have it among those who only came to look.
    played: Option<Box<Played>>,
}

/// What a player has done and claimed.
#[derive(Default)]
pub(super) struct Played {
    sequence: u64,
    progress: Progress,
    /// By number of the event.
    joined: Vec<Joined>,
    /// The latest period of each mission.
    claimed: Vec<(MissionId, MissionPeriod)>,
    /// What the club has seen and not yet counted, each with where it stands.
    seen: VecDeque<(u64, Deed)>,
}

/// The latest occurrence of an event that a player has joined.
struct Joined {
    event: LiveEventId,
    seat: Arc<Seat>,
    is_claimed: bool,
}

impl Member {
    /// The last number in the stream of what the player does.
    pub(super) fn activity_sequence(&mut self) -> &mut u64 {
        &mut self.played().sequence
    }

    /// Whether there is such a stream.
    pub(super) fn is_active(&self) -> bool {
        self.played.as_ref().is_some_and(|played| played.sequence > 0)
    }

    pub(super) fn has_rank(&mut self, rank: Rank) {
        self.rank = rank;
    }

    fn played(&mut self) -> &mut Played {
        self.played.get_or_insert_default()
    }

    fn may_join(&self, at: DateTime<Utc>, eligibility: Eligibility) -> Result<(), String> {
        let Eligibility { min_rank, segment } = eligibility;
        let Some(opened_at) = self.opened_at else { return Err("there is no account".to_owned()) };
        let is_in = match segment {
            Segment::Everybody => true,
            Segment::Newcomers => at - opened_at < TimeDelta::days(Segment::NEW_FOR_DAYS),
            Segment::Payers => self.has_paid,
            Segment::NonPayers => !self.has_paid,
        };
        if self.rank < min_rank {
            let rank = self.rank;
            return Err(format!("it is for the rank {min_rank:?}, and the player's is {rank:?}"));
        }
        let segment = segment.name();
        if is_in { Ok(()) } else { Err(format!("it is for {segment}, and the player is not one")) }
    }
}

impl Played {
    /// Takes part in an event: the seat before this one, if there is one.
    fn join(&mut self, event: LiveEventId, seat: Arc<Seat>) -> Option<Arc<Seat>> {
        let joined = Joined { event, seat, is_claimed: false };
        match self.joined.binary_search_by_key(&event, |joined| joined.event) {
            Ok(found) => {
                let place = self.joined.get_mut(found)?;
                Some(std::mem::replace(place, joined).seat)
            }
            Err(place) => {
                self.joined.insert(place, joined);
                None
            }
        }
    }
}

impl Play {
    pub(super) fn new(past_play: Vec<past_play::Asked>) -> Self {
        Self {
            board: MissionBoard::default(),
            past_play: PastPlay::new(past_play),
            events: HashMap::new(),
            products: Products::default(),
        }
    }

    pub(super) fn product(&mut self, id: ProductId, event: &ProductEvent) {
        self.products.0.entry(id).or_default().evolve(event);
    }

    pub(super) fn mission(&mut self, event: &MissionEvent) -> Verdict {
        let (mission, command) = match event.clone() {
            MissionEvent::MissionDefined { at, mission_id, terms, counts_after } => {
                (mission_id, MissionCommand::Define { at, terms, counts_after })
            }
            MissionEvent::MissionRevised { at, mission_id, terms, .. } => {
                (mission_id, MissionCommand::Revise { at, mission_id, terms, versions: None })
            }
            MissionEvent::PastPlayAdded { at, mission_id, players } => {
                self.past_play.close(mission_id);
                (mission_id, MissionCommand::AddPastPlay { at, mission_id, players })
            }
        };
        let verdict = decided(&self.board, &command, event);
        self.board.evolve(event);
        verdict.map_err(|why| (Check::Reward, format!("mission {mission}: {why}")))
    }

    pub(super) fn live_event(
        &mut self,
        position: u64,
        id: LiveEventId,
        event: &LiveEventEvent,
        findings: &mut Findings,
    ) -> Verdict {
        let live = self.events.entry(id).or_default();
        if let (LiveEventEvent::SeatTaken { occurrence_at, .. }, true) =
            (event, live.has_capacity())
        {
            let half = Half { position, occurrence_at: *occurrence_at, player: None };
            left_alone(id, live.take_half(half), findings);
        }
        live.take(id, event)
    }

    /// What can only be said when the whole log was read.
    pub(super) fn end(&self, findings: &mut Findings) {
        for (id, live) in &self.events {
            left_alone(*id, live.alone(), findings);
        }
    }
}

fn left_alone(event: LiveEventId, half: Option<Half>, findings: &mut Findings) {
    if let Some(half) = half {
        findings.add(half.position, Check::Seats, half.told(event));
    }
}

/// Whether this is what is decided when it is asked for once more.
pub(super) fn decided<A: Aggregate>(
    state: &A,
    command: &A::Command,
    told: &A::Event,
) -> Result<(), String> {
    let what = told.event_type();
    match state.decide(command) {
        Ok(due) if due == slice::from_ref(told) => Ok(()),
        Ok(due) if due.is_empty() => Err(format!("{what}, and there was nothing to do")),
        Ok(_) => Err(format!("{what}, and something else follows from the events before")),
        Err(refusal) => Err(format!("{what}, and {refusal}")),
    }
}
