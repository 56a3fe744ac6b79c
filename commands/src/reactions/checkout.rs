//! Checkout's second pair of hands: purchases that nobody is finishing any more.
//!
//! Whoever accepts a purchase also finishes it. This reaction follows the log for those that were
//! left: a crash, a provider that did not answer. It settles them with the provider, who decides
//! whether the money was taken, and writes that end. Settling is idempotent on both sides, so it does
//! no harm if the first pair of hands is still at it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use domain::account::AccountEvent;
use domain::event::ClubEvent;
use domain::id::ReceiptCode;
use domain::stored::{DecodeError, Place, Recorded};

use crate::Commands;
use crate::bus::Unavailable;
use crate::context::Caller;
use crate::payments::CardToken;
use crate::shop::{UnderWay, under_way};

/// See the module.
pub struct Checkout {
    commands: Commands,
    /// How long a purchase is left to whoever accepted it.
    grace: TimeDelta,
    /// Purchases under way, with the place before their request: disposable, rebuilt by reading on
    /// from [`Self::place`].
    open: BTreeMap<ReceiptCode, (Place, UnderWay)>,
    seen: Place,
}

impl Checkout {
    /// The stored name of the reaction.
    pub const NAME: &'static str = "checkout";

    /// Starts at a place that an earlier one has given.
    #[must_use]
    pub fn new(commands: Commands, grace: Duration, place: Place) -> Self {
        let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
        Self { commands, grace, open: BTreeMap::new(), seen: place }
    }

    /// Takes note of what happened.
    ///
    /// # Errors
    /// If an event cannot be read.
    pub fn note(&mut self, events: &[Recorded]) -> Result<(), DecodeError> {
        for recorded in events {
            if let ClubEvent::Account(player, event) = ClubEvent::decode(recorded)? {
                self.note_account(player, recorded, &event);
            }
            self.seen = recorded.place;
        }
        Ok(())
    }

    fn note_account(
        &mut self,
        player: domain::id::PlayerId,
        recorded: &Recorded,
        event: &AccountEvent,
    ) {
        match event {
            AccountEvent::PurchaseRequested { receipt_code, .. } => {
                if let Some(purchase) = under_way(player, recorded, event) {
                    self.open.insert(*receipt_code, (self.seen, purchase));
                }
            }
            AccountEvent::PurchaseCompleted { receipt_code, .. }
            | AccountEvent::PurchaseFailed { receipt_code, .. }
            | AccountEvent::PurchaseVoided { receipt_code, .. } => {
                self.open.remove(receipt_code);
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. } => {}
        }
    }

    /// Where a later one must start to know all that this one knows: before the oldest purchase that
    /// is still under way.
    #[must_use]
    pub fn place(&self) -> Place {
        let oldest =
            self.open.values().map(|(before, _)| *before).min_by_key(|place| place.position);
        oldest.unwrap_or(self.seen)
    }

    /// Finishes what was left. What cannot be finished now stays for the next time.
    pub async fn finish_overdue(&mut self) {
        let now = self.commands.clock.now();
        let overdue = |purchase: &UnderWay| now - purchase.requested_at >= self.grace;
        let overdue: Vec<UnderWay> = self
            .open
            .values()
            .map(|(_, open)| open)
            .filter(|open| overdue(open))
            .cloned()
            .collect();
        for purchase in overdue {
            match self.finish(&purchase).await {
                Ok(()) => {
                    self.open.remove(&purchase.receipt_code);
                }
                Err(Unavailable) => {
                    tracing::warn!(receipt = %purchase.receipt_code, "a purchase stays unfinished for now");
                }
            }
        }
    }

    async fn finish(&self, purchase: &UnderWay) -> Result<(), Unavailable> {
        let charge = purchase.charge(CardToken::default());
        let outcome = self.commands.provider.settle(&charge).await.map_err(|error| {
            tracing::warn!(%error, "the provider cannot settle a charge");
            Unavailable
        })?;
        let caller = Caller {
            cause: Some(format!("{}/{}", Self::NAME, purchase.receipt_code)),
            ..Caller::system(Self::NAME)
        };
        let ended = self.commands.end_purchase(&caller, purchase, outcome).await;
        ended.map(drop).map_err(|_| Unavailable)
    }
}
