//! What screens are told about their player's standing.

use domain::id::PlayerId;
use domain::identity::IdentityEvent;
use domain::offer::Rank;
use serde::Serialize;

use super::{Data, Told};
use crate::routes::rank_name;

/// What has changed: what has not, the message does not say.
#[derive(Debug, Serialize)]
pub(super) struct ProfileData {
    user_id: PlayerId,
    rank: &'static str,
}

/// The message about another rank. Bans and ended sessions end the feed itself.
pub(super) fn about(user_id: PlayerId, event: &IdentityEvent) -> Vec<Told> {
    match event {
        IdentityEvent::RankChanged { rank, .. } => vec![told(user_id, *rank)],
        IdentityEvent::RoleGiven { .. }
        | IdentityEvent::Banned { .. }
        | IdentityEvent::Unbanned { .. }
        | IdentityEvent::SessionsEnded { .. }
        | IdentityEvent::SessionEnded { .. }
        | IdentityEvent::TotpEnrolled { .. }
        | IdentityEvent::TotpRemoved { .. } => vec![],
    }
}

fn told(user_id: PlayerId, rank: Rank) -> Told {
    ("profile_update", Data::Profile(ProfileData { user_id, rank: rank_name(rank) }))
}
