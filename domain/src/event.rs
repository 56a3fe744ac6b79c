//! Every event of the club, by family, and what is said about each (metadata).

use std::fmt;

use serde::Serialize;

use crate::account::{Account, AccountEvent};
use crate::activity::{Activity, ActivityEvent};
use crate::aggregate::Aggregate;
use crate::announcement::{AnnouncementEvent, Announcements, TheClub};
use crate::approval::{Approval, ApprovalEvent};
use crate::audit::{Audit, AuditEvent};
use crate::campaign::{Campaign, CampaignEvent};
use crate::encoding;
use crate::id::{
    ApprovalId, CampaignId, InviteCode, JobId, LiveEventId, PackageCode, PlayerId, ProductId,
    PromoCode, RoleCode,
};
use crate::identity::{Identity, IdentityEvent};
use crate::invite::{Invite, InviteEvent};
use crate::job::{Job, JobEvent};
use crate::live_event::{LiveEvent, LiveEventEvent};
use crate::mission::{MissionBoard, MissionEvent, TheBoard};
use crate::package::{Package, PackageEvent};
use crate::product::{Product, ProductEvent};
use crate::promo::{Promo, PromoEvent};
use crate::role::{Role, RoleEvent};
use crate::stored::{self, DecodeError, Recorded};

/// An event with the id of its stream, whatever its family: what followers match on.
#[derive(Debug, Clone, PartialEq)]
pub enum ClubEvent {
    /// Of a player's account.
    Account(PlayerId, AccountEvent),
    /// Of a product.
    Product(ProductId, ProductEvent),
    /// Of a limited package.
    Package(PackageCode, PackageEvent),
    /// Of a promotion.
    Promo(PromoCode, PromoEvent),
    /// Of somebody's standing.
    Identity(PlayerId, IdentityEvent),
    /// Of a role of the club's own.
    Role(RoleCode, RoleEvent),
    /// What one of the staff was refused or looked at.
    Audit(PlayerId, AuditEvent),
    /// Of what a player does.
    Activity(PlayerId, ActivityEvent),
    /// Of the board of missions.
    Mission(MissionEvent),
    /// Of an event that players join.
    LiveEvent(LiveEventId, LiveEventEvent),
    /// Of an invite.
    Invite(InviteCode, InviteEvent),
    /// Of a request for what takes two members of the staff.
    Approval(ApprovalId, ApprovalEvent),
    /// Of work on very many accounts.
    Job(JobId, JobEvent),
    /// Of a mail campaign.
    Campaign(CampaignId, CampaignEvent),
    /// Of what the club tells everybody.
    Announcement(AnnouncementEvent),
}

impl ClubEvent {
    /// Reads a recorded event at its current version.
    ///
    /// # Errors
    /// An unknown family or a payload that does not fit: the log is newer than this program, or
    /// was written by another.
    pub fn decode(recorded: &Recorded) -> Result<Self, DecodeError> {
        let id = &recorded.event.aggregate_id;
        let event = &recorded.event;
        match event.aggregate_type.as_ref() {
            Account::TYPE => Ok(Self::Account(stored::decode_id(id)?, event.decode()?)),
            Product::TYPE => Ok(Self::Product(stored::decode_id(id)?, event.decode()?)),
            Package::TYPE => Ok(Self::Package(stored::decode_id(id)?, event.decode()?)),
            Promo::TYPE => Ok(Self::Promo(stored::decode_id(id)?, event.decode()?)),
            Identity::TYPE => Ok(Self::Identity(stored::decode_id(id)?, event.decode()?)),
            Audit::TYPE => Ok(Self::Audit(stored::decode_id(id)?, event.decode()?)),
            Role::TYPE => Ok(Self::Role(stored::decode_id(id)?, event.decode()?)),
            Activity::TYPE => Ok(Self::Activity(stored::decode_id(id)?, event.decode()?)),
            LiveEvent::TYPE => Ok(Self::LiveEvent(stored::decode_id(id)?, event.decode()?)),
            Invite::TYPE => Ok(Self::Invite(stored::decode_id(id)?, event.decode()?)),
            Approval::TYPE => Ok(Self::Approval(stored::decode_id(id)?, event.decode()?)),
            Job::TYPE => Ok(Self::Job(stored::decode_id(id)?, event.decode()?)),
            Campaign::TYPE => Ok(Self::Campaign(stored::decode_id(id)?, event.decode()?)),
            Announcements::TYPE => {
                stored::decode_id::<TheClub>(id)?;
                Ok(Self::Announcement(event.decode()?))
            }
            MissionBoard::TYPE => {
                stored::decode_id::<TheBoard>(id)?;
                Ok(Self::Mission(event.decode()?))
            }
            other => Err(DecodeError::UnknownFamily(other.to_owned())),
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A player, on the own account.
    Player(PlayerId),
    /// A member of staff.
    Admin(PlayerId),
    /// The club itself: a reaction, the seed.
    System(&'static str),
    /// A program outside, such as a game server.
    Service(String),
}

impl Actor {
    /// The stored name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Player(_) => "player",
            Self::Admin(_) => "admin",
            Self::System(_) => "system",
            Self::Service(_) => "service",
        }
    }

    /// Which one of its kind.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Player(id) | Self::Admin(id) => id.to_string(),
            Self::System(name) => (*name).to_owned(),
            Self::Service(name) => name.clone(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}

/// What is said about an event, apart from what happened. Stored as flat text to text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Who did it.
    pub actor: Actor,
    /// The player whom it concerns, where one is concerned.
    pub player: Option<PlayerId>,
    /// The request that asked for it.
    pub request: Option<String>,
    /// The place in the log that caused it, for reactions.
    pub cause: Option<String>,
    /// The trace it belongs to.
    pub trace: Option<String>,
}

/// The stored form, keys in order.
#[derive(Serialize)]
struct Texts<'a> {
    actor_id: String,
    actor_kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    player: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
}

impl Metadata {
    /// The stored form: a JSON object of texts, keys in order.
    #[must_use]
    pub fn to_json(&self) -> String {
        let texts = Texts {
            actor_id: self.actor.id(),
            actor_kind: self.actor.kind(),
            cause: self.cause.as_deref(),
            player: self.player.map(|id| id.to_string()),
            request: self.request.as_deref(),
            trace: self.trace.as_deref(),
        };
        // Texts always have a JSON form.
        encoding::to_json(&texts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_flat_text_in_a_fixed_order() {
        let metadata = Metadata {
            actor: Actor::Admin(PlayerId(24)),
            player: Some(PlayerId(23)),
            request: Some("r\"1".into()),
            cause: None,
            trace: None,
        };
        let expected = r#"{"actor_id":"24","actor_kind":"admin","player":"23","request":"r\"1"}"#;
        assert_eq!(metadata.to_json(), expected);
    }
}
