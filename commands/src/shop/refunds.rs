//! Giving money back: asked for in the log first, then given by the provider, then recorded with the
//! gold that it takes.

use domain::account::{Account, AccountCommand, AccountEvent, Sale};
use domain::aggregate::Aggregate;
use domain::id::{PlayerId, ReceiptCode};
use domain::money::{Cents, Movement, Wallet};
use domain::stored::Recorded;
use serde::Serialize;

use super::settling::sale;
use super::{PurchaseOutcome, ShopRefusal, UnderWay};
use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::payments::{Refund, RefundState};
use crate::world::World;

/// The staff's wish to give money back.
#[derive(Debug, Clone, Serialize)]
pub struct RefundOrder {
    /// Of which purchase.
    pub receipt_code: ReceiptCode,
    /// How much; all that is left, if not given.
    pub amount_cents: Option<Cents>,
    /// Whether unused items that were bought with its gold shall be taken back for what is owed.
    pub take_back_items: bool,
    /// Why; kept beside the log, where it can be erased.
    pub reason: String,
}

/// The answer to a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundAnswer {
    /// What was asked for.
    pub amount_cents: Cents,
    /// How it ended, if it has.
    pub outcome: RefundOutcome,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundOutcome {
    /// Given back.
    Done {
        /// All that has been given back of this purchase.
        refunded_cents: Cents,
        /// Gold that was taken back, without what is owed.
        gold_taken: u64,
        /// Gold that was returned for items taken back, what repaid the debt included.
        gold_returned: u64,
        /// The wallet after it.
        wallet: Wallet,
    },
    /// The provider refused; nothing has moved.
    Refused,
    /// The provider has not answered yet: the refund goes on by itself.
    Pending,
}

/// How a refund can end, by stored name: while it is under way, nothing else is recorded of what was
/// given back.
/// Items that are looked for behind a refund: more than any inventory has.
const MOST_ITEMS: usize = 1_000;
const REFUND_ENDS: &[&str] = &["purchase_refunded", "refund_failed"];

impl Commands {
    /// Gives money back for a completed purchase. Once asked for it goes on by itself.
    ///
    /// # Errors
    /// `NotCompleted`, or if there is not so much left.
    pub async fn refund(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        order: RefundOrder,
    ) -> Result<Answer<RefundAnswer>, Failure<ShopRefusal>> {
        let (commands, caller, purchase) = (self.clone(), caller.clone(), purchase.clone());
        let refunding = async move { commands.refund_through(&caller, &purchase, order).await };
        tokio::spawn(refunding).await.unwrap_or(Err(Failure::Unavailable))
    }

    async fn refund_through(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        order: RefundOrder,
    ) -> Result<Answer<RefundAnswer>, Failure<ShopRefusal>> {
        let sale = self.sale_of(purchase).await?;
        let player = purchase.player;
        let request = Request::new(caller, Some(player))
            .keyed(self.fingerprints.fingerprint("refund", &order))
            .with_text(order.reason);
        let command = AccountCommand::RequestRefund {
            at: self.clock.now(),
            sale,
            amount_cents: order.amount_cents,
            take_back_items: order.take_back_items,
        };
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        let asked = self.bus.execute(request, decide).await.map_err(Failure::widen)?;
        let asked: Answer<(u64, Cents)> = asked.answer_at(|recorded, event| match event {
            AccountEvent::RefundRequested { amount_cents, .. } => {
                Some((recorded.event.sequence, *amount_cents))
            }
            _ => None,
        })?;
        let (sequence, amount_cents) = asked.body;
        // It is asked for: if it cannot be finished now, the checkout reaction goes on.
        match self.finish_refund(&caller.without_key(), purchase, &sale).await {
            Ok(())
            | Err(
                Failure::Refused { refusal: ShopRefusal::ProviderSilent, .. }
                | Failure::Overloaded { .. },
            ) => {}
            Err(failure) => return Err(failure),
        }
        let ended = self.refund_end(purchase, sequence).await?;
        let (outcome, position) = ended.unwrap_or((RefundOutcome::Pending, asked.position));
        let body = RefundAnswer { amount_cents, outcome };
        Ok(Answer { body, position, replayed: asked.replayed })
    }

    /// The facts of a completed purchase, from its own events.
    async fn sale_of(&self, purchase: &UnderWay) -> Result<Sale, Failure<ShopRefusal>> {
        let ended = self.find_end(purchase).await?;
        match ended.map(|ended| ended.body.outcome) {
            Some(PurchaseOutcome::Completed { at, gold, .. }) => Ok(sale(purchase, at, gold)),
            _ => {
                let (refusal, place) = (ShopRefusal::NotCompleted, self.bus.head());
                Err(Failure::Refused { refusal, place })
            }
        }
    }

    /// Asks the provider for the refund that the log has asked for, if there is one, and records its
    /// answer.
    pub(super) async fn finish_refund(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        sale: &Sale,
    ) -> Result<(), Failure<ShopRefusal>> {
        let receipt_code = purchase.receipt_code;
        let look = |account: &Account| account.refund_under_way(receipt_code);
        let (under_way, _) = self.bus.look::<Account, _>(purchase.player, look).await?;
        let Some((number, amount)) = under_way else { return Ok(()) };
        let refund = Refund { id: format!("{receipt_code}-{number}"), amount };
        let given = self.provider.refund(&purchase.charge(), &refund).await;
        match given.map_err(|error| self.silent(&error))? {
            RefundState::Done { refunded } => {
                self.record_refund(caller, purchase, sale, Some(number), refunded).await
            }
            RefundState::Refused => {
                let at = self.clock.now();
                let command = AccountCommand::FailRefund { at, receipt_code, number };
                self.tell_account(caller, purchase, command).await
            }
        }
    }

    pub(super) async fn record_refund(
        &self,
        caller: &Caller,
        purchase: &UnderWay,
        sale: &Sale,
        number: Option<u16>,
        refunded_cents: Cents,
    ) -> Result<(), Failure<ShopRefusal>> {
        let (at, sale) = (self.clock.now(), *sale);
        let command = AccountCommand::RecordRefund { at, sale, number, refunded_cents };
        self.tell_account(caller, purchase, command).await
    }

    /// How the refund that was asked for in this event ended, if it has.
    async fn refund_end(
        &self,
        purchase: &UnderWay,
        asked: u64,
    ) -> Result<Option<(RefundOutcome, u64)>, Failure<ShopRefusal>> {
        let UnderWay { player, receipt_code, .. } = *purchase;
        let found = self.find_in_account(player, asked, REFUND_ENDS, receipt_code).await?;
        let Some(found) = found else { return Ok(None) };
        let Some(outcome) = found.event.decode().ok().as_ref().and_then(refund_outcome) else {
            return Ok(None);
        };
        let position = found.place.position;
        // Items that were taken back for what is owed were written along with it.
        let after = self.bus.log().read_tail(position, MOST_ITEMS).await;
        let after = after.map_err(Unavailable::from)?;
        let items = after.events.iter().map_while(|recorded| item_taken_back(&found, recorded));
        Ok(Some(items.fold((outcome, position), |(outcome, _), (movement, position)| {
            (outcome.with_item(&movement), position)
        })))
    }

    /// Takes back what is unused of a purchase of benefits, and returns its gold.
    ///
    /// # Errors
    /// If nothing of it is unused.
    pub async fn refund_items(
        &self,
        caller: &Caller,
        player: PlayerId,
        receipt_code: ReceiptCode,
        reason: String,
    ) -> Result<Answer<(u64, Wallet)>, Failure<ShopRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("refund_items", &(receipt_code, &reason));
        let request = Request::new(caller, Some(player)).keyed(fingerprint).with_text(reason);
        let command = AccountCommand::RefundItems { at: self.clock.now(), receipt_code };
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        let done = self.bus.execute(request, decide).await.map_err(Failure::widen)?;
        items_returned(&done).ok_or(Failure::Unavailable)
    }
}

fn refund_outcome(event: &AccountEvent) -> Option<RefundOutcome> {
    match event {
        AccountEvent::PurchaseRefunded { refunded_cents, movement, .. } => {
            Some(RefundOutcome::Done {
                refunded_cents: *refunded_cents,
                gold_taken: movement.gold.total(),
                gold_returned: 0,
                wallet: movement.balance,
            })
        }
        AccountEvent::RefundFailed { .. } => Some(RefundOutcome::Refused),
        _ => None,
    }
}

impl RefundOutcome {
    /// The same, with one more item taken back.
    fn with_item(self, movement: &Movement) -> Self {
        match self {
            Self::Done { refunded_cents, gold_taken, gold_returned, .. } => Self::Done {
                refunded_cents,
                gold_taken,
                gold_returned: gold_returned + movement.gold.plus(movement.debt).total(),
                wallet: movement.balance,
            },
            other => other,
        }
    }
}

/// What moved for an item that was taken back along with a refund, if the event is that.
fn item_taken_back(refund: &Recorded, recorded: &Recorded) -> Option<(Movement, u64)> {
    let is_of_account = recorded.event.aggregate_type == Account::TYPE
        && recorded.event.aggregate_id == refund.event.aggregate_id;
    match (refund.event.decode().ok()?, recorded.event.decode().ok().filter(|_| is_of_account)?) {
        (
            AccountEvent::PurchaseRefunded { at: refunded_at, .. },
            AccountEvent::ItemRefunded { at, movement, .. },
        ) if at == refunded_at => Some((movement, recorded.place.position)),
        _ => None,
    }
}

/// The gold that came back, and the wallet after the last item.
fn items_returned(done: &Committed) -> Option<Answer<(u64, Wallet)>> {
    let movement = |recorded: &Recorded| match recorded.event.decode().ok()? {
        AccountEvent::ItemRefunded { movement, .. } => Some(movement),
        _ => None,
    };
    let movements: Vec<_> = done.events.iter().filter_map(movement).collect();
    let gold = movements.iter().map(|moved| moved.gold.plus(moved.debt).total()).sum();
    let body = (gold, movements.last()?.balance);
    Some(Answer { body, position: done.place.position, replayed: done.replayed })
}
