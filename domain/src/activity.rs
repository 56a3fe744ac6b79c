//! What a player did, and how far that has brought them: play as game servers and the club itself
//! report it, in one stream a player, apart from money.
//!
//! Progress stands in the event of the action that made it, so the two can never disagree: there is
//! no moment at which an action is known and its progress is not.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

mod goal;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use goal::{Goal, MissionPeriod};

use crate::account::Deed;
use crate::aggregate::{Aggregate, Event};
use crate::id::{Counter, LiveEventId, MissionId, PlayerId};
use crate::layered::Layered;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivityEvent {
    /// The player did something that is counted.
    ActionRecorded {
        /// When, by the clock of whoever saw it.
        at: DateTime<Utc>,
        /// What whoever reported it calls it.
        action_id: String,
        /// What was done.
        action: Counter,
        /// How often, or how much.
        amount: u64,
        /// Where in the log the deed stands that is counted, if the club itself saw it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deed: Option<u64>,
        /// What came closer by it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        advanced: Vec<Advance>,
    },
    /// What the player had done before a mission was there counts for it, too.
    PastPlayCounted {
        /// When it was counted.
        at: DateTime<Utc>,
        /// How much it was.
        amount: u64,
        /// Where that brought the mission.
        advanced: Advance,
    },
}

impl Event for ActivityEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::ActionRecorded { .. } => "action_recorded",
            Self::PastPlayCounted { .. } => "past_play_counted",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

impl ActivityEvent {
    /// What came closer by it.
    #[must_use]
    pub fn advanced(&self) -> &[Advance] {
        match self {
            Self::ActionRecorded { advanced, .. } => advanced,
            Self::PastPlayCounted { advanced, .. } => std::slice::from_ref(advanced),
        }
    }

    /// When, by whose clock ever.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::ActionRecorded { at, .. } | Self::PastPlayCounted { at, .. } => *at,
        }
    }
}

/// A goal that has come closer: how far it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advance {
    /// Which.
    pub goal: Goal,
    /// All that counts for it; not more than its target.
    pub progress: u64,
    /// What it takes; scores have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
}

impl Advance {
    /// Whether it is reached.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.target.is_some_and(|target| self.progress >= target)
    }
}

/// A goal that an action may bring closer, and what it takes; scores take no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenGoal {
    /// Which.
    pub goal: Goal,
    /// What it takes.
    pub target: Option<u64>,
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum ActivityCommand {
    /// Write down what a player did. That it is written once is the business of its key.
    Record {
        /// When.
        at: DateTime<Utc>,
        /// What whoever reports it calls it.
        action_id: String,
        /// What was done.
        action: Counter,
        /// How often, or how much.
        amount: u64,
        /// What it may bring closer.
        goals: Vec<OpenGoal>,
    },
    /// Count what the club itself saw. Deeds are asked for in the order of the log: one that stands
    /// before the last that was counted was counted, and asking again does nothing.
    CountDeed {
        /// Where in the log it stands.
        position: u64,
        /// What it is.
        deed: Deed,
        /// What it may bring closer.
        goals: Vec<OpenGoal>,
    },
    /// Write down that a player was there; once a UTC day, asking again does nothing.
    RecordLogin {
        /// When.
        at: DateTime<Utc>,
        /// What it may bring closer.
        goals: Vec<OpenGoal>,
    },
    /// Count what was done before a mission was there.
    CountPastPlay {
        /// When.
        at: DateTime<Utc>,
        /// For which mission and period, and what that takes.
        goal: OpenGoal,
        /// How much it was.
        amount: u64,
    },
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivityRefusal {}

/// What being there is counted as.
pub const LOGIN: &str = "login";

/// A player's activity as the stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    missions: Layered<MissionId, MissionProgress>,
    events: BTreeMap<LiveEventId, EventProgress>,
    last_login: Option<NaiveDate>,
    /// Up to where in the log the club's own deeds are counted.
    deeds_until: u64,
}

/// How far a mission is, in the latest period in which anything was done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct MissionProgress {
    period: MissionPeriod,
    progress: u64,
    is_complete: bool,
}

/// How far an event is, in the latest occurrence in which anything was done for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EventProgress {
    occurrence: DateTime<Utc>,
    /// By requirement: how far, and whether that is enough.
    requirements: BTreeMap<u8, (u64, bool)>,
    score: u64,
}

impl EventProgress {
    fn new(occurrence: DateTime<Utc>) -> Self {
        Self { occurrence, requirements: BTreeMap::new(), score: 0 }
    }
}

impl Activity {
    /// How far a mission is in a period, and whether it is complete: once so, always.
    #[must_use]
    pub fn mission(&self, mission: MissionId, period: MissionPeriod) -> (u64, bool) {
        match self.missions.get(mission) {
            Some(has) if has.period == period => (has.progress, has.is_complete),
            _ => (0, false),
        }
    }

    /// How far one requirement of an event's occurrence is, and whether it is met.
    #[must_use]
    pub fn requirement(
        &self,
        event: LiveEventId,
        occurrence: DateTime<Utc>,
        number: u8,
    ) -> (u64, bool) {
        let requirements = self.event(event, occurrence).map(|has| &has.requirements);
        requirements.and_then(|has| has.get(&number)).copied().unwrap_or_default()
    }

    /// Whether all of an event's requirements are met.
    #[must_use]
    pub fn meets(&self, event: LiveEventId, occurrence: DateTime<Utc>, requirements: u8) -> bool {
        (0..requirements).all(|number| self.requirement(event, occurrence, number).1)
    }

    /// The score in an event's occurrence.
    #[must_use]
    pub fn score(&self, event: LiveEventId, occurrence: DateTime<Utc>) -> u64 {
        self.event(event, occurrence).map_or(0, |has| has.score)
    }

    fn event(&self, event: LiveEventId, occurrence: DateTime<Utc>) -> Option<&EventProgress> {
        self.events.get(&event).filter(|has| has.occurrence == occurrence)
    }

    /// How far a goal would be with so much more; `None` if it stays where it is: it is complete, or
    /// its time is over.
    fn advance(&self, OpenGoal { goal, target }: OpenGoal, amount: u64) -> Option<Advance> {
        let (has, is_complete) = match goal {
            Goal::Mission { mission, period } => {
                let over = self.missions.get(mission).is_some_and(|has| has.period > period);
                (!over).then(|| self.mission(mission, period))?
            }
            Goal::Requirement { event, occurrence, number } => {
                (!self.is_over(event, occurrence))
                    .then(|| self.requirement(event, occurrence, number))?
            }
            Goal::Score { event, occurrence } => (!self.is_over(event, occurrence))
                .then(|| (self.score(event, occurrence), false))?,
        };
        if is_complete {
            return None;
        }
        let progress = has.saturating_add(amount).min(target.unwrap_or(u64::MAX));
        Some(Advance { goal, progress, target })
    }

    fn is_over(&self, event: LiveEventId, occurrence: DateTime<Utc>) -> bool {
        self.events.get(&event).is_some_and(|has| has.occurrence > occurrence)
    }

    fn has_advanced(&mut self, advance: &Advance) {
        let Advance { goal, progress, .. } = *advance;
        let is_complete = advance.is_complete();
        match goal {
            Goal::Mission { mission, period } => {
                self.missions.insert(mission, MissionProgress { period, progress, is_complete });
            }
            Goal::Requirement { event, occurrence, number } => {
                let requirements = &mut self.event_mut(event, occurrence).requirements;
                requirements.insert(number, (progress, is_complete));
            }
            Goal::Score { event, occurrence } => {
                self.event_mut(event, occurrence).score = progress;
            }
        }
    }

    fn event_mut(&mut self, event: LiveEventId, occurrence: DateTime<Utc>) -> &mut EventProgress {
        let has = self.events.entry(event).or_insert_with(|| EventProgress::new(occurrence));
        if has.occurrence != occurrence {
            *has = EventProgress::new(occurrence);
        }
        has
    }
}

impl Aggregate for Activity {
    const TYPE: &'static str = "activity";
    // Raise it with any change of the state's shape, or of what `evolve` makes of an event.
    const SNAPSHOT: Option<i32> = Some(2);
    type Id = PlayerId;
    type Command = ActivityCommand;
    type Event = ActivityEvent;
    type Refusal = ActivityRefusal;

    fn decide(&self, command: &ActivityCommand) -> Result<Vec<ActivityEvent>, ActivityRefusal> {
        let advanced = |goals: &[OpenGoal], amount| {
            goals.iter().filter_map(|goal| self.advance(*goal, amount)).collect()
        };
        Ok(match command {
            ActivityCommand::Record { at, action_id, action, amount, goals } => {
                vec![ActivityEvent::ActionRecorded {
                    at: *at,
                    action_id: action_id.clone(),
                    action: *action,
                    amount: *amount,
                    deed: None,
                    advanced: advanced(goals, *amount),
                }]
            }
            ActivityCommand::CountDeed { position, .. } if *position <= self.deeds_until => vec![],
            ActivityCommand::CountDeed { position, deed, goals } => {
                let Deed { at, action, amount } = *deed;
                vec![ActivityEvent::ActionRecorded {
                    at,
                    action_id: format!("deeds/{position}"),
                    action,
                    amount,
                    deed: Some(*position),
                    advanced: advanced(goals, amount),
                }]
            }
            ActivityCommand::RecordLogin { at, goals } => {
                let day = at.date_naive();
                // The name is a counter's.
                match LOGIN.parse() {
                    Ok(action) if self.last_login.is_none_or(|last| last < day) => {
                        vec![ActivityEvent::ActionRecorded {
                            at: *at,
                            action_id: format!("{LOGIN}/{day}"),
                            action,
                            amount: 1,
                            deed: None,
                            advanced: advanced(goals, 1),
                        }]
                    }
                    _ => vec![],
                }
            }
            ActivityCommand::CountPastPlay { at, goal, amount } => {
                let counted = |advanced| ActivityEvent::PastPlayCounted {
                    at: *at,
                    amount: *amount,
                    advanced,
                };
                self.advance(*goal, *amount).map(counted).into_iter().collect()
            }
        })
    }

    fn evolve(&mut self, event: &ActivityEvent) {
        if let ActivityEvent::ActionRecorded { at, action, deed, .. } = event {
            if action.as_str() == LOGIN {
                self.last_login = self.last_login.max(Some(at.date_naive()));
            }
            self.deeds_until = self.deeds_until.max(deed.unwrap_or(0));
        }
        for advance in event.advanced() {
            self.has_advanced(advance);
        }
    }

    fn weight(&self) -> usize {
        let requirements: usize = self.events.values().map(|has| has.requirements.len()).sum();
        size_of::<Self>()
            + self.missions.len_at_most() * 48
            + self.events.len() * 96
            + requirements * 32
    }
}

#[cfg(test)]
mod tests;
