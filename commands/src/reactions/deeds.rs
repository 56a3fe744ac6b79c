//! What the club itself sees its players do counts as play, too: spending gold and buying. And what
//! an action completes is claimed, where the event says so.
//!
//! Follows the log; each thing is asked for under the position of what it follows from, so it does
//! no harm to read the same events again.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountEvent};
use domain::activity::{Activity, ActivityEvent, Goal};
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{Counter, LiveEventId, PlayerId};
use domain::stored::{DecodeError, Recorded};
use futures::{StreamExt, TryStreamExt, stream};

use crate::Commands;
use crate::bus::Failure;
use crate::context::{Caller, IdempotencyKey};
use crate::play::Action;

/// The stored name of the reaction.
pub const NAME: &str = "deeds";

/// Gold that was spent.
pub const SPEND_GOLD: &str = "spend_gold";
/// Purchases for real money that were completed.
pub const PURCHASE_COUNT: &str = "purchase_count";

/// Actions that are asked for at once.
const AT_ONCE: usize = 500;
/// Claims that are asked for at once, each by itself: one that is refused stops no other.
const CLAIMS_AT_ONCE: usize = 32;

/// Why a page was not dealt with: it comes again.
#[derive(Debug, thiserror::Error)]
pub enum DeedsError {
    /// An event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The log cannot be written.
    #[error("{0}")]
    NotWritten(String),
}

/// An event that may have been completed: whose, which, and where.
type Completion = (PlayerId, LiveEventId, u64);

/// Asks for what follows from these events.
///
/// # Errors
/// If something could not be asked for; all of it may be asked for again.
pub async fn follow(commands: &Commands, events: &[&Recorded]) -> Result<(), DeedsError> {
    let (mut actions, mut completions) = (Vec::new(), Vec::new());
    for recorded in events.iter().filter(|recorded| may_matter(recorded)) {
        match ClubEvent::decode(recorded)? {
            ClubEvent::Account(player, event) => actions.extend(deed(player, recorded, &event)),
            ClubEvent::Activity(player, event) => {
                completions.extend(completed(player, recorded, &event));
            }
            ClubEvent::Product(..)
            | ClubEvent::Package(..)
            | ClubEvent::Promo(..)
            | ClubEvent::Identity(..)
            | ClubEvent::Mission(..)
            | ClubEvent::LiveEvent(..) => {}
        }
    }
    let caller = Caller::system(NAME);
    for actions in actions.chunks(AT_ONCE) {
        let recorded = commands.record_actions(&caller, actions.to_vec()).await;
        recorded.map_err(|failure| DeedsError::NotWritten(failure.to_string()))?;
    }
    let claims = stream::iter(completions).map(|completion| claim(commands, completion));
    claims.buffer_unordered(CLAIMS_AT_ONCE).try_collect().await
}

/// Whether an event can be one that something follows from. Told from its type and text: most are
/// not, and decoding them all would cost more than everything else here.
fn may_matter(recorded: &Recorded) -> bool {
    let event = &recorded.event;
    match event.aggregate_type.as_ref() {
        Account::TYPE => COUNTED.contains(&event.event_type.as_ref()),
        // Requirements of events are the only goals with this in front.
        Activity::TYPE => event.payload.contains("\"event/"),
        _ => false,
    }
}

async fn claim(
    commands: &Commands,
    (player, event, position): Completion,
) -> Result<(), DeedsError> {
    let caller = Caller { cause: Some(format!("{NAME}/{position}")), ..Caller::system(NAME) };
    match commands.claim_by_itself(&caller, player, event).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused { refusal, .. }) => {
            // The player can claim it by hand, once there is room.
            tracing::warn!(%player, %event, %refusal, "an event cannot be claimed by itself");
            Ok(())
        }
        Err(failure) => Err(DeedsError::NotWritten(failure.to_string())),
    }
}

fn completed(
    player: PlayerId,
    recorded: &Recorded,
    event: &ActivityEvent,
) -> impl Iterator<Item = Completion> {
    let position = recorded.place.position;
    let complete = event.advanced().iter().filter(|advance| advance.is_complete());
    complete.filter_map(move |advance| match advance.goal {
        Goal::Requirement { event, .. } => Some((player, event, position)),
        Goal::Mission { .. } | Goal::Score { .. } => None,
    })
}

/// The events of accounts that are counted, by stored name.
const COUNTED: [&str; 3] = ["gold_spent", "benefit_purchased", "purchase_completed"];

/// What an event of an account is counted as, if it is play.
fn deed(player: PlayerId, recorded: &Recorded, event: &AccountEvent) -> Option<Action> {
    let position = recorded.place.position;
    let (at, name, amount) = counted(event)?;
    let action: Counter = name.parse().ok()?;
    let cause = format!("{NAME}/{position}");
    let action_id = IdempotencyKey::parse(&cause).ok()?;
    Some(Action { action_id, player, action, amount, at: Some(at), cause: Some(cause) })
}

/// Its arms that are something are [`COUNTED`].
fn counted(event: &AccountEvent) -> Option<(DateTime<Utc>, &'static str, u64)> {
    match event {
        AccountEvent::GoldSpent { at, movement, .. }
        | AccountEvent::BenefitPurchased { at, movement, .. } => {
            Some((*at, SPEND_GOLD, movement.gold.total()))
        }
        AccountEvent::PurchaseCompleted { at, .. } => Some((*at, PURCHASE_COUNT, 1)),
        AccountEvent::AccountOpened { .. }
        | AccountEvent::SignUpBonusGranted { .. }
        | AccountEvent::GoldGranted { .. }
        | AccountEvent::VipPointsGranted { .. }
        | AccountEvent::PurchaseRequested { .. }
        | AccountEvent::PurchaseFailed { .. }
        | AccountEvent::PurchaseVoided { .. }
        | AccountEvent::LateCaptureRefunded { .. }
        | AccountEvent::RefundRequested { .. }
        | AccountEvent::PurchaseRefunded { .. }
        | AccountEvent::RefundFailed { .. }
        | AccountEvent::PurchaseChargedBack { .. }
        | AccountEvent::PurchasesBlocked { .. }
        | AccountEvent::ItemUsed { .. }
        | AccountEvent::ItemExpired { .. }
        | AccountEvent::ItemRefunded { .. }
        | AccountEvent::SpendLimitSet { .. }
        | AccountEvent::CoolingOffStarted { .. }
        | AccountEvent::SelfExcluded { .. }
        | AccountEvent::StreakClaimed { .. }
        | AccountEvent::VipClaimed { .. }
        | AccountEvent::EventJoined { .. }
        | AccountEvent::EventClaimed { .. }
        | AccountEvent::MissionClaimed { .. }
        | AccountEvent::PlaceRewarded { .. }
        | AccountEvent::RewardGifted { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::stored::decode;
    use serde_json::Value;

    use super::*;

    /// One of every kind of event of accounts.
    const ACCOUNTS: &str = include_str!("../../../domain/fixtures/account.jsonl");

    #[test]
    fn what_is_counted_is_told_by_its_name() {
        let mut found = 0;
        for line in ACCOUNTS.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| line[field].as_str().unwrap();
            let (name, version) = (text("event_type"), text("event_version"));
            let event: AccountEvent = decode(name, version, &line["payload"].to_string()).unwrap();
            assert_eq!(counted(&event).is_some(), COUNTED.contains(&name), "{name}");
            found += usize::from(counted(&event).is_some());
        }
        assert!(found >= COUNTED.len(), "a name in COUNTED is of no event");
    }
}
