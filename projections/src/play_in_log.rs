//! What players did, as the log has it: for missions that count past play, and for events of which
//! somebody wants to know beforehand what they would pay. No read model stands in between.

mod preview;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::activity::{Activity, ActivityEvent};
use domain::aggregate::Aggregate;
use domain::id::{Counter, PlayerId};
use domain::stored::Recorded;
use sqlx::{ConnectOptions, PgConnection, PgPool};

use crate::feed::{self, FeedError};
use crate::lease::run;
use crate::position::{bound_to_sql, to_sql};
use crate::scan;

pub use crate::scan::FoldError;
pub use preview::{Paid, Preview, PreviewLine, everybody, preview};

/// The events that tell what players did, by stored name.
const EVENT_TYPES: [&str; 1] = ["action_recorded"];

/// How much of something each player has done, as written after one position and before another, at
/// moments of which `counts` says that they matter.
///
/// # Errors
/// If not everything could be read.
pub async fn past_play(
    pool: &PgPool,
    counter: Counter,
    after: u64,
    before: u64,
    counts: impl Fn(DateTime<Utc>) -> bool + Send + 'static,
) -> Result<HashMap<PlayerId, u64>, FoldError> {
    let to = before.saturating_sub(1);
    actions(pool, (after, to), HashMap::new(), move |sums: &mut HashMap<_, u64>, action| {
        if action.action == counter && counts(action.at) {
            let sum = sums.entry(action.player).or_default();
            *sum = sum.saturating_add(action.amount);
        }
    })
    .await
}

/// The last position that was recorded before a moment; 0 if none was. What was recorded later never
/// stands before what was recorded earlier, so this is looked up in few steps.
///
/// # Errors
/// If the database does not answer.
pub async fn position_at(pool: &PgPool, time: DateTime<Utc>) -> Result<u64, FeedError> {
    let mut connection = pool.acquire().await?;
    let (mut low, mut high) = (0, feed::head(&mut connection).await?.position);
    while low < high {
        let middle = high - (high - low) / 2;
        if is_recorded_before(&mut connection, middle, time).await? {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

async fn is_recorded_before(
    connection: &mut PgConnection,
    position: u64,
    time: DateTime<Utc>,
) -> Result<bool, FeedError> {
    let sql = "select recorded_at < $2 from events where position = $1";
    let query = sqlx::query_scalar(sql).bind(to_sql(position)?).bind(time);
    Ok(query.fetch_one(connection).await?)
}

/// Something that a player did.
struct Action {
    player: PlayerId,
    position: u64,
    recorded_at: DateTime<Utc>,
    at: DateTime<Utc>,
    action: Counter,
    amount: u64,
}

/// Folds what was done after one position up to another, in the order in which it was written.
async fn actions<S: Send + 'static>(
    pool: &PgPool,
    (after, to): (u64, u64),
    state: S,
    take: impl Fn(&mut S, &Action) + Send + 'static,
) -> Result<S, FoldError> {
    // Its own connection: one that is left in the middle of a COPY is of no use to the pool.
    let mut connection = pool.connect_options().connect().await?;
    run(&mut connection, scan::SCAN_SESSION).await?;
    let range = (bound_to_sql(Some(after)), bound_to_sql(Some(to)));
    let statement = scan::events_of_types_statement(Activity::TYPE, &EVENT_TYPES, range);
    scan::fold(&mut connection, &statement, state, move |state, recorded| {
        if let Some(action) = action(recorded)? {
            take(state, &action);
        }
        Ok(())
    })
    .await
}

fn action(recorded: &Recorded) -> Result<Option<Action>, FoldError> {
    let position = recorded.place.position;
    let event = recorded.event.decode();
    let event = event.map_err(|source| FoldError::Decode { position, source })?;
    let (at, action, amount) = match event {
        ActivityEvent::ActionRecorded { at, action, amount, .. } => (at, action, amount),
        // Not read: it tells again what was done before.
        ActivityEvent::PastPlayCounted { .. } => return Ok(None),
    };
    let player = recorded.event.aggregate_id.parse()?;
    let recorded_at = recorded.recorded_at;
    Ok(Some(Action { player, position, recorded_at, at, action, amount }))
}

#[cfg(test)]
mod tests;
