//! What comes with a command: what is stored about it, its key, its text.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::id::PlayerId;

use crate::context::{Caller, Fingerprint, IdempotencyKey};
use crate::keys::KeyedRequest;

/// See the module.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) metadata: Arc<str>,
    pub(crate) keyed: Option<KeyedRequest>,
    pub(crate) text: Option<String>,
    unfingerprinted: Option<IdempotencyKey>,
    caller: String,
}

impl Request {
    /// A command by this caller, which concerns this player.
    #[must_use]
    pub fn new(caller: &Caller, player: Option<PlayerId>) -> Self {
        Self {
            metadata: caller.metadata(player).to_json().into(),
            keyed: None,
            text: None,
            unfingerprinted: caller.key.clone(),
            caller: caller.actor.to_string(),
        }
    }

    /// A command with these texts as its metadata, keys in order.
    #[must_use]
    pub fn of_metadata(metadata: &HashMap<String, String>) -> Self {
        let ordered: BTreeMap<_, _> = metadata.iter().collect();
        Self {
            // A map of texts always has a JSON form.
            metadata: serde_json::to_string(&ordered).unwrap_or_default().into(),
            keyed: None,
            text: None,
            unfingerprinted: None,
            caller: String::new(),
        }
    }

    /// Binds the caller's idempotency key, if there is one, to what is asked.
    #[must_use]
    pub fn keyed(mut self, fingerprint: Fingerprint) -> Self {
        let caller = self.caller.clone();
        self.keyed =
            self.unfingerprinted.take().map(|key| KeyedRequest { key, caller, fingerprint });
        self
    }

    /// A text about people that is kept beside the log, by the position of the first event.
    #[must_use]
    pub fn with_text(mut self, text: String) -> Self {
        self.text = Some(text);
        self
    }
}
