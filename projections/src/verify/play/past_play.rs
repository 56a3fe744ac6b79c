//! Whether what was done before a mission was there is counted for it once, and as the log has it.
//!
//! The log is read once, and who did what is needed before the mission shows in it: so the board's own
//! stream, which is short, is read ahead. Sums are kept only between the position after which past
//! play counts and the event that says all of it is counted, and only for the period in which the
//! mission was put on the board and later ones: about 40 bytes for each player who did something that
//! is counted, and 16 for each for whom it was.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::activity::MissionPeriod;
use domain::id::{Counter, MissionId, PlayerId};
use domain::mission::{MissionEvent, MissionTerms};
use domain::stored::Recorded;

/// A mission for which past play counts.
pub(in crate::verify) struct Asked {
    mission: MissionId,
    /// What counts is after this position …
    after: u64,
    /// … and before this one.
    until: u64,
    /// Of the period that belongs to this moment, or a later one.
    first: MissionPeriod,
    terms: MissionTerms,
}

/// The missions of the board's stream for which past play counts. An event that cannot be read is
/// found when its turn comes.
pub(in crate::verify) fn asked(board: &[Recorded]) -> Vec<Asked> {
    let asked = board.iter().filter_map(|recorded| match recorded.event.decode().ok()? {
        MissionEvent::MissionDefined { at, mission_id, terms, counts_after } => Some(Asked {
            mission: mission_id,
            after: counts_after?,
            until: recorded.place.position,
            first: terms.cadence.period_at(at),
            terms,
        }),
        MissionEvent::MissionRevised { .. } | MissionEvent::PastPlayAdded { .. } => None,
    });
    asked.collect()
}

/// See the module.
pub(super) struct PastPlay(Vec<Tally>);

struct Tally {
    asked: Asked,
    sums: HashMap<(PlayerId, MissionPeriod), u64>,
    counted: HashSet<PlayerId>,
}

/// Something that a player did, and where that is written.
pub(super) struct Done {
    pub position: u64,
    pub player: PlayerId,
    pub action: Counter,
    pub at: DateTime<Utc>,
    pub amount: u64,
}

impl PastPlay {
    pub(super) fn new(asked: Vec<Asked>) -> Self {
        let tally = |asked| Tally { asked, sums: HashMap::new(), counted: HashSet::new() };
        Self(asked.into_iter().map(tally).collect())
    }

    pub(super) fn take(&mut self, done: &Done) {
        for Tally { asked, sums, .. } in &mut self.0 {
            if let Some(period) = asked.period_of(done) {
                let sum: &mut u64 = sums.entry((done.player, period)).or_default();
                *sum = sum.saturating_add(done.amount);
            }
        }
    }

    /// Past play is counted for a player.
    pub(super) fn count(
        &mut self,
        player: PlayerId,
        (mission, period): (MissionId, MissionPeriod),
        amount: u64,
    ) -> Result<(), String> {
        let tally = self.0.iter_mut().find(|tally| tally.asked.mission == mission);
        let Some(tally) = tally else {
            return Err(format!("past play does not count for mission {mission}"));
        };
        let sum = tally.sums.remove(&(player, period)).unwrap_or(0);
        if !tally.counted.insert(player) {
            return Err(format!(
                "the past play of player {player} is counted for mission {mission} again"
            ));
        }
        if amount != sum {
            return Err(format!(
                "the past play of player {player} is counted for mission {mission} as {amount}, \
                 and the log has {sum} of it in {period}"
            ));
        }
        Ok(())
    }

    /// All of it is counted.
    pub(super) fn close(&mut self, mission: MissionId) {
        self.0.retain(|tally| tally.asked.mission != mission);
    }
}

impl Asked {
    /// The period in which something counts as past play, if it does.
    fn period_of(&self, done: &Done) -> Option<MissionPeriod> {
        let Self { after, until, terms, .. } = self;
        let is_past = *after < done.position && done.position < *until;
        let is_within = terms.starts_at.is_none_or(|start| start <= done.at)
            && terms.ends_at.is_none_or(|end| done.at < end);
        if !is_past || !is_within || terms.counter != done.action {
            return None;
        }
        let period = terms.cadence.period_at(done.at);
        (self.first <= period).then_some(period)
    }
}
