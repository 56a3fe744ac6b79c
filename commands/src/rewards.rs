//! What rewards pay, as answers tell it; and rewards that the staff gives.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, Payment, RewardPaid, RewardSource};
use domain::aggregate::Aggregate;
use domain::id::{PlayerId, ProductId, ReceiptCode};
use domain::money::Wallet;
use domain::product::Product;
use domain::reward::{GivenItem, Reward, Rewards};
use domain::stored::Recorded;
use serde::Serialize;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::play::PlayRefusal;
use crate::world::{Decline, World};

/// A reward that was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// For what.
    pub source: RewardSource,
    /// Its id.
    pub receipt_code: ReceiptCode,
    /// When.
    pub at: DateTime<Utc>,
    /// What it was.
    pub reward: Reward,
}

impl Paid {
    /// The reward that an event pays, if it pays one.
    #[must_use]
    pub fn of(event: &AccountEvent) -> Option<Self> {
        let RewardPaid { source, receipt_code, at, reward } = event.reward()?;
        Some(Self { source, receipt_code, at, reward: reward.clone() })
    }

    /// The wallet after it.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        self.reward.movement.balance
    }
}

/// All rewards that a command has paid, in order.
#[must_use]
pub fn all_paid(events: &[Recorded]) -> Vec<Paid> {
    let account = events.iter().filter_map(|recorded| recorded.event.decode().ok());
    account.filter_map(|event: AccountEvent| Paid::of(&event)).collect()
}

/// A reward by the staff.
#[derive(Debug, Clone, Serialize)]
pub struct Gift {
    /// To whom.
    pub player: PlayerId,
    /// What.
    pub rewards: Rewards,
    /// Why; kept beside the log, where it can be erased.
    pub reason: String,
}

impl Commands {
    /// Gives a reward of any kind.
    ///
    /// # Errors
    /// If there is no such account, no more fits into it, an item is no benefit, or so much gold takes
    /// two members of the staff.
    pub async fn gift(
        &self,
        caller: &Caller,
        gift: Gift,
    ) -> Result<Answer<Paid>, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let fingerprint = self.fingerprints.fingerprint("gift", &gift);
        let Gift { player, rewards, reason } = gift;
        let request = Request::new(caller, Some(player)).keyed(fingerprint).with_text(reason);
        let policy = self.approvals;
        let decide = move |world: &mut World<'_>| {
            policy.insist_on_one(rewards.gold).map_err(|needed| Decline::Refused(needed.into()))?;
            let payment = payment(world, receipt_code, &rewards, at)?;
            let command = AccountCommand::GiftReward { at, rewards: rewards.clone(), payment };
            world.decide::<Account>(player, &command).map_err(Decline::widen)
        };
        let given = self.bus.execute(request, decide).await?;
        given.answer(Paid::of)
    }

    /// The reward that was paid under a receipt.
    pub(crate) async fn paid_under(
        &self,
        player: PlayerId,
        receipt: ReceiptCode,
    ) -> Result<Option<Committed>, Unavailable> {
        const REWARDS: &[&str] = &["event_claimed", "mission_claimed", "place_rewarded"];
        let (player, receipt) = (player.to_string(), receipt.to_string());
        let stream = (Account::TYPE, player.as_str(), 0);
        let found = self.bus.log().find_in_stream(stream, REWARDS, &receipt).await?;
        Ok(found.map(|recorded| {
            let place = recorded.place;
            Committed { events: vec![recorded], place, replayed: false }
        }))
    }
}

/// As what a reward is paid: its items on the present terms of their products.
pub(crate) fn payment(
    world: &mut World<'_>,
    receipt_code: ReceiptCode,
    rewards: &Rewards,
    at: DateTime<Utc>,
) -> Result<Payment, Decline<PlayRefusal>> {
    let mut items: Vec<GivenItem> = Vec::with_capacity(rewards.items.len());
    for item in &rewards.items {
        let product = world.read::<Product>(item.product_id)?;
        let no_benefit = || Decline::Refused(PlayRefusal::NoBenefit(NoBenefit(item.product_id)));
        items.push(product.given(*item, at).ok_or_else(no_benefit)?);
    }
    Ok(Payment { receipt_code, items })
}

/// Whether all items of a reward are benefits of the catalogue.
pub(crate) fn check_items(
    world: &mut World<'_>,
    rewards: &Rewards,
    at: DateTime<Utc>,
) -> Result<(), Decline<PlayRefusal>> {
    payment(world, ReceiptCode::from_bits(0), rewards, at).map(drop)
}

/// A product that no reward can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("product {0} is no benefit: rewards have benefits as items")]
pub struct NoBenefit(pub ProductId);
