//! Every family of streams that commands are decided on, in one list.

use cqrs_es::persist::PersistenceError;
use domain::account::Account;
use domain::activity::Activity;
use domain::aggregate::Aggregate;
use domain::announcement::Announcements;
use domain::approval::Approval;
use domain::audit::Audit;
use domain::campaign::Campaign;
use domain::identity::Identity;
use domain::invite::Invite;
use domain::job::Job;
use domain::live_event::LiveEvent;
use domain::mission::MissionBoard;
use domain::package::Package;
use domain::product::Product;
use domain::promo::Promo;
use domain::role::Role;
use domain::stored::StoredEvent;
use postgres_es::PostgresEventRepository;

use crate::cache::StreamKey;
use crate::sourced;

macro_rules! families {
    ($($family:ty),*) => {
        const FAMILIES: &[&str] = &[$(<$family>::TYPE),*];

        /// Reads a stream of any of the families after a sequence, through postgres-es.
        ///
        /// # Errors
        /// If the database cannot be read.
        pub async fn read_stream(
            repository: &PostgresEventRepository,
            (aggregate_type, aggregate_id, sequence): (&str, &str, u64),
        ) -> Result<Vec<StoredEvent>, PersistenceError> {
            match aggregate_type {
                $(<$family>::TYPE => sourced::read::<$family>(repository, aggregate_id, sequence).await,)*
                _ => Ok(vec![]),
            }
        }
    };
}

families!(
    Account,
    Product,
    Package,
    Promo,
    Identity,
    Role,
    Audit,
    Activity,
    MissionBoard,
    LiveEvent,
    Approval,
    Invite,
    Job,
    Campaign,
    Announcements
);

/// The stream an event belongs to; `None` for a family that this program does not decide on.
#[must_use]
pub fn stream_key(event: &StoredEvent) -> Option<StreamKey> {
    let mut families = FAMILIES.iter().copied();
    let aggregate_type = families.find(|family| *family == event.aggregate_type)?;
    Some(StreamKey { aggregate_type, aggregate_id: event.aggregate_id.clone() })
}
