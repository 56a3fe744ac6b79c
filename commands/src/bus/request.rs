//! What comes with a command: what is stored about it, its key, its text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::event::Metadata;
use domain::id::PlayerId;

use crate::context::{Caller, Fingerprint, IdempotencyKey};
use crate::keys::KeyedRequest;

/// A line of a command that is made of several.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its own key.
    pub key: IdempotencyKey,
    /// What it asks.
    pub fingerprint: Fingerprint,
    /// Whom its events concern.
    pub player: PlayerId,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) metadata: Arc<str>,
    /// Of each line, if there are any; nothing else is then said about its events.
    pub(crate) line_metadata: Vec<Arc<str>>,
    /// None or one; or one for each line.
    pub(crate) keys: Vec<KeyedRequest>,
    pub(crate) text: Option<Arc<str>>,
    /// Whether each key stands for a line of its own, and not for the whole command.
    pub(super) is_by_lines: bool,
    /// Lines whose key an earlier line has, in order.
    pub(super) repeats: Vec<usize>,
    /// Whether nothing is to be written. Its keys are not looked at then: a repeat may try what the
    /// first has done.
    pub(super) is_dry_run: bool,
    unfingerprinted: Option<IdempotencyKey>,
    caller: Arc<str>,
}

impl Request {
    /// A command by this caller, which concerns this player.
    #[must_use]
    pub fn new(caller: &Caller, player: Option<PlayerId>) -> Self {
        Self {
            metadata: caller.metadata(player).to_json().into(),
            line_metadata: Vec::new(),
            keys: Vec::new(),
            text: None,
            is_by_lines: false,
            repeats: Vec::new(),
            is_dry_run: caller.is_dry_run,
            unfingerprinted: caller.key.clone().filter(|_| !caller.is_dry_run),
            caller: caller.actor.to_string().into(),
        }
    }

    /// A command with these texts as its metadata, keys in order.
    #[must_use]
    pub fn of_metadata(metadata: &HashMap<String, String>) -> Self {
        let ordered: BTreeMap<_, _> = metadata.iter().collect();
        Self {
            // A map of texts always has a JSON form.
            metadata: serde_json::to_string(&ordered).unwrap_or_default().into(),
            line_metadata: Vec::new(),
            keys: Vec::new(),
            text: None,
            is_by_lines: false,
            repeats: Vec::new(),
            is_dry_run: false,
            unfingerprinted: None,
            caller: Arc::default(),
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

    /// A command of several lines by this caller, each with a key of its own: see
    /// [`super::Bus::execute_lines`]. Where a key comes twice, only its first line counts.
    #[must_use]
    pub fn of_lines(caller: &Caller, lines: Vec<Line>) -> Self {
        let mut request = Self::new(caller, None);
        let mut about = caller.metadata(None);
        let about_line = |line: &Line| {
            about.player = Some(line.player);
            about.to_json().into()
        };
        request.line_metadata = lines.iter().map(about_line).collect();
        request.with_keys_of(lines)
    }

    fn with_keys_of(mut self, lines: Vec<Line>) -> Self {
        let caller = &self.caller;
        let keyed = |line: Line| KeyedRequest::new(line.key, caller.clone(), line.fingerprint);
        self.keys = lines.into_iter().map(keyed).filter(|_| !self.is_dry_run).collect();
        let mut earlier = HashSet::new();
        let lines = self.keys.iter().enumerate();
        let repeats = lines.filter(|(_, keyed)| !earlier.insert(keyed.hash));
        self.repeats = repeats.map(|(line, _)| line).collect();
        self.is_by_lines = true;
        self
    }

    /// A command of several lines without keys: only what is said about their events differs.
    #[must_use]
    pub fn with_metadata_of_lines(mut self, lines: impl Iterator<Item = Metadata>) -> Self {
        self.line_metadata = lines.map(|metadata| metadata.to_json().into()).collect();
        self
    }

    /// A text about people that is kept beside the log, by the position of the first event; of each
    /// line's first event, if there are lines: each text can be found, and erased, by itself.
    #[must_use]
    pub fn with_text(mut self, text: String) -> Self {
        self.text = Some(text.into());
        self
    }
}
