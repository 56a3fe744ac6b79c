//! The smallest aggregate that can say no, for tests of what carries aggregates.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::PlayerId;
use crate::identity::Identity;

/// What has happened to a tally.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TallyEvent {
    /// It went up or down.
    Tallied {
        /// The asker's own number.
        note: u64,
        /// By so much.
        by: i64,
        /// What it shows since.
        count: i64,
    },
}

impl Event for TallyEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Tallied { .. } => "tallied",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// Asks it to go up or down.
#[derive(Debug, Clone, Copy)]
pub struct Tallying {
    /// The asker's own number.
    pub note: u64,
    /// By so much.
    pub by: i64,
}

/// It never shows less than nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tally shows less than that")]
pub struct TallyTooLow;

/// A number, and a trace of how it came about: equal states have equal histories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What it shows.
    pub count: i64,
    /// Changes with every event and with their order.
    pub trace: u64,
}

impl Aggregate for Tally {
    /// The name of a family that programs know, so that nodes follow it and servers read it. A test
    /// that has tallies in its log has nothing else of that name.
    const TYPE: &'static str = Identity::TYPE;
    const SNAPSHOT: Option<i32> = Some(1);

    type Id = PlayerId;
    type Command = Tallying;
    type Event = TallyEvent;
    type Refusal = TallyTooLow;

    fn decide(&self, command: &Tallying) -> Result<Vec<TallyEvent>, TallyTooLow> {
        let Tallying { note, by } = *command;
        let count = self.count + by;
        if count < 0 {
            return Err(TallyTooLow);
        }
        Ok(vec![TallyEvent::Tallied { note, by, count }])
    }

    fn evolve(&mut self, event: &TallyEvent) {
        let TallyEvent::Tallied { note, count, .. } = event;
        self.count = *count;
        self.trace = self.trace.wrapping_mul(1_099_511_628_211) ^ *note;
    }
}
