//! Bringing the log in line with the provider: the one place where what happened there becomes what
//! is written here, whoever noticed it, in whatever order, and however often.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountRefusal, FailureReason, Sale, VoidReason};
use domain::money::{Cents, Gold, Wallet};
use domain::offer::Ware;
use domain::package::{Package, PackageCommand};
use domain::promo::{Promo, PromoCommand};

use super::{Purchase, PurchaseOutcome, ShopRefusal, UnderWay};
use crate::Commands;
use crate::bus::{Answer, Failure, Request};
use crate::context::Caller;
use crate::payments::{ChargeState, ProviderError, Refund, RefundState};
use crate::world::{Decline, World};

/// A purchase in line with the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// How it ended, if it has.
    pub purchase: Purchase,
    /// What has been given back, by the provider or the bank.
    pub refunded: Cents,
    /// The player's wallet now.
    pub wallet: Wallet,
}

/// What the staff wants a purchase to end as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// Paid: the provider is made to take the money.
    Success,
    /// Not paid: the provider is made to give it up.
    Failed,
}

/// The one end of a purchase, as it will be written.
#[derive(Debug, Clone, Copy)]
enum End {
    Completed,
    Failed(FailureReason),
    Voided(VoidReason),
}

/// How long a node may take to hear of what it has read in the log.
const REACH: Duration = Duration::from_secs(5);

type Ended = Result<Answer<Purchase>, Failure<ShopRefusal>>;

impl Commands {
    /// Asks the provider how a purchase stands and brings the log in line with it: completes, fails
    /// or voids it, takes back the gold of what was refunded or charged back, finishes a refund that
    /// a crash left, and gives back money that was taken too late. Doing it again does nothing.
    ///
    /// # Errors
    /// `ProviderSilent` if the provider does not answer; else if the log cannot be reached.
    pub async fn settle(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
    ) -> Result<Answer<Settled>, Failure<ShopRefusal>> {
        // A task of its own: whoever hangs up in the middle leaves nothing half done.
        let (commands, caller, purchase) = (self.clone(), caller.without_key(), purchase.clone());
        let settling = async move {
            let charge = purchase.charge();
            let state = commands.provider.status(&charge).await;
            let state = state.map_err(|error| commands.silent(&error))?;
            let ended = match commands.ended(&purchase).await? {
                None => commands.settle_open(&caller, &purchase, state).await?,
                Some(ended) => ended,
            };
            commands.settle_ended(&caller, &purchase, &ended.body, state).await?;
            commands.settled(&purchase, ended).await
        };
        tokio::spawn(settling).await.unwrap_or(Err(Failure::Unavailable))
    }

    /// Makes a purchase end as the staff wants, at the provider first: what the provider says then
    /// is what is written.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub async fn force(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        wanted: Forced,
        reason: String,
    ) -> Result<Answer<Settled>, Failure<ShopRefusal>> {
        let (commands, caller, purchase) = (self.clone(), caller.clone(), purchase.clone());
        let forcing = async move {
            let charge = purchase.charge();
            let state = match wanted {
                // As if the provider did what it is asked for.
                Forced::Success if caller.is_dry_run => {
                    Ok(ChargeState::Captured { refunded: Cents(0), charged_back: false })
                }
                Forced::Failed if caller.is_dry_run => Ok(ChargeState::Voided),
                Forced::Success => commands.provider.capture(&charge).await,
                Forced::Failed => commands.provider.void(&charge).await,
            };
            let state = state.map_err(|error| commands.silent(&error))?;
            let fingerprint =
                commands.fingerprints.fingerprint("force", &(purchase.receipt_code, wanted));
            let request = Request::new(&caller, Some(purchase.player));
            let request = request.keyed(fingerprint).with_text(reason);
            let ended = match end_for(state, VoidReason::GivenUpByStaff) {
                Some(end) => commands.end(&caller, request, &purchase, end).await?,
                None => purchase.pending(commands.bus.head().position),
            };
            commands.settle_ended(&caller.without_key(), &purchase, &ended.body, state).await?;
            commands.settled(&purchase, ended).await
        };
        tokio::spawn(forcing).await.unwrap_or(Err(Failure::Unavailable))
    }

    /// What the provider says of a purchase that has not ended becomes its end; unless it is still
    /// undecided and has time.
    pub(super) async fn settle_open(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        state: ChargeState,
    ) -> Ended {
        let now = self.clock.now();
        let deadline = purchase.deadline(&self.policy);
        let (is_late, reason) = match state {
            // It never reached the provider, and whoever accepted it has gone.
            ChargeState::Unknown => {
                (now >= purchase.requested_at + self.policy.grace, VoidReason::Abandoned)
            }
            _ if now >= deadline => (true, VoidReason::TimedOut),
            _ => (false, VoidReason::Abandoned),
        };
        let state = match state {
            ChargeState::Unknown | ChargeState::Pending if is_late => {
                let voided = self.provider.void(&purchase.charge()).await;
                voided.map_err(|error| self.silent(&error))?
            }
            state => state,
        };
        match end_for(state, reason) {
            Some(end) => {
                let request = Request::new(caller, Some(purchase.player));
                self.end(caller, request, purchase, end).await
            }
            None => Ok(purchase.pending(self.bus.head().position)),
        }
    }

    /// Writes how a purchase ended, and what becomes of what was held for it. If it has ended before,
    /// that end stands; and if money was taken although it ended otherwise, the money goes back.
    async fn end(&self, caller: &Caller, request: Request, purchase: &UnderWay, end: End) -> Ended {
        let ending = Ending { at: self.clock.now(), end, purchase: purchase.clone() };
        match self.bus.execute(request, move |world| ending.decide(world)).await {
            Ok(committed) => committed.answer(|event| purchase.ended_by(event)),
            Err(Failure::Refused {
                refusal: ShopRefusal::Account(AccountRefusal::PurchaseNotOpen),
                ..
            }) => {
                let ended = self.find_end(purchase).await?.ok_or(Failure::Unavailable)?;
                if matches!(end, End::Completed) {
                    let caller = caller.without_key();
                    let state = ChargeState::CAPTURED;
                    self.settle_ended(&caller, purchase, &ended.body, state).await?;
                }
                Ok(ended)
            }
            Err(failure) => Err(failure),
        }
    }

    /// What the provider says of a purchase that has ended.
    async fn settle_ended(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        ended: &Purchase,
        state: ChargeState,
    ) -> Result<(), Failure<ShopRefusal>> {
        let ChargeState::Captured { refunded, charged_back } = state else { return Ok(()) };
        match ended.outcome {
            PurchaseOutcome::Completed { at, gold, .. } => {
                let sale = sale(purchase, at, gold);
                self.finish_refund(caller, purchase, &sale).await?;
                if charged_back {
                    // Both at once: what the provider gave back is not the bank's.
                    let (at, refunded_cents) = (self.clock.now(), refunded);
                    let command = AccountCommand::RecordChargeback { at, sale, refunded_cents };
                    self.tell_account(caller, purchase, command).await
                } else if refunded > Cents(0) {
                    self.record_refund(caller, purchase, &sale, None, refunded).await
                } else {
                    Ok(())
                }
            }
            PurchaseOutcome::Failed(_) | PurchaseOutcome::Voided(_) => {
                let taken = if charged_back { Cents(0) } else { purchase.total().minus(refunded) };
                self.give_back(caller, purchase, taken).await
            }
            PurchaseOutcome::Pending => Ok(()),
        }
    }

    /// Money was taken for a purchase that had ended without: it goes back, and that is recorded.
    async fn give_back(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        taken: Cents,
    ) -> Result<(), Failure<ShopRefusal>> {
        if taken > Cents(0) {
            // If the provider has given back some of it by itself meanwhile, this is another refund.
            let id = format!("{}-late-{}", purchase.receipt_code, taken.0);
            let refund = Refund { id, amount: taken };
            let given = self.provider.refund(&purchase.charge(), &refund).await;
            if given.map_err(|error| self.silent(&error))? == RefundState::Refused {
                tracing::error!(
                    receipt = %purchase.receipt_code,
                    "money that was taken too late is not given back: settle it by hand"
                );
                return Ok(());
            }
        }
        let (at, receipt_code) = (self.clock.now(), purchase.receipt_code);
        let amount_cents = purchase.total();
        let command = AccountCommand::RecordLateCapture { at, receipt_code, amount_cents };
        self.tell_account(caller, purchase, command).await
    }

    pub(super) async fn tell_account(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        command: AccountCommand,
    ) -> Result<(), Failure<ShopRefusal>> {
        let player = purchase.player;
        let request = Request::new(caller, Some(player));
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        let told = self.bus.execute(request, decide).await;
        told.map(drop).map_err(Failure::widen)
    }

    async fn settled(
        &self,
        purchase: &UnderWay,
        ended: Answer<Purchase>,
    ) -> Result<Answer<Settled>, Failure<ShopRefusal>> {
        let outcome = ended.body.outcome;
        let look = |account: &Account| {
            let refunded = match outcome {
                PurchaseOutcome::Completed { at, gold, .. } => {
                    account.refunded(&sale(purchase, at, gold))
                }
                _ => Cents(0),
            };
            (refunded, account.wallet())
        };
        // Another node may have written the end: the wallet must be as new.
        if !self.bus.reach(ended.position, REACH).await {
            return Err(Failure::Unavailable);
        }
        let ((refunded, wallet), place) =
            self.bus.look::<Account, _>(purchase.player, look).await?;
        let body = Settled { purchase: ended.body, refunded, wallet };
        let position = ended.position.max(place.position);
        Ok(Answer { body, position, replayed: ended.replayed })
    }

    /// The provider did not answer; what it would have said is learnt later.
    pub(super) fn silent(&self, error: &ProviderError) -> Failure<ShopRefusal> {
        tracing::warn!(%error, "the provider cannot be asked about a purchase");
        let (refusal, place) = (ShopRefusal::ProviderSilent, self.bus.head());
        Failure::Refused { refusal, place }
    }
}

/// The facts of a completed purchase.
pub(super) fn sale(purchase: &UnderWay, completed_at: DateTime<Utc>, gold: u64) -> Sale {
    Sale {
        receipt_code: purchase.receipt_code,
        total_cents: purchase.total(),
        gold: Gold::new(gold).unwrap_or(purchase.offer.gold),
        completed_at,
    }
}

/// The end that follows from what the provider says; none while it is undecided.
fn end_for(state: ChargeState, reason: VoidReason) -> Option<End> {
    match state {
        ChargeState::Captured { .. } => Some(End::Completed),
        ChargeState::Declined(reason) => Some(End::Failed(reason)),
        ChargeState::Voided => Some(End::Voided(reason)),
        ChargeState::Pending | ChargeState::Unknown => None,
    }
}

/// An end with all that its decision needs.
struct Ending {
    at: DateTime<Utc>,
    end: End,
    purchase: UnderWay,
}

impl Ending {
    /// The account's end and what becomes of stock and promotion: together or not at all.
    fn decide(&self, world: &mut World<'_>) -> Result<(), Decline<ShopRefusal>> {
        let (at, receipt_code) = (self.at, self.purchase.receipt_code);
        let command = match self.end {
            End::Completed => AccountCommand::CompletePurchase { at, receipt_code },
            End::Failed(reason) => AccountCommand::FailPurchase { at, receipt_code, reason },
            End::Voided(reason) => AccountCommand::VoidPurchase { at, receipt_code, reason },
        };
        world.decide::<Account>(self.purchase.player, &command).map_err(Decline::widen)?;
        let offer = &self.purchase.offer;
        let is_paid = matches!(self.end, End::Completed);
        if let (true, Ware::Package(code)) = (offer.holds_stock, offer.ware) {
            let command = match is_paid {
                true => PackageCommand::Confirm { at, receipt_code },
                false => PackageCommand::Return { at, receipt_code },
            };
            world.decide::<Package>(code, &command).map_err(Decline::widen)?;
        }
        if let Some(promo) = offer.promo.filter(|promo| promo.holds_use) {
            let command = match is_paid {
                true => PromoCommand::Use { at, receipt_code },
                false => PromoCommand::Return { at, receipt_code },
            };
            world.decide::<Promo>(promo.code, &command).map_err(Decline::widen)?;
        }
        Ok(())
    }
}
