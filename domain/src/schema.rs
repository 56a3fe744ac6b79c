//! What events look like to others: a JSON Schema for each event and version.

/// The name of an event's schema, which never means another shape.
#[must_use]
pub fn id(family: &str, event_type: &str, version: &str) -> String {
    format!("urn:club:event:{family}:{event_type}:{version}")
}
