//! What screens are told about their player's standing.

use domain::id::PlayerId;
use domain::identity::IdentityEvent;
use serde::Serialize;

use super::{Data, Told};
use crate::routes::rank_name;

/// What has changed: what has not, the message does not say. Names and addresses are personal: that they have
/// changed is told, what they are now is read.
#[derive(Debug, Serialize)]
pub(super) struct ProfileData {
    user_id: PlayerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<&'static str>,
}

/// The message about a profile or rank. Bans and ended sessions end the feed itself.
pub(super) fn about(user_id: PlayerId, event: &IdentityEvent) -> Vec<Told> {
    let rank = match event {
        IdentityEvent::RankChanged { rank, .. } => Some(rank_name(*rank)),
        IdentityEvent::ProfileChanged { .. } | IdentityEvent::DetailsEdited { .. } => None,
        IdentityEvent::RoleGiven { .. }
        | IdentityEvent::Banned { .. }
        | IdentityEvent::Unbanned { .. }
        | IdentityEvent::SessionsEnded { .. }
        | IdentityEvent::SessionEnded { .. }
        | IdentityEvent::TotpEnrolled { .. }
        | IdentityEvent::TotpRemoved { .. }
        | IdentityEvent::MailSuppressed { .. }
        | IdentityEvent::MailAllowed { .. }
        | IdentityEvent::NoteAdded { .. }
        | IdentityEvent::NoteRemoved { .. }
        | IdentityEvent::Erased { .. }
        | IdentityEvent::ErasureCompleted { .. } => return vec![],
    };
    vec![("profile_update", Data::Profile(ProfileData { user_id, rank }))]
}
