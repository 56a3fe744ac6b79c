//! What can be bought and joined, folded from the log for the channels that show it.

use std::collections::HashMap;

use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{LiveEventId, PackageCode, ProductId};
use domain::live_event::LiveEvent;
use domain::package::Package;
use domain::product::Product;

use super::channel::Channel;
use super::messages;
use super::topic::Change;

/// The families of streams that it is folded from.
pub const FAMILIES: [&str; 3] = [Product::TYPE, Package::TYPE, LiveEvent::TYPE];

/// See the module.
#[derive(Debug, Default)]
pub struct Showcase {
    products: HashMap<ProductId, Product>,
    packages: HashMap<PackageCode, Package>,
    events: HashMap<LiveEventId, LiveEvent>,
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

    /// An event that can be seen.
    pub fn event(&self, id: LiveEventId) -> Option<&LiveEvent> {
        self.events.get(&id).filter(|event| messages::is_seen(event))
    }
}
