//! What can be bought and joined, and what the club tells everybody, folded from the log for the channels that show it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate;
use domain::announcement::{Announcement, AnnouncementEvent, Announcements};
use domain::event::ClubEvent;
use domain::id::{AnnouncementId, LiveEventId, PackageCode, ProductId};
use domain::live_event::LiveEvent;
use domain::package::Package;
use domain::product::Product;

use super::channel::Channel;
use super::messages;
use super::topic::Change;

/// The families of streams that it is folded from.
pub const FAMILIES: [&str; 4] =
    [Product::TYPE, Package::TYPE, LiveEvent::TYPE, Announcements::TYPE];

/// See the module.
#[derive(Debug, Default)]
pub struct Showcase {
    products: HashMap<ProductId, Product>,
    packages: HashMap<PackageCode, Package>,
    events: HashMap<LiveEventId, LiveEvent>,
    /// Announcements that end, and have not yet.
    ending: HashMap<AnnouncementId, DateTime<Utc>>,
}

impl Showcase {
    /// Takes an event; answers what it changes on which channel.
    pub fn apply(&mut self, event: &ClubEvent) -> Option<(Channel, Change)> {
        match event {
            ClubEvent::Product(id, event) => {
                let product = self.products.entry(*id).or_default();
                product.evolve(event);
                Some((Channel::Catalog, messages::product(*id, product)?))
            }
            ClubEvent::Package(code, event) => {
                let package = self.packages.entry(*code).or_default();
                package.evolve(event);
                Some((Channel::Catalog, messages::package(*code, package)?))
            }
            ClubEvent::LiveEvent(id, event) => {
                let live_event = self.events.entry(*id).or_default();
                live_event.evolve(event);
                Some((Channel::Events, messages::live_event(*id, live_event)?))
            }
            ClubEvent::Announcement(event) => Some((Channel::System, self.announced(event))),
            ClubEvent::Account(..)
            | ClubEvent::Activity(..)
            | ClubEvent::Promo(..)
            | ClubEvent::Identity(..)
            | ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Mission(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Invite(..) => None,
        }
    }

    fn announced(&mut self, event: &AnnouncementEvent) -> Change {
        match event {
            AnnouncementEvent::AnnouncementPublished { at, announcement_id, notice } => {
                let ends_at = notice.ends_at.map(|end| (*announcement_id, end));
                self.ending.extend(ends_at);
                let announcement = Announcement { published_at: *at, notice: notice.clone() };
                messages::announcement(*announcement_id, &announcement)
            }
            AnnouncementEvent::AnnouncementWithdrawn { announcement_id, .. } => {
                self.ending.remove(announcement_id);
                messages::announcement_over(*announcement_id)
            }
        }
    }

    /// Announcements whose end has come, each once.
    pub fn ended(&mut self, now: DateTime<Utc>) -> Vec<Change> {
        let ended = self.ending.extract_if(|_, end| *end <= now);
        ended.map(|(id, _)| messages::announcement_over(id)).collect()
    }

    /// An event that can be seen.
    pub fn event(&self, id: LiveEventId) -> Option<&LiveEvent> {
        self.events.get(&id).filter(|event| messages::is_seen(event))
    }
}
