//! Checkout's second pair of hands: purchases and refunds that nobody is finishing any more.
//!
//! Whoever accepts a purchase also finishes it. This reaction follows the log for those that were
//! left: a crash, a provider that did not answer or has not decided. It settles them with the
//! provider, who decides whether the money was taken or given back, and gives up at the provider
//! what takes too long. Settling is idempotent on both sides, so it does no harm if the first pair of
//! hands is still at it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{Account, AccountEvent};
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{PlayerId, ReceiptCode};
use domain::stored::{DecodeError, Place, Recorded, StoredEvent};
use futures::{StreamExt, stream};

use crate::Commands;
use crate::context::Caller;
use crate::shop::{PurchaseOutcome, UnderWay, under_way};

/// How often the provider is asked about one purchase that it has not decided.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(5);
/// How long a node may take to hear of what this reaction has read.
const REACH: Duration = Duration::from_secs(1);
/// How many are settled at once.
const AT_ONCE: usize = 16;

/// See the module.
pub struct Checkout {
    commands: Commands,
    /// What is not finished, with the place before it: disposable, rebuilt by reading on from
    /// [`Self::place`].
    open: BTreeMap<ReceiptCode, Unfinished>,
    seen: Place,
}

/// A purchase or a refund of one.
struct Unfinished {
    before: Place,
    /// When it is looked at next.
    due: DateTime<Utc>,
    what: What,
}

#[derive(Clone)]
enum What {
    Purchase(Box<UnderWay>),
    /// Whose, and where it was asked for.
    Refund(PlayerId, u64),
}

/// What an event says about one of them.
enum Step {
    /// It was asked for at this time.
    Begun(ReceiptCode, DateTime<Utc>, What),
    /// Nothing is left to do.
    Ended(ReceiptCode),
}

/// The stored names of the events that are steps.
const STEPS: [&str; 5] = [
    "purchase_requested",
    "refund_requested",
    "purchase_completed",
    "purchase_failed",
    "purchase_voided",
];

/// What became of an attempt to finish something.
enum Finished {
    Done,
    NotYet(DateTime<Utc>),
}

impl Checkout {
    /// The stored name of the reaction.
    pub const NAME: &'static str = "checkout";

    /// Starts at a place that an earlier one has given.
    #[must_use]
    pub fn new(commands: Commands, place: Place) -> Self {
        Self { commands, open: BTreeMap::new(), seen: place }
    }

    /// Takes note of what happened.
    ///
    /// # Errors
    /// If an event cannot be read.
    pub fn note(&mut self, events: &[Recorded]) -> Result<(), DecodeError> {
        for recorded in events {
            if may_matter(&recorded.event)
                && let ClubEvent::Account(player, event) = ClubEvent::decode(recorded)?
            {
                match step(player, recorded, &event) {
                    Some(Step::Begun(code, at, what)) => self.begun(code, at, what),
                    Some(Step::Ended(code)) => drop(self.open.remove(&code)),
                    None => {}
                }
            }
            self.seen = recorded.place;
        }
        Ok(())
    }

    fn begun(&mut self, receipt: ReceiptCode, at: DateTime<Utc>, what: What) {
        let due = at + self.commands.policy.grace;
        self.open.insert(receipt, Unfinished { before: self.seen, due, what });
    }

    /// Where a later one must start to know all that this one knows: before the oldest that is not
    /// finished.
    #[must_use]
    pub fn place(&self) -> Place {
        let oldest = self.open.values().map(|open| open.before).min_by_key(|place| place.position);
        oldest.unwrap_or(self.seen)
    }

    /// Finishes what was left. What cannot be finished now stays for the next time.
    pub async fn finish_overdue(&mut self) {
        let now = self.commands.clock.now();
        let overdue = self.open.iter().filter(|(_, open)| open.due <= now);
        let overdue: Vec<_> = overdue.map(|(code, open)| (*code, open.what.clone())).collect();
        let commands = &self.commands;
        let finish = |(code, what): (ReceiptCode, What)| async move {
            (code, finish(commands, code, &what, now).await)
        };
        let mut finished = stream::iter(overdue).map(finish).buffer_unordered(AT_ONCE);
        while let Some((code, finished)) = finished.next().await {
            match finished {
                Finished::Done => drop(self.open.remove(&code)),
                Finished::NotYet(due) => {
                    self.open.entry(code).and_modify(|open| open.due = due);
                }
            }
        }
    }
}

/// Whether an event can be a step of a purchase or a refund. Told from its type: most are not, and are
/// not decoded.
fn may_matter(event: &StoredEvent) -> bool {
    event.aggregate_type == Account::TYPE && STEPS.contains(&event.event_type.as_ref())
}

/// The step of a purchase or a refund that an event is, if it is one: those that are named in [`STEPS`].
fn step(player: PlayerId, recorded: &Recorded, event: &AccountEvent) -> Option<Step> {
    match event {
        AccountEvent::PurchaseRequested { at, receipt_code, .. } => {
            let purchase = under_way(player, recorded, event)?;
            Some(Step::Begun(*receipt_code, *at, What::Purchase(Box::new(purchase))))
        }
        AccountEvent::RefundRequested { at, receipt_code, .. } => {
            let refund = What::Refund(player, recorded.place.position);
            Some(Step::Begun(*receipt_code, *at, refund))
        }
        AccountEvent::PurchaseCompleted { receipt_code, .. }
        | AccountEvent::PurchaseFailed { receipt_code, .. }
        | AccountEvent::PurchaseVoided { receipt_code, .. } => Some(Step::Ended(*receipt_code)),
        // A refund is looked at once more: what the provider gave back may have been another.
        AccountEvent::AccountOpened { .. }
        | AccountEvent::SignUpBonusGranted { .. }
        | AccountEvent::GoldGranted { .. }
        | AccountEvent::VipPointsGranted { .. }
        | AccountEvent::GoldSpent { .. }
        | AccountEvent::LateCaptureRefunded { .. }
        | AccountEvent::PurchaseRefunded { .. }
        | AccountEvent::RefundFailed { .. }
        | AccountEvent::PurchaseChargedBack { .. }
        | AccountEvent::PurchasesBlocked { .. }
        | AccountEvent::BenefitPurchased { .. }
        | AccountEvent::ItemUsed { .. }
        | AccountEvent::ItemExpired { .. }
        | AccountEvent::ItemRefunded { .. }
        | AccountEvent::SpendLimitSet { .. }
        | AccountEvent::CoolingOffStarted { .. }
        | AccountEvent::AccountClosed { .. }
        | AccountEvent::SelfExcluded { .. }
        | AccountEvent::StreakClaimed { .. }
        | AccountEvent::VipClaimed { .. }
        | AccountEvent::EventJoined { .. }
        | AccountEvent::EventClaimed { .. }
        | AccountEvent::MissionClaimed { .. }
        | AccountEvent::PlaceRewarded { .. }
        | AccountEvent::RewardGifted { .. }
        | AccountEvent::GrantTakenBack { .. } => None,
    }
}

async fn finish(
    commands: &Commands,
    code: ReceiptCode,
    what: &What,
    now: DateTime<Utc>,
) -> Finished {
    let again = Finished::NotYet(now + ASK_AGAIN);
    let purchase = match what {
        What::Purchase(purchase) => purchase.as_ref().clone(),
        // A node that has not heard of the refund yet would find nothing to finish.
        What::Refund(_, position) if !commands.bus.reach(*position, REACH).await => return again,
        What::Refund(player, _) => match commands.purchase_of(*player, code).await {
            Ok(Some(purchase)) => purchase,
            // There is no refund without a purchase: `replay verify` says so.
            Ok(None) => return Finished::Done,
            Err(_) => return again,
        },
    };
    let caller = Caller {
        cause: Some(format!("{}/{code}", Checkout::NAME)),
        ..Caller::system(Checkout::NAME)
    };
    match commands.settle(&caller, &purchase).await {
        Ok(settled) if settled.body.purchase.outcome == PurchaseOutcome::Pending => {
            // Not later than its deadline, if that is still to come.
            let deadline = purchase.deadline(&commands.policy);
            let next = now + ASK_AGAIN;
            Finished::NotYet(if deadline > now { next.min(deadline) } else { next })
        }
        Ok(_) => Finished::Done,
        Err(failure) => {
            tracing::warn!(%failure, receipt = %code, "a purchase stays unfinished for now");
            again
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::stored::Hash;
    use domain::testing::at;
    use serde_json::Value;

    use super::*;

    /// One of every kind of event of accounts.
    const ACCOUNTS: &str = include_str!("../../../domain/fixtures/account.jsonl");

    fn recorded(line: &str) -> Recorded {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        let event = StoredEvent {
            aggregate_type: Account::TYPE.into(),
            aggregate_id: "23".into(),
            sequence: 1,
            event_type: text("event_type").into(),
            event_version: text("event_version").into(),
            payload: line["payload"].to_string().into(),
            metadata: "{}".into(),
        };
        Recorded { place: Place { position: 1, hash: Hash([0; 32]) }, recorded_at: at(0), event }
    }

    #[test]
    fn steps_are_told_by_their_names() {
        let mut found = 0;
        for line in ACCOUNTS.lines() {
            let recorded = recorded(line);
            let event = recorded.event.decode().unwrap();
            let is_step = step(PlayerId(23), &recorded, &event).is_some();
            assert_eq!(is_step, may_matter(&recorded.event), "{line}");
            found += usize::from(is_step);
        }
        assert!(found >= STEPS.len(), "a name in STEPS is of no event");
    }
}
