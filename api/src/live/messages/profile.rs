//! What screens are told about their player's standing.

use domain::id::PlayerId;
use domain::identity::IdentityEvent;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Data, Says};
use crate::routes::rank_name;

/// What has changed: what has not, the message does not say. Names and addresses are personal: that they have
/// changed is told, what they are now is read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProfileData {
    #[schema(value_type = i64)]
    user_id: PlayerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rank: Option<&'static str>,
}

impl Says for ProfileData {
    const TYPE: &'static str = "profile_update";
}

/// The message about a profile or rank. Bans and ended sessions end the feed itself.
pub(super) fn about(user_id: PlayerId, event: &IdentityEvent) -> Vec<Data> {
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
    vec![Data::Profile(ProfileData { user_id, rank })]
}
