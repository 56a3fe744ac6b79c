//! States kept beside the log, so that a long stream need not be folded from its first event.
//!
//! They are disposable: one counts only if its code's version and the hash of its event are those of
//! today, and without any, every stream loads as it did before, only later. So nobody waits for one to
//! be stored, and when more are due than can be stored, some are not.

use std::sync::Arc;

use domain::stored::Place;
use tokio::sync::mpsc;

use crate::cache::{StreamKey, Version};
use crate::log::{Log, LogError};

/// A stream's state at one of its events, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose.
    pub stream: StreamKey,
    /// The version of the state's shape.
    pub version: i32,
    /// The last event in it.
    pub sequence: u64,
    /// The state's JSON text.
    pub state: String,
}

/// A durable state of a node that should be stored.
pub(crate) struct Due {
    pub(crate) stream: StreamKey,
    pub(crate) version: Version,
    /// A place of the same history, at or behind the state's last event. While it is in the log, so
    /// is that event.
    pub(crate) seen: Place,
}

/// So many wait to be stored at most; each holds a copy of a state.
pub(crate) const WAITING: usize = 64;

/// Stores what is due, one after another, for as long as the node is there.
pub(crate) async fn keep(log: Arc<dyn Log>, mut waiting: mpsc::Receiver<Due>) {
    while let Some(due) = waiting.recv().await {
        let stream = due.stream.clone();
        if let Err(error) = store(log.as_ref(), due).await {
            tracing::warn!(%error, %stream, "a snapshot was not stored");
        }
    }
}

/// Stores a state, if its family asks for that and it has any history.
///
/// # Errors
/// If the log cannot be reached.
pub(crate) async fn store(log: &dyn Log, due: Due) -> Result<(), LogError> {
    let Due { stream, version: Version { state, sequence }, seen } = due;
    let Some(version) = state.shape() else { return Ok(()) };
    let state = match state.encode() {
        Ok(state) => state,
        Err(error) => {
            tracing::error!(%error, %stream, "a state has no JSON form: its family cannot have snapshots");
            return Ok(());
        }
    };
    log.store_snapshot(&Snapshot { stream, version, sequence, state }, seen).await
}
