//! What the club itself sees its players do counts as play, too: spending gold and buying. And what
//! an action completes is claimed, where the event says so.
//!
//! Follows the log, and does no harm by reading the same events again: a player's activity remembers up
//! to which position deeds are counted, and what was claimed is claimed.

use domain::account::{Account, AccountEvent};
use domain::activity::{Activity, ActivityEvent, Goal};
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{LiveEventId, PlayerId};
use domain::stored::{DecodeError, Recorded};
use futures::{StreamExt, TryStreamExt, stream};

use crate::Commands;
use crate::bus::Failure;
use crate::context::Caller;
use crate::play::Seen;

/// The stored name of the reaction.
pub const NAME: &str = "deeds";

/// Deeds that are counted at once.
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
    let (mut deeds, mut completions) = (Vec::new(), Vec::new());
    for recorded in events.iter().filter(|recorded| may_matter(recorded)) {
        match ClubEvent::decode(recorded)? {
            ClubEvent::Account(player, event) => {
                let position = recorded.place.position;
                deeds.extend(event.deed().map(|deed| Seen { player, position, deed }));
            }
            ClubEvent::Activity(player, event) => {
                completions.extend(completed(player, recorded, &event));
            }
            ClubEvent::Product(..)
            | ClubEvent::Package(..)
            | ClubEvent::Promo(..)
            | ClubEvent::Identity(..)
            | ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Mission(..)
            | ClubEvent::LiveEvent(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Invite(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Announcement(..) => {}
        }
    }
    let caller = Caller::system(NAME);
    for deeds in deeds.chunks(AT_ONCE) {
        let counted = commands.count_deeds(&caller, deeds.to_vec()).await;
        counted.map_err(|failure| DeedsError::NotWritten(failure.to_string()))?;
    }
    let claims = stream::iter(completions).map(|completion| claim(commands, completion));
    claims.buffer_unordered(CLAIMS_AT_ONCE).try_collect().await
}

/// Whether an event can be one that something follows from. Told from its type and text: most are
/// not, and decoding them all would cost more than everything else here.
fn may_matter(recorded: &Recorded) -> bool {
    let event = &recorded.event;
    match event.aggregate_type.as_ref() {
        Account::TYPE => AccountEvent::DEEDS.contains(&event.event_type.as_ref()),
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
