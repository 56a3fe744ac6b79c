//! Missions: put on the board, changed, claimed; and what was done before they were there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::account::{AccountCommand, MissionClaim};
use domain::activity::ActivityCommand;
use domain::id::MissionId;
use domain::mission::{Cadence, Mission, MissionCommand, MissionTerms, TheBoard};
use domain::reward::Rewards;
use domain::stored::StoredEvent;
use rand::Rng;

use super::super::History;

/// What was done before a mission was there, and has not been counted for it.
pub(super) struct PastPlay {
    mission: MissionId,
    defined_at: DateTime<Utc>,
    sums: BTreeMap<i64, u64>,
    players: u64,
}

const MOST_MISSIONS: usize = 9;

impl History {
    pub(super) fn define_missions(&mut self, out: &mut Vec<StoredEvent>) {
        for (counter, target, cadence) in [
            ("play_count", 1, Cadence::Daily),
            ("play_count", 5, Cadence::Daily),
            ("win_count", 3, Cadence::Daily),
            ("play_count", 20, Cadence::Weekly),
            ("login", 2, Cadence::Once),
        ] {
            let terms = self.mission(counter, target, cadence);
            self.add_mission(terms, false, out);
        }
    }

    fn mission(&mut self, counter: &str, target: u64, cadence: Cadence) -> MissionTerms {
        MissionTerms {
            name: format!("{target}판 하기"),
            name_en: format!("{counter} {target}"),
            counter: counter.parse().unwrap(),
            target,
            cadence,
            starts_at: None,
            ends_at: None,
            rewards: self.rewards(),
            requires: (target == 5).then(|| serde_json::from_str("{\"any\":[1]}").unwrap()),
            priority: self.random.random_range(0..3),
            is_active: true,
        }
    }

    fn add_mission(&mut self, terms: MissionTerms, counts_past: bool, out: &mut Vec<StoredEvent>) {
        let (at, counter, cadence) = (self.now(), terms.counter, terms.cadence);
        let counts_after = counts_past.then_some(0);
        let define = MissionCommand::Define { at, terms, counts_after };
        self.play.board.ask(TheBoard, &define, out);
        let (mission, _) = self.play.board.state.missions().last().unwrap();
        if !counts_past {
            return;
        }
        let mut sums = BTreeMap::new();
        for (player, action, done_at, amount) in &self.play.deeds {
            let is_same_period = cadence.period_at(*done_at) == cadence.period_at(at);
            if *action == counter && is_same_period {
                *sums.entry(*player).or_default() += amount;
            }
        }
        self.play.past.push(PastPlay { mission, defined_at: at, sums, players: 0 });
    }

    pub(super) fn work_on_missions(&mut self, out: &mut Vec<StoredEvent>) {
        let count = self.play.board.state.missions().count();
        if !self.play.past.is_empty() {
            self.count_past_play(out);
        } else if count < MOST_MISSIONS && self.random.random_ratio(1, 3) {
            let index = self.random.random_range(0..3);
            let cadence = [Cadence::Daily, Cadence::Weekly, Cadence::Once][index];
            let counter = ["play_count", "win_count", "spend_gold"][self.random.random_range(0..3)];
            let target = self.random.random_range(2..60);
            let terms = self.mission(counter, target, cadence);
            self.add_mission(terms, true, out);
        } else {
            self.revise_mission(out);
        }
    }

    fn revise_mission(&mut self, out: &mut Vec<StoredEvent>) {
        let (at, rewards) = (self.now(), self.rewards());
        let count = self.play.board.state.missions().count();
        let index = self.random.random_range(0..count);
        let Some((mission_id, mission)) = self.play.board.state.missions().nth(index) else {
            return;
        };
        let terms = MissionTerms {
            target: (mission.terms.target + 1)
                .saturating_sub(self.random.random_range(0..3))
                .max(1),
            rewards,
            is_active: self.random.random_bool(0.9),
            ..mission.terms.clone()
        };
        let revise = MissionCommand::Revise { at, mission_id, terms, versions: None };
        self.play.board.ask(TheBoard, &revise, out);
    }

    /// For some players each time; then it is said that this was all.
    fn count_past_play(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let Some(past) = self.play.past.last_mut() else { return };
        let mission_id = past.mission;
        let terms = &self.play.board.state.mission(mission_id).unwrap().terms;
        let goal = terms.goal(mission_id, past.defined_at);
        for _ in 0..4 {
            let Some((player, amount)) = past.sums.pop_first() else {
                let players = past.players;
                let add = MissionCommand::AddPastPlay { at, mission_id, players };
                self.play.board.ask(TheBoard, &add, out);
                self.play.past.pop();
                return;
            };
            let count = ActivityCommand::CountPastPlay { at: past.defined_at, goal, amount };
            let activity = self.play.activities.entry(player).or_default();
            past.players += u64::from(activity.ask(player, &count, out));
        }
    }

    pub(super) fn claim_mission(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let count = self.play.board.state.missions().count();
        for index in 0..count {
            let Some((claim, rewards)) = self.mission_claim(player, index) else { continue };
            let (at, payment) = (self.now(), self.payment(&rewards));
            let command =
                AccountCommand::ClaimMission { at, claim, rewards: rewards.clone(), payment };
            self.ask_to_pay(player, &command, &rewards, out);
        }
    }

    /// Where a player stands with a mission that is on the board, and what it pays.
    fn mission_claim(&self, player: i64, index: usize) -> Option<(MissionClaim, Rewards)> {
        let (board, at) = (&self.play.board.state, self.now());
        let (mission_id, Mission { version, terms, .. }) = board.missions().nth(index)?;
        let activity = &self.play.activities.get(&player)?.state;
        let period = terms.cadence.period_at(at);
        let (progress, was_complete) = activity.mission(mission_id, period);
        let is_met = |other: MissionId| {
            let required = board.mission(other).unwrap();
            activity.mission(other, required.terms.cadence.period_at(at)).1
        };
        let claim = MissionClaim {
            mission_id,
            version: *version,
            period,
            is_unlocked: terms.requires.as_ref().is_none_or(|requires| requires.is_met(&is_met)),
            is_complete: was_complete || progress >= terms.target,
        };
        terms.is_active.then(|| (claim, terms.rewards.clone()))
    }
}
