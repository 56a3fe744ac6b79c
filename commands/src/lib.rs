//! The write side: what is asked of the club, decided on aggregates and committed to the log.
//!
//! [`Commands`] is the front: one method for each thing that can be asked. Each is decided by the
//! [`bus`] on the node's state and committed by the [`appender`]; an answer is a function of the
//! events that were written.

pub mod accounts;
pub mod announcements;
pub mod appender;
pub mod approvals;
pub mod audit;
pub mod bus;
pub mod cache;
pub mod campaigns;
pub mod catalog;
pub mod clock;
pub mod codes;
pub mod context;
pub mod daily;
pub mod dry_run;
pub mod erasure;
pub mod events;
pub mod families;
pub mod grants;
pub mod invites;
pub mod jobs;
pub mod keys;
pub mod log;
pub mod missions;
mod node;
pub mod payments;
pub mod people;
pub mod play;
pub mod reactions;
pub mod rewards;
pub mod secret;
pub mod shop;
pub mod snapshot;
pub mod sourced;
pub mod standing;
pub mod store;
pub mod world;

use std::sync::Arc;

pub use bus::{Bus, Committed, Failure};
pub use context::{Caller, FingerprintKey, IdempotencyKey};

use approvals::ApprovalPolicy;
use clock::Clock;
use codes::Codes;
use payments::PaymentProvider;
use shop::{PendingPurchases, ShopPolicy};

/// Everything that can be asked of the club, with what it takes to do it.
#[derive(Clone)]
pub struct Commands {
    /// Decides and commits.
    pub bus: Bus,
    /// Makes receipt codes and charge ids.
    pub codes: Codes,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Takes real money.
    pub provider: Arc<dyn PaymentProvider>,
    /// Makes fingerprints of requests.
    pub fingerprints: FingerprintKey,
    /// How the shop sells.
    pub policy: ShopPolicy,
    /// What takes two members of the staff.
    pub approvals: ApprovalPolicy,
    /// Purchases that wait for their provider.
    pub pending: PendingPurchases,
    /// So many missed days do not end a streak.
    pub streak_grace_days: u8,
}
