//! What the staff tried and was refused, and whose personal data they looked at: what leaves no other
//! trace in the log. One stream for each of the staff.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::PlayerId;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditEvent {
    /// Something was asked for and refused.
    AttemptRefused {
        /// When.
        at: DateTime<Utc>,
        /// `POST`, `PUT`, …
        method: String,
        /// The address.
        path: String,
        /// Why: the code that was answered.
        code: String,
    },
    /// Personal data was looked at.
    PersonalDataSeen {
        /// When.
        at: DateTime<Utc>,
        /// Whose.
        player: PlayerId,
    },
    /// A mail is to be sent once more.
    MailResent {
        /// When.
        at: DateTime<Utc>,
        /// Which, by its number in the outbox.
        mail: i64,
        /// To whom.
        player: PlayerId,
    },
}

impl Event for AuditEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::AttemptRefused { .. } => "attempt_refused",
            Self::PersonalDataSeen { .. } => "personal_data_seen",
            Self::MailResent { .. } => "mail_resent",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// Write it down.
#[derive(Debug, Clone)]
pub struct Note(pub AuditEvent);

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditRefusal {}

/// Nothing is decided on what was written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {}

impl Aggregate for Audit {
    const TYPE: &'static str = "audit";
    type Id = PlayerId;
    type Command = Note;
    type Event = AuditEvent;
    type Refusal = AuditRefusal;

    fn decide(&self, Note(event): &Note) -> Result<Vec<AuditEvent>, AuditRefusal> {
        Ok(vec![event.clone()])
    }

    fn evolve(&mut self, _: &AuditEvent) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    #[test]
    fn what_is_told_is_written_down() {
        let seen = AuditEvent::PersonalDataSeen { at: at(1), player: PlayerId(23) };
        given::<Audit>(std::slice::from_ref(&seen)).when(&Note(seen.clone())).then(&[seen]);
    }
}
