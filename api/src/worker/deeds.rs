//! The deeds reaction on the followers' engine.

use commands::Commands;
use commands::reactions::deeds;
use domain::stored::Recorded;
use projections::follower::{FollowerError, Reaction};

/// See the module.
pub(super) struct Deeds(pub(super) Commands);

impl Reaction for Deeds {
    const NAME: &'static str = deeds::NAME;

    async fn handle(&mut self, events: &[&Recorded]) -> Result<(), FollowerError> {
        deeds::follow(&self.0, events).await.map_err(FollowerError::handler)
    }
}
