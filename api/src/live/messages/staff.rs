//! What the staff is told: every event of the log but play, as it is stored. It holds ids only.

use domain::activity::Activity;
use domain::aggregate::Aggregate;
use domain::stored::Recorded;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::channel::Channel;
use super::{Event, Frame, Says, raw, text};
use crate::auth::sign_in::rfc3339;

/// An event as it stands in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct LogData<'a> {
    at: String,
    /// The stream's family, and which stream.
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    event_type: &'a str,
    /// As it is stored.
    #[schema(value_type = Object)]
    payload: Option<&'a RawValue>,
    /// Who did it, and on what occasion.
    #[schema(value_type = HashMap<String, String>)]
    metadata: Option<&'a RawValue>,
}

impl Says for LogData<'_> {
    const TYPE: &'static str = "log_event";
}

/// Whether the staff is told of a family: play comes by the thousands, and is seen elsewhere.
#[must_use]
pub fn is_for_staff(family: &str) -> bool {
    family != Activity::TYPE
}

/// An event as it stands in the log.
#[must_use]
pub fn log_event(recorded: &Recorded) -> Frame {
    let (position, event) = (recorded.place.position, &recorded.event);
    let data = LogData {
        at: rfc3339(recorded.recorded_at),
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        event_type: &event.event_type,
        payload: raw(&event.payload),
        metadata: raw(&event.metadata),
    };
    let cursor = recorded.place.cursor().to_string();
    let (r#type, channel) = (LogData::TYPE, Channel::Admin);
    let told = Event { r#type, channel, position, cursor: &cursor, data };
    Frame { position, text: text(&told), replaces_older: false }
}
