//! Making ClickHouse say what the log says, range by range, beside the live traffic: what is missing goes in, what
//! is there twice or is no event of this log goes out. Also how a part of the log is brought in anew.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveTime};
use clickhouse::Row;
use domain::stored::Recorded;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use super::check::{DayRange, TABLES};
use super::insert::{Refused, insert, months, refusal};
use super::{ClickHouse, NAME, backfill, books};
use crate::follower::FollowerError;
use crate::position::{from_sql, to_sql};

/// Events that are compared at once.
const RANGE: usize = 20_000;
/// Positions that are named in one statement: ClickHouse reads no more than 256 kB.
const NAMED: usize = 5_000;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Events that were compared.
    pub compared: u64,
    /// Positions that were taken out: there twice, of another history, or not in every table.
    pub taken_out: u64,
    /// Events that were brought in.
    pub brought_in: u64,
    /// Events that cannot be brought in, and are set aside.
    pub set_aside: u64,
}

/// Repairs what was recorded on these days.
///
/// # Errors
/// If one of the databases does not answer. What was done until then is done.
pub async fn repair(
    clickhouse: &ClickHouse,
    pool: &PgPool,
    (from, to): DayRange,
) -> Result<Repaired, FollowerError> {
    let after = last_before(pool, from).await?;
    let until =
        last_before(pool, to.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)).await?;
    repair_positions(clickhouse, pool, (after + 1, until)).await
}

/// Repairs these positions, both included, as far as the sink has come.
///
/// # Errors
/// If one of the databases does not answer. What was done until then is done.
pub async fn repair_positions(
    clickhouse: &ClickHouse,
    pool: &PgPool,
    (from, to): (u64, u64),
) -> Result<Repaired, FollowerError> {
    let place = books::place(&mut *pool.acquire().await?).await?.map_or(0, |place| place.position);
    let (after, to) = (from.saturating_sub(1), to.min(place));
    let mut done = Repaired::default();
    if after >= to {
        return Ok(done);
    }
    let mut ranges = backfill::read(pool, (after, to), RANGE);
    while let Some(range) = ranges.recv().await {
        let range = range.map_err(FollowerError::handler)?;
        repair_range(clickhouse, pool, &range, &mut done).await?;
    }
    Ok(done)
}

/// The last position before a day began. Recorded times grow with positions.
async fn last_before(pool: &PgPool, day: NaiveDate) -> Result<u64, FollowerError> {
    // The index is by position: a search by halves reads a few rows of any log.
    let head: i64 =
        sqlx::query_scalar("select coalesce(max(position), 0) from events").fetch_one(pool).await?;
    let (mut before, mut after) = (0, from_sql(head)? + 1);
    let begins = day.and_time(NaiveTime::MIN).and_utc();
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let is_before: bool =
            sqlx::query_scalar("select recorded_at < $2 from events where position = $1")
                .bind(to_sql(middle)?)
                .bind(begins)
                .fetch_one(pool)
                .await?;
        if is_before { before = middle } else { after = middle }
    }
    Ok(before)
}

async fn repair_range(
    clickhouse: &ClickHouse,
    pool: &PgPool,
    events: &[Recorded],
    done: &mut Repaired,
) -> Result<(), FollowerError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    let bounds = (first.place.position, last.place.position);
    let found = found(clickhouse, bounds).await?;
    let log: BTreeMap<u64, &Recorded> = events.iter().map(|it| (it.place.position, it)).collect();
    let is_right = |position: &u64, (hash, rows): &([u8; 32], u64)| {
        *rows == 1 && log.get(position).is_some_and(|event| event.place.hash.0 == *hash)
    };
    let mut wrong = not_in_every_table(clickhouse, bounds).await?;
    wrong.extend(found.iter().filter(|(at, it)| !is_right(at, it)).map(|(at, _)| *at));
    take_out(clickhouse, &wrong).await?;
    let missing = |event: &&Recorded| {
        let position = event.place.position;
        wrong.contains(&position) || !found.contains_key(&position)
    };
    let missing: Vec<Recorded> = events.iter().filter(missing).cloned().collect();
    let refused = bring_in(clickhouse, &missing).await?;
    note(pool, &missing, &refused).await?;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    done.compared += count(events.len());
    done.taken_out += count(wrong.len());
    done.brought_in += count(missing.len() - refused.len());
    done.set_aside += count(refused.len());
    Ok(())
}

/// Each position there is, with its hash, and how often. One with two hashes is there twice.
async fn found(
    clickhouse: &ClickHouse,
    (from, to): (u64, u64),
) -> Result<BTreeMap<u64, ([u8; 32], u64)>, FollowerError> {
    #[derive(Row, Deserialize)]
    struct Found {
        position: u64,
        hash: [u8; 32],
        rows: u64,
    }
    let asked = clickhouse.ask(
        "select position, any(hash) as hash, count() as rows from events
          where position between ? and ? group by position",
    );
    let rows: Vec<Found> =
        asked.bind(from).bind(to).rows().await.map_err(FollowerError::handler)?;
    Ok(rows.into_iter().map(|row| (row.position, (row.hash, row.rows))).collect())
}

/// Positions that a table has and should not, or has not and should.
async fn not_in_every_table(
    clickhouse: &ClickHouse,
    (from, to): (u64, u64),
) -> Result<BTreeSet<u64>, FollowerError> {
    let mut wrong = BTreeSet::new();
    for (table, belongs, rows) in TABLES {
        let sql = format!(
            "select position from (
               select position, sum(expected) as expected, sum(found) as found from (
                 select position, toUInt64({rows}) as expected, toUInt64(0) as found
                   from events final where ({belongs}) and position between ? and ?
                  union all
                 select position, 0, 1 from {table} where position between ? and ?)
                group by position) where expected != found"
        );
        let asked = clickhouse.ask(&sql).bind(from).bind(to).bind(from).bind(to);
        wrong.extend(asked.rows::<u64>().await.map_err(FollowerError::handler)?);
    }
    Ok(wrong)
}

async fn take_out(clickhouse: &ClickHouse, positions: &BTreeSet<u64>) -> Result<(), FollowerError> {
    let positions: Vec<u64> = positions.iter().copied().collect();
    for some in positions.chunks(NAMED) {
        for table in TABLES.iter().map(|(table, ..)| *table).chain(["events"]) {
            let sql = format!("delete from {table} where position in ?");
            clickhouse.ask(&sql).bind(some).done().await.map_err(FollowerError::handler)?;
        }
    }
    Ok(())
}

/// Under tokens of its own: what was taken out was in under the range's token.
async fn bring_in(
    clickhouse: &ClickHouse,
    events: &[Recorded],
) -> Result<Vec<Refused>, FollowerError> {
    let mut refused = Vec::new();
    let mut left: Vec<&[Recorded]> = months(events).collect();
    while let Some(part) = left.pop() {
        let token = format!("{NAME}:repair:{}", Uuid::new_v4());
        match insert(clickhouse, &token, part).await {
            Ok(unreadable) => refused.extend(unreadable),
            Err(error) if error.is_about_the_rows() => match part {
                [one] => refused.push(refusal(one, &error.to_string())),
                many => {
                    let (before, after) = many.split_at(many.len() / 2);
                    left.extend([after, before]);
                }
            },
            Err(error) => return Err(FollowerError::handler(error)),
        }
    }
    Ok(refused)
}

async fn note(pool: &PgPool, tried: &[Recorded], refused: &[Refused]) -> Result<(), FollowerError> {
    let mut connection = pool.acquire().await?;
    books::set(&mut connection, refused).await?;
    let is_in = |event: &&Recorded| !refused.iter().any(|(at, ..)| *at == event.place.position);
    let taken_up: Vec<u64> = tried.iter().filter(is_in).map(|it| it.place.position).collect();
    books::taken_up(&mut connection, &taken_up).await
}
