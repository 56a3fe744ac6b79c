//! Buying for real money: from the request to its one end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::account::{
    Account, AccountCommand, AccountEvent, AccountRefusal, FailureReason, VoidReason,
};
use domain::aggregate::Aggregate;
use domain::id::{ChargeId, PlayerId, ProductId, ReceiptCode};
use domain::money::{Quantity, Wallet};
use domain::product::{Offer, Product, ProductRefusal, Rank};
use domain::stored::Recorded;
use serde::Serialize;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::payments::{CardToken, Charge, ChargeOutcome};
use crate::world::{Decline, World};

/// A player's wish to buy.
#[derive(Debug, Clone, Serialize)]
pub struct Buy {
    /// Who buys.
    pub player: PlayerId,
    /// What.
    pub product: ProductId,
    /// The catalogue name it was asked for by, if it was: the product must bear it when it is sold,
    /// whatever a read model said.
    pub sku: Option<String>,
    /// How many.
    pub quantity: Quantity,
    /// How the player pays, as the player named it.
    pub payment_method: Option<String>,
    /// The card; not part of the request's fingerprint.
    #[serde(skip)]
    pub card: CardToken,
}

/// Why nothing was bought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShopRefusal {
    /// The product says no.
    #[error(transparent)]
    Product(#[from] ProductRefusal),
    /// The account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
}

/// The answer to buying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The purchase's id.
    pub receipt_code: ReceiptCode,
    /// Its name at the provider.
    pub charge_id: ChargeId,
    /// The terms it was made under.
    pub offer: Offer,
    /// How it ended, if it has.
    pub outcome: PurchaseOutcome,
}

/// Where a purchase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseOutcome {
    /// Paid and credited.
    Completed {
        /// How much gold.
        gold: u64,
        /// The wallet after it.
        wallet: Wallet,
    },
    /// Declined; nothing was charged.
    Failed(FailureReason),
    /// Given up; nothing was charged.
    Voided(VoidReason),
    /// The provider has not answered yet: the purchase goes on by itself.
    Pending,
}

impl Commands {
    /// Buys: requests, charges, and completes or fails. Once asked for it goes on by itself, also if
    /// the caller leaves; what a crash leaves over is finished by the checkout reaction.
    ///
    /// # Errors
    /// If product or account refuse; then nothing was charged.
    pub async fn buy(
        &self,
        caller: &Caller,
        buy: Buy,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        // A task of its own, all of it: whoever hangs up between request and charge would leave a
        // purchase that nobody finishes.
        let through = self.clone().buy_through(caller.clone(), buy);
        tokio::spawn(through).await.unwrap_or(Err(Failure::Unavailable))
    }

    async fn buy_through(
        self,
        caller: Caller,
        buy: Buy,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("buy", &buy);
        let request = Request::new(&caller, Some(buy.player)).keyed(fingerprint);
        let codes = self.codes.next().await?;
        let at = self.clock.now();
        let (player, product, quantity) = (buy.player, buy.product, buy.quantity);
        let (sku, payment_method) = (buy.sku, buy.payment_method);
        let decide = move |world: &mut World<'_>| {
            let offer = world.read::<Product>(product)?.offer(product, quantity, at);
            let is_asked_for = |offer: &Offer| sku.as_ref().is_none_or(|sku| *sku == offer.sku);
            let offer = offer.and_then(|offer| {
                if is_asked_for(&offer) { Ok(offer) } else { Err(ProductRefusal::NotFound) }
            });
            let command = AccountCommand::RequestPurchase {
                at,
                receipt_code: codes.receipt_code,
                charge_id: codes.charge_id,
                payment_method: payment_method.clone(),
                offer: offer.map_err(|refusal| Decline::Refused(refusal.into()))?,
                rank: Rank::Standard,
            };
            world.decide::<Account>(player, &command).map_err(Decline::widen)
        };
        let requested = self.bus.execute(request, decide).await?;
        let answer = requested.answer_at(|recorded, event| under_way(player, recorded, event))?;
        let Answer { body: purchase, position, replayed } = answer;
        let ended = self.check_out(caller.without_key(), purchase, buy.card, replayed).await?;
        Ok(Answer { position: ended.position.max(position), replayed, body: ended.body })
    }

    async fn check_out(
        &self,
        caller: Caller,
        purchase: UnderWay,
        card: CardToken,
        replayed: bool,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        if replayed {
            // Its first time may be under way, here or elsewhere: give it a moment.
            self.await_end(&purchase).await;
            let pending = purchase.clone().pending(self.bus.head().position);
            return Ok(self.find_end(&purchase).await?.unwrap_or(pending));
        }
        match self.provider.charge(purchase.charge(card)).await {
            Ok(outcome) => self.end_purchase(&caller, &purchase, outcome).await,
            Err(error) => {
                // Its fate is unknown: the checkout reaction settles it with the provider.
                tracing::warn!(%error, receipt = %purchase.receipt_code, "a charge is unsettled");
                Ok(purchase.pending(self.bus.head().position))
            }
        }
    }

    /// Writes how a purchase ended at the provider. If it has ended before, that end stands.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn end_purchase(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        outcome: ChargeOutcome,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        let (at, receipt_code) = (self.clock.now(), purchase.receipt_code);
        let command = match outcome {
            ChargeOutcome::Captured => AccountCommand::CompletePurchase { at, receipt_code },
            ChargeOutcome::Declined(reason) => {
                AccountCommand::FailPurchase { at, receipt_code, reason }
            }
            ChargeOutcome::Voided => {
                let reason = VoidReason::Abandoned;
                AccountCommand::VoidPurchase { at, receipt_code, reason }
            }
        };
        let player = purchase.player;
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        match self.bus.execute(Request::new(caller, Some(player)), decide).await {
            Ok(committed) => committed.answer(|event| purchase.ended_by(event)),
            Err(Failure::Refused { refusal: AccountRefusal::PurchaseNotOpen, .. }) => {
                self.find_end(purchase).await?.ok_or(Failure::Unavailable)
            }
            Err(failure) => Err(failure.widen()),
        }
    }

    async fn find_end(
        &self,
        purchase: &UnderWay,
    ) -> Result<Option<Answer<Purchase>>, Failure<ShopRefusal>> {
        let player = purchase.player.to_string();
        let stream = (Account::TYPE, player.as_str(), purchase.sequence);
        let receipt = purchase.receipt_code.to_string();
        let found = self.bus.log().find_in_stream(stream, ENDS, &receipt).await;
        let Some(found) = found.map_err(Unavailable::from)? else { return Ok(None) };
        let place = found.place;
        let ended = Committed { events: vec![found], place, replayed: true };
        ended.answer(|event| purchase.ended_by(event)).map(Some)
    }

    /// Waits until a purchase has ended, within bounds.
    async fn await_end(&self, purchase: &UnderWay) {
        let mut heads = self.bus.heads();
        let receipt = purchase.receipt_code;
        let is_open = |account: &Account| account.open_purchases().any(|open| open == receipt);
        let ended = async {
            while let Ok((true, _)) = self.bus.look::<Account, _>(purchase.player, is_open).await {
                if heads.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever asks learns that it is still pending.
        let _ = tokio::time::timeout(REPEAT_PATIENCE, ended).await;
    }
}

/// How a purchase can end, by stored name.
const ENDS: &[&str] = &["purchase_completed", "purchase_failed", "purchase_voided"];
/// How long a repeated request waits for the first one's end before it answers "pending".
const REPEAT_PATIENCE: Duration = Duration::from_secs(5);

/// A purchase between its request and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Whose.
    pub player: PlayerId,
    /// The purchase's id.
    pub receipt_code: ReceiptCode,
    /// Its name at the provider.
    pub charge_id: ChargeId,
    /// The terms it is made under.
    pub offer: Offer,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// The request's number in the account's stream.
    pub sequence: u64,
}

impl UnderWay {
    /// What the provider is asked for.
    #[must_use]
    pub fn charge(&self, card: CardToken) -> Charge {
        let Offer { total_cents: amount, currency, .. } = self.offer;
        Charge { charge_id: self.charge_id, amount, currency, card }
    }

    fn pending(self, position: u64) -> Answer<Purchase> {
        let body = self.with(PurchaseOutcome::Pending);
        Answer { body, position, replayed: false }
    }

    fn ended_by(&self, event: &AccountEvent) -> Option<Purchase> {
        let outcome = match event {
            AccountEvent::PurchaseCompleted { movement, .. } => {
                PurchaseOutcome::Completed { gold: movement.gold.total(), wallet: movement.balance }
            }
            AccountEvent::PurchaseFailed { reason, .. } => PurchaseOutcome::Failed(*reason),
            AccountEvent::PurchaseVoided { reason, .. } => PurchaseOutcome::Voided(*reason),
            _ => return None,
        };
        Some(self.clone().with(outcome))
    }

    fn with(self, outcome: PurchaseOutcome) -> Purchase {
        let Self { receipt_code, charge_id, offer, .. } = self;
        Purchase { receipt_code, charge_id, offer, outcome }
    }
}

/// The purchase that an event begins, if it begins one.
#[must_use]
pub fn under_way(player: PlayerId, recorded: &Recorded, event: &AccountEvent) -> Option<UnderWay> {
    let AccountEvent::PurchaseRequested { at, receipt_code, charge_id, offer, .. } = event else {
        return None;
    };
    Some(UnderWay {
        player,
        receipt_code: *receipt_code,
        charge_id: *charge_id,
        offer: offer.clone(),
        requested_at: *at,
        sequence: recorded.event.sequence,
    })
}
