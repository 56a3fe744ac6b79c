//! Buying for real money: from the request to its one end.

use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal, PurchaseRules};
use domain::id::{CardPrint, PlayerId, PromoCode};
use domain::identity::Identity;
use domain::money::Quantity;
use domain::offer::{Offer, Rank, Ware};
use domain::package::{Package, PackageCommand};
use domain::product::{Product, ProductRefusal};
use domain::promo::{Promo, PromoCommand};
use domain::stored::Recorded;
use serde::Serialize;
use std::time::Duration;

use super::{Purchase, PurchaseOutcome, ShopRefusal, UnderWay, under_way};
use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request};
use crate::codes::Pair;
use crate::context::Caller;
use crate::payments::CardToken;
use crate::world::{Decline, Missing, World};

/// A player's wish to buy.
#[derive(Debug, Clone, Serialize)]
pub struct Buy {
    /// Who buys.
    pub player: PlayerId,
    /// What.
    pub ware: Ware,
    /// The catalogue name it was asked for by, if it was: the product must bear it when it is sold,
    /// whatever a read model said.
    pub sku: Option<String>,
    /// How many.
    pub quantity: Quantity,
    /// A promotion that shall count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promo: Option<PromoCode>,
    /// How the player pays, as the player named it.
    pub payment_method: Option<String>,
    /// The card; not part of the request's fingerprint.
    #[serde(skip)]
    pub card: CardToken,
}

/// How long a repeated request waits for the first one's end before it answers "pending".
const REPEAT_PATIENCE: Duration = Duration::from_secs(5);

/// What the first append wrote.
enum Begun {
    UnderWay(Box<UnderWay>),
    Blocked(AccountRefusal),
}

impl Commands {
    /// Buys: requests, charges, and completes or fails. Once asked for it goes on by itself, also if
    /// the caller leaves; what a crash leaves over is finished by the checkout reaction.
    ///
    /// # Errors
    /// If product, package, promotion or account refuse; then nothing was charged.
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
        let card = buy.card.reveal().map(|token| self.fingerprints.card(token));
        let asking = Asking {
            at: self.clock.now(),
            codes: self.codes.next().await?,
            rules: self.policy.rules,
            card,
            buy,
        };
        let (player, token) = (asking.buy.player, asking.buy.card.clone());
        let requested = self.bus.execute(request, move |world| asking.decide(world)).await?;
        let Answer { body: begun, position, replayed } = begun(&requested, player)?;
        let purchase = match begun {
            Begun::UnderWay(purchase) => purchase,
            Begun::Blocked(refusal) => {
                return Err(Failure::Refused { refusal: refusal.into(), place: requested.place });
            }
        };
        let ended = if replayed {
            self.asked_again(&purchase, position).await?
        } else {
            self.check_out(&caller.without_key(), &purchase, &token).await?
        };
        if ended.body.outcome == PurchaseOutcome::Pending {
            self.pending.remember(&purchase);
        }
        Ok(Answer { position: ended.position.max(position), replayed, body: ended.body })
    }

    async fn check_out(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        card: &CardToken,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        let ended = match self.provider.charge(&purchase.charge(), card).await {
            Ok(state) => self.settle_open(caller, purchase, state).await,
            Err(error) => Err(self.silent(&error)),
        };
        match ended {
            // It is under way, and nobody may be told that nothing was done: the checkout reaction
            // settles it with the provider.
            Err(
                Failure::Refused { refusal: ShopRefusal::ProviderSilent, .. }
                | Failure::Overloaded { .. },
            ) => {
                let pending = purchase.pending(self.bus.head().position);
                Ok(self.find_end(purchase).await?.unwrap_or(pending))
            }
            ended => ended,
        }
    }

    /// A repeat: its first time, requested at this position, may be under way, here or elsewhere.
    async fn asked_again(
        &self,
        purchase: &UnderWay,
        requested_at: u64,
    ) -> Result<Answer<Purchase>, Failure<ShopRefusal>> {
        // This node may not have heard of the request yet: to it, nothing would be open.
        self.bus.reach(requested_at, REPEAT_PATIENCE).await;
        self.await_end(purchase).await;
        let pending = purchase.pending(self.bus.head().position);
        Ok(self.find_end(purchase).await?.unwrap_or(pending))
    }

    /// Waits until a purchase has ended or its provider has had its time, within bounds.
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

/// A wish with all that its decision needs.
struct Asking {
    at: chrono::DateTime<chrono::Utc>,
    codes: Pair,
    rules: PurchaseRules,
    card: Option<CardPrint>,
    buy: Buy,
}

type Declined = Decline<ShopRefusal>;

impl Asking {
    /// The account's request, the package's reservation and the promotion's use: together or not at
    /// all.
    fn decide(&self, world: &mut World<'_>) -> Result<(), Declined> {
        let (at, receipt_code, player) = (self.at, self.codes.receipt_code, self.buy.player);
        let offer = self.offer(world)?;
        let account = world.read::<Account>(player)?;
        if let Some((rule, until)) = account.broken_rule(&self.rules, self.card, at) {
            let block = AccountCommand::BlockPurchases { at, rule, until };
            return world.decide::<Account>(player, &block).map_err(Decline::widen);
        }
        let (holds_stock, promo, quantity) = (offer.holds_stock, offer.promo, offer.quantity);
        let request = AccountCommand::RequestPurchase {
            at,
            receipt_code,
            charge_id: self.codes.charge_id,
            payment_method: self.buy.payment_method.clone(),
            card: self.card,
            rank: rank_for(&offer, world, player)?,
            offer,
            rules: self.rules,
        };
        world.decide::<Account>(player, &request).map_err(Decline::widen)?;
        if let (true, Ware::Package(code)) = (holds_stock, self.buy.ware) {
            let reserve = PackageCommand::Reserve { at, receipt_code, quantity };
            world.decide::<Package>(code, &reserve).map_err(Decline::widen)?;
        }
        if let Some(promo) = promo.filter(|promo| promo.holds_use) {
            let hold = PromoCommand::Hold { at, receipt_code };
            world.decide::<Promo>(promo.code, &hold).map_err(Decline::widen)?;
        }
        Ok(())
    }

    fn offer(&self, world: &mut World<'_>) -> Result<Offer, Declined> {
        let Buy { ware, quantity, .. } = self.buy;
        let offer = match ware {
            Ware::Product(id) => {
                let offer = world.read::<Product>(id)?.offer(id, quantity, self.at);
                let offer = offer.map_err(refused)?;
                let is_asked_for = self.buy.sku.as_ref().is_none_or(|sku| *sku == offer.sku);
                if !is_asked_for {
                    return Err(refused(ProductRefusal::NotFound));
                }
                offer
            }
            Ware::Package(code) => {
                let offer = world.read::<Package>(code)?.offer(code, quantity, self.at);
                offer.map_err(refused)?
            }
        };
        match self.buy.promo {
            Some(promo) => {
                world.read::<Promo>(promo)?.apply(promo, offer, self.at).map_err(refused)
            }
            None => Ok(offer),
        }
    }
}

/// The buyer's rank, looked up only where it matters.
fn rank_for(offer: &Offer, world: &mut World<'_>, player: PlayerId) -> Result<Rank, Missing> {
    if offer.min_rank == Rank::Standard {
        return Ok(Rank::Standard);
    }
    Ok(world.read::<Identity>(player)?.rank())
}

fn refused(refusal: impl Into<ShopRefusal>) -> Declined {
    Decline::Refused(refusal.into())
}

fn begun(requested: &Committed, player: PlayerId) -> Result<Answer<Begun>, Failure<ShopRefusal>> {
    requested.answer_at(|recorded: &Recorded, event: &AccountEvent| match event {
        AccountEvent::PurchasesBlocked { rule, until, .. } => {
            let (rule, until) = (*rule, *until);
            Some(Begun::Blocked(AccountRefusal::PurchasesBlocked { rule, until }))
        }
        event => under_way(player, recorded, event).map(|begun| Begun::UnderWay(Box::new(begun))),
    })
}
