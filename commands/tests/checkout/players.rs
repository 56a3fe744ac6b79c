//! What players and staff ask, and what they are told.

use commands::bus::Answer;
use commands::context::{Caller, IdempotencyKey};
use commands::payments::CardToken;
use commands::shop::{
    BenefitBought, Buy, BuyBenefit, Forced, Purchase, RefundAnswer, RefundOrder, Settled, UnderWay,
};
use commands::{Commands, Failure};
use domain::event::Actor;
use domain::id::{ItemId, PlayerId, ReceiptCode};
use domain::money::{Cents, Gold};

pub const STAFF: PlayerId = PlayerId(99);

/// One thing that somebody asks, maybe more than once.
#[derive(Debug, Clone)]
pub struct Ask {
    pub player: PlayerId,
    pub what: What,
    pub key: Option<String>,
    /// The reference that finds it in the log.
    pub name: String,
}

#[derive(Debug, Clone)]
pub enum What {
    Buy(Buy),
    Benefit(BuyBenefit),
    Refund(RefundOrder),
    ReturnItems(ReceiptCode),
    UseItem(ItemId),
    Spend(Gold),
    Grant(Gold),
    LimitSpending(Option<Cents>),
    Settle(ReceiptCode),
    Force(ReceiptCode, Forced),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Purchase(Purchase),
    /// With the position at which it is true.
    Settled(Settled, u64),
    Benefit(BenefitBought),
    Refund(RefundAnswer),
    Done(u64),
    /// With the position at which it is true.
    Refused(String, u64),
    /// Nothing was done this time.
    Busy,
    Uncertain,
}

impl Ask {
    fn is_by_staff(&self) -> bool {
        matches!(
            self.what,
            What::Refund(_) | What::ReturnItems(_) | What::Grant(_) | What::Force(..)
        )
    }

    fn caller(&self) -> Caller {
        let actor =
            if self.is_by_staff() { Actor::Admin(STAFF) } else { Actor::Player(self.player) };
        Caller {
            actor,
            request: Some(self.name.clone()),
            trace: None,
            cause: None,
            key: self.key.as_deref().map(|key| IdempotencyKey::parse(key).unwrap()),
            is_dry_run: false,
        }
    }
}

/// The answer, so far as equal requests must get equal ones.
fn told<T, R: std::fmt::Display>(
    answer: Result<Answer<T>, Failure<R>>,
    body: impl FnOnce(T, u64) -> Told,
) -> Told {
    match answer {
        Ok(Answer { body: answer, position, .. }) => body(answer, position),
        Err(Failure::Refused { refusal, place }) => {
            Told::Refused(refusal.to_string(), place.position)
        }
        Err(Failure::Overloaded { .. }) => Told::Busy,
        Err(Failure::Unavailable) => Told::Uncertain,
        Err(Failure::KeyReused) => panic!("the same request was taken for another"),
        Err(Failure::DryRun(_)) => panic!("nobody has asked for a dry run"),
    }
}

pub async fn ask(commands: &Commands, ask: &Ask) -> Told {
    let (caller, player) = (ask.caller(), ask.player);
    match ask.what.clone() {
        What::Buy(buy) => told(commands.buy(&caller, buy).await, |body, _| Told::Purchase(body)),
        What::Benefit(buy) => {
            told(commands.buy_benefit(&caller, buy).await, |body, _| Told::Benefit(body))
        }
        What::Refund(order) => {
            let Some(purchase) = find(commands, player, order.receipt_code).await else {
                return Told::Uncertain;
            };
            let refunded = commands.refund(&caller, &purchase, order).await;
            told(refunded, |body, _| Told::Refund(body))
        }
        What::ReturnItems(receipt) => {
            let returned = commands.refund_items(&caller, player, receipt, "test".into()).await;
            told(returned, |_, position| Told::Done(position))
        }
        What::UseItem(item) => {
            told(commands.use_item(&caller, player, item).await, |_, at| Told::Done(at))
        }
        What::Spend(gold) => {
            let spent = commands.spend(&caller, player, "test", gold).await;
            told(spent, |_, position| Told::Done(position))
        }
        What::Grant(gold) => {
            let what = commands::grants::Granted::Gold(gold);
            let grant = commands::grants::Grant { player, what, reason: "test".into() };
            told(commands.grant(&caller, grant).await, |_, position| Told::Done(position))
        }
        What::LimitSpending(cents) => {
            // It answers with the present, not with what it has done.
            told(commands.set_spend_limit(&caller, player, cents).await, |_, _| Told::Uncertain)
        }
        What::Settle(receipt) => settle(commands, &caller, player, receipt).await,
        What::Force(receipt, wanted) => {
            let Some(purchase) = find(commands, player, receipt).await else {
                return Told::Uncertain;
            };
            let forced = commands.force(&caller, &purchase, wanted, "test".into()).await;
            told(forced, Told::Settled)
        }
    }
}

async fn settle(
    commands: &Commands,
    caller: &Caller,
    player: PlayerId,
    receipt: ReceiptCode,
) -> Told {
    let Some(purchase) = find(commands, player, receipt).await else { return Told::Uncertain };
    let settled = commands.settle(caller, &purchase).await;
    told(settled, Told::Settled)
}

pub async fn find(commands: &Commands, player: PlayerId, receipt: ReceiptCode) -> Option<UnderWay> {
    commands.purchase_of(player, receipt).await.ok().flatten()
}

/// A card that everybody may use.
pub fn card(number: u8) -> CardToken {
    CardToken::new(Some(format!("card-{number}")))
}
