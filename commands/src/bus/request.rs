//! What comes with a command: what is stored about it, its key, its text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::id::PlayerId;

use crate::context::{Caller, Fingerprint, IdempotencyKey};
use crate::keys::KeyedRequest;

/// See the module.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) metadata: Arc<str>,
    /// None or one; or one for each line.
    pub(crate) keys: Vec<KeyedRequest>,
    pub(crate) text: Option<String>,
    /// Whether each key stands for a line of its own, and not for the whole command.
    pub(super) is_by_lines: bool,
    /// Lines whose key an earlier line has, in order.
    pub(super) repeats: Vec<usize>,
    unfingerprinted: Option<IdempotencyKey>,
    caller: String,
}

impl Request {
    /// A command by this caller, which concerns this player.
    #[must_use]
    pub fn new(caller: &Caller, player: Option<PlayerId>) -> Self {
        Self {
            metadata: caller.metadata(player).to_json().into(),
            keys: Vec::new(),
            text: None,
            is_by_lines: false,
            repeats: Vec::new(),
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
            keys: Vec::new(),
            text: None,
            is_by_lines: false,
            repeats: Vec::new(),
            unfingerprinted: None,
            caller: String::new(),
        }
    }

    /// Binds the caller's idempotency key, if there is one, to what is asked.
    #[must_use]
    pub fn keyed(mut self, fingerprint: Fingerprint) -> Self {
        let caller = self.caller.clone();
        let key = self.unfingerprinted.take();
        self.keys =
            key.map(|key| KeyedRequest::new(key, caller, fingerprint)).into_iter().collect();
        self
    }

    /// A command of several lines, each with a key of its own: see [`super::Bus::execute_lines`].
    /// Where a key comes twice, only its first line counts.
    #[must_use]
    pub fn with_lines(mut self, lines: Vec<(IdempotencyKey, Fingerprint)>) -> Self {
        let caller = &self.caller;
        let keyed = |(key, fingerprint)| KeyedRequest::new(key, caller.clone(), fingerprint);
        self.keys = lines.into_iter().map(keyed).collect();
        let mut earlier = HashSet::new();
        let lines = self.keys.iter().enumerate();
        let repeats = lines.filter(|(_, keyed)| !earlier.insert(keyed.hash));
        self.repeats = repeats.map(|(line, _)| line).collect();
        self.is_by_lines = true;
        self
    }

    /// A text about people that is kept beside the log, by the position of the first event.
    #[must_use]
    pub fn with_text(mut self, text: String) -> Self {
        self.text = Some(text);
        self
    }
}
