//! Who is spoken to in which language, remembered for a moment: every purchase asks.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::id::PlayerId;
use lru::LruCache;

use super::users::{Language, Users};

/// A changed setting is heard of after so long on every node.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99_999);

/// Languages by player.
#[derive(Debug)]
pub struct Languages {
    users: Users,
    known: Mutex<LruCache<PlayerId, (Language, Instant)>>,
}

impl Languages {
    /// As the identity table tells them.
    #[must_use]
    pub fn new(users: Users) -> Self {
        Self { users, known: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// The language of somebody. A message in the wrong language is better than none, so if it
    /// cannot be looked up it is Korean.
    pub async fn of(&self, player: PlayerId) -> Language {
        if let Some(language) = self.remembered(player) {
            return language;
        }
        let Ok(language) = self.users.language(player).await else { return Language::Korean };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(player, (language, Instant::now()));
        language
    }

    /// Somebody has chosen another: this node knows it at once.
    pub fn forget(&self, player: PlayerId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).pop(&player);
    }

    fn remembered(&self, player: PlayerId) -> Option<Language> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (language, since) = known.get(&player).copied()?;
        (since.elapsed() < REMEMBERED_FOR).then_some(language)
    }
}
