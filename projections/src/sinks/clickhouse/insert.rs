//! Bringing events in: one insert for a range, under one token, so that a repeat of it is dropped.

use domain::stored::Recorded;

use super::row::EventRow;
use super::server::INSERT_PATIENCE;
use super::{ClickHouse, ClickHouseError};

/// Rows between two chances for others on this thread.
const ROWS_AT_ONCE: usize = 256;

/// An event that cannot be brought in: where, its type, and what is wrong with it.
pub(super) type Refused = (u64, String, String);

/// Inserts these events. Those that this program cannot read are left out, and told.
pub(super) async fn insert(
    clickhouse: &ClickHouse,
    token: &str,
    events: &[Recorded],
) -> Result<Vec<Refused>, ClickHouseError> {
    let insert = clickhouse.client().insert::<EventRow<'static>>("events").await?;
    let mut insert = insert
        .with_timeouts(Some(INSERT_PATIENCE), Some(INSERT_PATIENCE))
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", token)
        // A range has no position twice: nothing would be replaced.
        .with_setting("optimize_on_insert", "0")
        // A repeat reaches the views, too, where each drops what it has: a crash may have come in between.
        .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
    let mut refused = Vec::new();
    let mut is_empty = true;
    for (recorded, number) in events.iter().zip(1..) {
        match EventRow::read(recorded) {
            Ok(row) => {
                insert.write(&row).await?;
                is_empty = false;
            }
            Err(error) => refused.push(refusal(recorded, &error.to_string())),
        }
        if number % ROWS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    if !is_empty {
        insert.end().await?;
    }
    Ok(refused)
}

/// Why an event is not in, for people.
pub(super) fn refusal(recorded: &Recorded, reason: &str) -> Refused {
    // ClickHouse tells the whole row, and much more.
    let reason = reason.chars().take(500).collect();
    (recorded.place.position, recorded.event.event_type.to_string(), reason)
}

/// Cut where a month ends: a range has to be one block of one partition, all of it or nothing.
pub(super) fn months(events: &[Recorded]) -> impl Iterator<Item = &[Recorded]> {
    use chrono::Datelike;
    let month = |recorded: &Recorded| (recorded.recorded_at.year(), recorded.recorded_at.month());
    events.chunk_by(move |one, next| month(one) == month(next))
}
