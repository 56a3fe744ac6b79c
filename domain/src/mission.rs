//! The board of missions: what there is to do, and what it pays.
//!
//! All missions stand in one stream, because every action of every player is looked at against all of
//! them: one state to read instead of one each. It changes when the staff changes it, and never by
//! play.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::{Goal, MissionPeriod, OpenGoal};
use crate::aggregate::{Aggregate, Event};
use crate::id::{Counter, InvalidId, MissionId};
use crate::limit::Period;
use crate::reward::Rewards;

/// What has happened to the missions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissionEvent {
    /// There is a new one.
    MissionDefined {
        /// When.
        at: DateTime<Utc>,
        /// Its number.
        mission_id: MissionId,
        /// What it is and pays.
        terms: MissionTerms,
        /// What was done after this position of the log, and before this event, counts, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counts_after: Option<u64>,
    },
    /// It has other terms from now on. What was reached stays reached.
    MissionRevised {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        mission_id: MissionId,
        /// The number of the new terms, from 2.
        version: u32,
        /// What it is and pays.
        terms: MissionTerms,
    },
    /// Everything that was done before the mission was there has been counted for it.
    PastPlayAdded {
        /// When.
        at: DateTime<Utc>,
        /// For which mission.
        mission_id: MissionId,
        /// For how many players it made a difference.
        players: u64,
    },
}

impl Event for MissionEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::MissionDefined { .. } => "mission_defined",
            Self::MissionRevised { .. } => "mission_revised",
            Self::PastPlayAdded { .. } => "past_play_added",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What a mission is and pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissionTerms {
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// What is counted.
    pub counter: Counter,
    /// How much of it, at least 1.
    pub target: u64,
    /// In which period.
    pub cadence: Cadence,
    /// The first moment at which something counts for it; always, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// The first moment at which nothing does any more; never, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// What it pays.
    pub rewards: Rewards,
    /// Other missions that must be complete before it can be claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Prerequisite>,
    /// Higher ones are shown first.
    pub priority: i32,
    /// Whether it is on the board.
    pub is_active: bool,
}

impl MissionTerms {
    /// Whether something done at a moment counts.
    #[must_use]
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.is_active
            && self.starts_at.is_none_or(|start| start <= at)
            && self.ends_at.is_none_or(|end| at < end)
    }

    /// Its goal at a moment.
    #[must_use]
    pub fn goal(&self, mission: MissionId, at: DateTime<Utc>) -> OpenGoal {
        let period = self.cadence.period_at(at);
        OpenGoal { goal: Goal::Mission { mission, period }, target: Some(self.target) }
    }
}

/// How often a mission begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cadence {
    /// Every day, in UTC.
    Daily,
    /// Every Monday, in UTC.
    Weekly,
    /// Never.
    Once,
}

impl Cadence {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Once => "once",
        }
    }

    /// The period that a moment belongs to.
    #[must_use]
    pub fn period_at(self, at: DateTime<Utc>) -> MissionPeriod {
        let day = at.date_naive();
        match self {
            Self::Daily => MissionPeriod::From(day),
            Self::Weekly => {
                let since_monday = Days::new(day.weekday().num_days_from_monday().into());
                MissionPeriod::From(day.checked_sub_days(since_monday).unwrap_or(day))
            }
            Self::Once => MissionPeriod::Once,
        }
    }

    /// The first moment after the period that a moment belongs to, if it ends.
    #[must_use]
    pub fn ends_at(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Daily => Period::Day.ends_at(at),
            Self::Weekly => Period::Week.ends_at(at),
            Self::Once => None,
        }
    }
}

/// Missions that must be complete: `3`, `{"all":[1,2]}`, `{"any":[1,{"all":[2,3]}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prerequisite {
    /// Every one of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
    /// This one.
    #[serde(untagged)]
    Mission(MissionId),
}

impl Prerequisite {
    /// Whether it is met.
    pub fn is_met(&self, is_complete: &impl Fn(MissionId) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.is_met(is_complete)),
            Self::Any(parts) => parts.iter().any(|part| part.is_met(is_complete)),
            Self::Mission(mission) => is_complete(*mission),
        }
    }

    fn all_are(&self, allowed: &impl Fn(MissionId) -> bool) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(|part| part.all_are(allowed)),
            Self::Mission(mission) => allowed(*mission),
        }
    }
}

/// The one stream of missions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TheBoard;

impl fmt::Display for TheBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("board")
    }
}

impl FromStr for TheBoard {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "board" { Ok(Self) } else { Err(InvalidId { what: "mission board" }) }
    }
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum MissionCommand {
    /// Put a new one on the board, under the next number.
    Define {
        /// When.
        at: DateTime<Utc>,
        /// What it is and pays.
        terms: MissionTerms,
        /// What was done after this position counts, too.
        counts_after: Option<u64>,
    },
    /// Give one other terms; asking for the present ones does nothing.
    Revise {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        mission_id: MissionId,
        /// What it shall be and pay.
        terms: MissionTerms,
        /// The versions that the caller has seen, if it matters.
        versions: Option<Vec<u32>>,
    },
    /// All that was done before is counted. Asking again does nothing.
    AddPastPlay {
        /// When.
        at: DateTime<Utc>,
        /// For which mission.
        mission_id: MissionId,
        /// For how many players it made a difference.
        players: u64,
    },
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissionRefusal {
    /// There is no such mission.
    #[error("there is no such mission")]
    NotFound,
    /// What is counted, and in which period, stays as it is: progress would lose its meaning.
    #[error("a mission keeps its counter and its period: make another one")]
    MeasureIsFixed,
    /// A mission can only wait for older ones: so there are no circles.
    #[error("a mission can only require missions that were there before it")]
    RequiresUnknown,
    /// What was done before it was there is being counted by its present terms.
    #[error("past play is still being counted for this mission: try again in a moment")]
    StillCounting,
    /// It is at another version than the caller has seen.
    #[error("the mission is at version {version} by now")]
    OtherVersion {
        /// The present one.
        version: u32,
    },
}

/// The board as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissionBoard {
    missions: BTreeMap<MissionId, Mission>,
}

/// A mission at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mission {
    /// The number of its terms.
    pub version: u32,
    /// What it is and pays.
    pub terms: MissionTerms,
    /// Whether what was done before it was there is still to be counted, and from which position on.
    pub counts_after: Option<u64>,
}

impl MissionBoard {
    /// One of the missions.
    #[must_use]
    pub fn mission(&self, id: MissionId) -> Option<&Mission> {
        self.missions.get(&id)
    }

    /// All of them, by number.
    pub fn missions(&self) -> impl Iterator<Item = (MissionId, &Mission)> {
        self.missions.iter().map(|(id, mission)| (*id, mission))
    }

    /// What doing something at a moment brings closer.
    pub fn goals(&self, action: Counter, at: DateTime<Utc>) -> impl Iterator<Item = OpenGoal> {
        let open = move |(id, mission): (MissionId, &Mission)| {
            let terms = &mission.terms;
            (terms.counter == action && terms.is_open(at)).then(|| terms.goal(id, at))
        };
        self.missions().filter_map(open)
    }

    fn may_require(&self, id: MissionId, terms: &MissionTerms) -> Result<(), MissionRefusal> {
        let is_older = |other| other < id && self.missions.contains_key(&other);
        match &terms.requires {
            Some(requires) if !requires.all_are(&is_older) => Err(MissionRefusal::RequiresUnknown),
            _ => Ok(()),
        }
    }
}

impl Aggregate for MissionBoard {
    const TYPE: &'static str = "mission_board";
    type Id = TheBoard;
    type Command = MissionCommand;
    type Event = MissionEvent;
    type Refusal = MissionRefusal;

    fn decide(&self, command: &MissionCommand) -> Result<Vec<MissionEvent>, MissionRefusal> {
        let find = |id: &MissionId| self.missions.get(id).ok_or(MissionRefusal::NotFound);
        match command {
            MissionCommand::Define { at, terms, counts_after } => {
                let last = self.missions.last_key_value().map_or(0, |(id, _)| id.0);
                let mission_id = MissionId(last.saturating_add(1));
                self.may_require(mission_id, terms)?;
                let (at, terms, counts_after) = (*at, terms.clone(), *counts_after);
                Ok(vec![MissionEvent::MissionDefined { at, mission_id, terms, counts_after }])
            }
            MissionCommand::Revise { at, mission_id, terms, versions } => {
                let Mission { version, terms: present, counts_after } = find(mission_id)?;
                let version = *version;
                if versions.as_ref().is_some_and(|seen| !seen.contains(&version)) {
                    return Err(MissionRefusal::OtherVersion { version });
                }
                if present == terms {
                    return Ok(vec![]);
                }
                if counts_after.is_some() {
                    return Err(MissionRefusal::StillCounting);
                }
                if (present.counter, present.cadence) != (terms.counter, terms.cadence) {
                    return Err(MissionRefusal::MeasureIsFixed);
                }
                self.may_require(*mission_id, terms)?;
                Ok(vec![MissionEvent::MissionRevised {
                    at: *at,
                    mission_id: *mission_id,
                    version: version.saturating_add(1),
                    terms: terms.clone(),
                }])
            }
            MissionCommand::AddPastPlay { at, mission_id, players } => {
                let (at, mission_id, players) = (*at, *mission_id, *players);
                let added = MissionEvent::PastPlayAdded { at, mission_id, players };
                Ok(find(&mission_id)?.counts_after.map(|_| added).into_iter().collect())
            }
        }
    }

    fn evolve(&mut self, event: &MissionEvent) {
        match event {
            MissionEvent::MissionDefined { mission_id, terms, counts_after, .. } => {
                let (terms, counts_after) = (terms.clone(), *counts_after);
                self.missions.insert(*mission_id, Mission { version: 1, terms, counts_after });
            }
            MissionEvent::MissionRevised { mission_id, version, terms, .. } => {
                if let Some(mission) = self.missions.get_mut(mission_id) {
                    mission.version = *version;
                    mission.terms = terms.clone();
                }
            }
            MissionEvent::PastPlayAdded { mission_id, .. } => {
                if let Some(mission) = self.missions.get_mut(mission_id) {
                    mission.counts_after = None;
                }
            }
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.missions.len() * 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    fn terms() -> MissionTerms {
        MissionTerms {
            name: "1판 하기".into(),
            name_en: "Play 1".into(),
            counter: "play_count".parse().unwrap(),
            target: 1,
            cadence: Cadence::Daily,
            starts_at: None,
            ends_at: None,
            rewards: Rewards { xp: 10, ..Rewards::default() },
            requires: None,
            priority: 0,
            is_active: true,
        }
    }

    fn define(terms: MissionTerms) -> MissionCommand {
        MissionCommand::Define { at: at(1), terms, counts_after: None }
    }

    fn defined(id: i64, terms: MissionTerms) -> MissionEvent {
        let mission_id = MissionId(id);
        MissionEvent::MissionDefined { at: at(1), mission_id, terms, counts_after: None }
    }

    fn revise(id: i64, terms: MissionTerms, versions: Option<Vec<u32>>) -> MissionCommand {
        MissionCommand::Revise { at: at(2), mission_id: MissionId(id), terms, versions }
    }

    #[test]
    fn missions_are_numbered_from_1() {
        given::<MissionBoard>(&[]).when(&define(terms())).then(&[defined(1, terms())]);
        let history = [defined(1, terms())];
        given::<MissionBoard>(&history).when(&define(terms())).then(&[defined(2, terms())]);
    }

    #[test]
    fn a_mission_requires_older_ones_only() {
        let requiring = |requires: &str| MissionTerms {
            requires: Some(serde_json::from_str(requires).unwrap()),
            ..terms()
        };
        let history = [defined(1, terms()), defined(2, terms())];
        let good = requiring(r#"{"any":[1,{"all":[1,2]}]}"#);
        let made = defined(3, good.clone());
        given::<MissionBoard>(&history).when(&define(good)).then(&[made]);
        for bad in ["3", "9", r#"{"all":[1,3]}"#] {
            given::<MissionBoard>(&history)
                .when(&define(requiring(bad)))
                .then_refused(&MissionRefusal::RequiresUnknown);
        }
        given::<MissionBoard>(&history)
            .when(&revise(1, requiring("2"), None))
            .then_refused(&MissionRefusal::RequiresUnknown);
    }

    #[test]
    fn prerequisites_are_all_or_any() {
        let requires: Prerequisite = serde_json::from_str(r#"{"any":[3,{"all":[1,2]}]}"#).unwrap();
        let met = |complete: &[i64]| requires.is_met(&|id: MissionId| complete.contains(&id.0));
        assert!(met(&[3]) && met(&[1, 2]) && met(&[1, 2, 3]));
        assert!(!met(&[]) && !met(&[1]) && !met(&[2]));
    }

    #[test]
    fn what_is_measured_stays_and_the_rest_can_change() {
        let history = [defined(1, terms())];
        let dearer = MissionTerms { target: 3, ..terms() };
        given::<MissionBoard>(&history).when(&revise(1, terms(), None)).then(&[]);
        given::<MissionBoard>(&history).when(&revise(1, dearer.clone(), Some(vec![1]))).then(&[
            MissionEvent::MissionRevised {
                at: at(2),
                mission_id: MissionId(1),
                version: 2,
                terms: dearer.clone(),
            },
        ]);
        given::<MissionBoard>(&history)
            .when(&revise(1, dearer.clone(), Some(vec![2])))
            .then_refused(&MissionRefusal::OtherVersion { version: 1 });
        given::<MissionBoard>(&history)
            .when(&revise(2, dearer, None))
            .then_refused(&MissionRefusal::NotFound);
        for other in [
            MissionTerms { counter: "win_count".parse().unwrap(), ..terms() },
            MissionTerms { cadence: Cadence::Once, ..terms() },
        ] {
            given::<MissionBoard>(&history)
                .when(&revise(1, other, None))
                .then_refused(&MissionRefusal::MeasureIsFixed);
        }
    }

    #[test]
    fn past_play_is_added_once() {
        let mission_id = MissionId(1);
        let asked = MissionEvent::MissionDefined {
            at: at(1),
            mission_id,
            terms: terms(),
            counts_after: Some(0),
        };
        let dearer = MissionTerms { target: 3, ..terms() };
        given::<MissionBoard>(std::slice::from_ref(&asked))
            .when(&revise(1, dearer, None))
            .then_refused(&MissionRefusal::StillCounting);
        let add = MissionCommand::AddPastPlay { at: at(2), mission_id, players: 3 };
        let added = MissionEvent::PastPlayAdded { at: at(2), mission_id, players: 3 };
        given::<MissionBoard>(std::slice::from_ref(&asked))
            .when(&add)
            .then(std::slice::from_ref(&added));
        given::<MissionBoard>(&[asked, added]).when(&add).then(&[]);
        given::<MissionBoard>(&[defined(1, terms())]).when(&add).then(&[]);
    }

    #[test]
    fn only_what_is_open_comes_closer() {
        let windowed = MissionTerms { starts_at: Some(at(10)), ends_at: Some(at(20)), ..terms() };
        let hidden = MissionTerms { is_active: false, ..terms() };
        let history = [defined(1, windowed), defined(2, hidden)];
        let board = given::<MissionBoard>(&history).state();
        let count = |action: &str, second| board.goals(action.parse().unwrap(), at(second)).count();
        assert_eq!([9, 10, 19, 20].map(|second| count("play_count", second)), [0, 1, 1, 0]);
        assert_eq!(count("win_count", 15), 0);
    }

    #[test]
    fn periods_end_at_midnight_and_on_mondays() {
        let moment = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let period = |cadence: Cadence, at| cadence.period_at(moment(at)).to_string();
        assert_eq!(period(Cadence::Daily, "2026-12-31T23:59:59.999999Z"), "2026-12-31");
        assert_eq!(period(Cadence::Daily, "2027-01-01T00:00:00Z"), "2027-01-01");
        // A week that spans the year's end; 2026-12-28 is a Monday.
        assert_eq!(period(Cadence::Weekly, "2026-12-27T23:59:59Z"), "2026-12-21");
        assert_eq!(period(Cadence::Weekly, "2026-12-28T00:00:00Z"), "2026-12-28");
        assert_eq!(period(Cadence::Weekly, "2027-01-03T23:59:59Z"), "2026-12-28");
        assert_eq!(period(Cadence::Weekly, "2027-01-04T00:00:00Z"), "2027-01-04");
        assert_eq!(period(Cadence::Once, "2027-01-04T00:00:00Z"), "once");
        let end = Cadence::Weekly.ends_at(moment("2026-12-28T00:00:00Z"));
        assert_eq!(end, Some(moment("2027-01-04T00:00:00Z")));
    }
}
