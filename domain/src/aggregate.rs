//! What every aggregate is: a type name, a pure decision and a total memory.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// One consistency boundary: its events form one stream, decided by one writer at a time.
pub trait Aggregate:
    Default + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The stored name of the stream's family. Forever.
    const TYPE: &'static str;

    /// Whether streams of the family are long enough to be worth snapshots, and if so, the version of
    /// the state's shape: raised whenever [`Self::evolve`] or the shape changes, since a snapshot is
    /// what the code of its day made of the events.
    const SNAPSHOT: Option<i32> = None;

    /// Identifies one stream of the family; its text form is stored.
    type Id: Copy + Display + FromStr + Send + Sync;
    /// What may be asked. Carries the time and every id it needs.
    type Command: Debug + Send + Sync;
    /// What may have happened.
    type Event: Event;
    /// Why a command can be refused, as sentences.
    type Refusal: std::error::Error + Clone + PartialEq + Send + Sync;

    /// Decides on the present state. An empty list means: nothing to do, gladly.
    ///
    /// # Errors
    /// The reason why the command is refused; nothing has happened then.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Remembers what a later decision needs. Never fails: what is in the log has happened.
    fn evolve(&mut self, event: &Self::Event);

    /// About how many bytes this state keeps in memory.
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// A stored event: an enum of structs, as [`crate::encoding`] writes and reads it. Its names are
/// forever.
pub trait Event:
    Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static
{
    /// The stored name, equal to serde's name of the variant. Forever.
    fn event_type(&self) -> &'static str;

    /// The version this code writes of that event type.
    fn current_version(event_type: &str) -> &'static str;

    /// Lifts a payload stored at an older version to the current one.
    fn upcast(_event_type: &str, _stored_version: &str, payload: Value) -> Value {
        payload
    }
}
