//! Whether everything is in ClickHouse, once, and as the log has it.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveTime};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::{ClickHouse, NAME, books};
use crate::follower::FollowerError;
use crate::position::{from_sql, to_sql};

/// What is in, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// The last event that was brought in or set aside.
    pub place: u64,
    /// That place, with the first bytes of its hash.
    pub cursor: String,
    /// Different positions up to there in ClickHouse.
    pub distinct: u64,
    /// Rows up to there: more, while a repeat has not been merged away.
    pub rows: u64,
    /// Events up to there that were set aside.
    pub set_aside: u64,
}

impl Completeness {
    /// Whether each event is in, or is set aside.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.distinct.saturating_add(self.set_aside) == self.place
    }
}

/// Counts what is in.
///
/// # Errors
/// If one of the databases does not answer.
pub async fn completeness(
    clickhouse: &ClickHouse,
    pool: &PgPool,
) -> Result<Completeness, FollowerError> {
    let mut connection = pool.acquire().await?;
    let stored = books::place(&mut connection).await?;
    let place = stored.map_or(0, |place| place.position);
    let cursor = stored.map(|place| place.cursor().to_string()).unwrap_or_default();
    let set_aside = books::count_set_aside(&mut connection, (0, place)).await?;
    drop(connection);
    // In the order of the key, so that however long the log is, it needs no memory.
    let count = clickhouse
        .ask(
            "select sum(here), count() from
               (select count() as here from events where position <= ? group by position)
             settings optimize_aggregation_in_order = 1",
        )
        .bind(place);
    let (rows, distinct) = match count.row::<(u64, u64)>().await {
        // Whoever feeds it has not made the tables yet.
        Err(error) if error.is_about_the_tables() => (0, 0),
        counted => counted.map_err(FollowerError::handler)?,
    };
    Ok(Completeness { place, cursor, distinct, rows, set_aside })
}

/// The days that are looked at, in UTC, both included.
pub type DayRange = (NaiveDate, NaiveDate);

/// What the two sides say differently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// By day and type of event.
    pub events: Vec<Difference>,
    /// By day and table, where a table does not have what `events` has for it.
    pub tables: Vec<Difference>,
}

impl Differences {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.events.is_empty() && self.tables.is_empty()
    }

    /// The days with a difference, in order.
    #[must_use]
    pub fn days(&self) -> Vec<NaiveDate> {
        let mut days: Vec<_> = self.events.iter().chain(&self.tables).map(|it| it.day).collect();
        days.sort_unstable();
        days.dedup();
        days
    }
}

/// One day of one type or table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When it was recorded.
    pub day: NaiveDate,
    /// The type of event, or the table.
    pub name: String,
    /// How many there should be.
    pub expected: u64,
    /// How many there are. If these are the same, they are not the same events.
    pub found: u64,
}

/// So many, and a sum of what tells them apart.
type Tally = (u64, i64);
type Tallies = BTreeMap<(NaiveDate, String), Tally>;

#[derive(Row, Deserialize)]
struct TallyRow {
    #[serde(with = "clickhouse::serde::chrono::date")]
    day: NaiveDate,
    name: String,
    count: u64,
    sum: i64,
}

/// A table, what of `events` belongs into it, and how many rows that makes.
pub(super) const TABLES: [(&str, &str, &str); 6] = [
    ("gold_movements", "direction != 0", "1"),
    ("purchases", "step != ''", "1"),
    ("rewards", "reward != ''", "1"),
    ("participations", "goal_step != ''", "length(goals)"),
    ("activity", "player != 0 and (actor_kind = 'player' or type = 'action_recorded')", "1"),
    ("sign_ups", "type = 'account_opened'", "1"),
];

/// Compares the log with ClickHouse by day and type, up to the sink's place: numbers of events and their hashes,
/// then each table with `events`. Events that were set aside are left out on both sides.
///
/// # Errors
/// If one of the databases does not answer.
pub async fn compare(
    clickhouse: &ClickHouse,
    pool: &PgPool,
    days: DayRange,
) -> Result<Differences, FollowerError> {
    let place = books::place(&mut *pool.acquire().await?).await?.map_or(0, |place| place.position);
    let expected = of_log(pool, place, days).await?;
    let sql = "select toDate(e.recorded_at) as day, toString(e.type) as name, count() as count,
                      groupBitXor(reinterpretAsInt64(reverse(substring(e.hash, 1, 8)))) as sum
                 from events as e final
                where e.position <= ? and toDate(e.recorded_at) between toDate(?) and toDate(?)
                group by day, name";
    let found = tallies(clickhouse, sql, place, days).await?;
    let mut differences = Differences { events: differing(&expected, &found), tables: Vec::new() };
    for (table, belongs, rows) in TABLES {
        let tally = |from: &str, count: &str, condition: &str| {
            format!(
                "select toDate(t.recorded_at) as day, '{table}' as name, {count} as count,
                        toInt64(sum(t.position * ({weight}))) as sum
                   from {from} as t final where t.position <= ?
                    and toDate(t.recorded_at) between toDate(?) and toDate(?) and ({condition})
                  group by day",
                weight = if from == "events" { rows } else { "1" }
            )
        };
        let expected = tally("events", &format!("toUInt64(sum({rows}))"), belongs);
        let expected = tallies(clickhouse, &expected, place, days).await?;
        let found = tallies(clickhouse, &tally(table, "count()", "true"), place, days).await?;
        differences.tables.extend(differing(&expected, &found));
    }
    Ok(differences)
}

fn differing(expected: &Tallies, found: &Tallies) -> Vec<Difference> {
    let mut keys: Vec<_> = expected.keys().chain(found.keys()).collect();
    keys.sort();
    keys.dedup();
    let tally = |of: &Tallies, key| of.get(key).copied().unwrap_or((0, 0));
    keys.into_iter()
        .filter(|key| tally(expected, key) != tally(found, key))
        .map(|key| Difference {
            day: key.0,
            name: key.1.clone(),
            expected: tally(expected, key).0,
            found: tally(found, key).0,
        })
        .collect()
}

async fn tallies(
    clickhouse: &ClickHouse,
    sql: &str,
    place: u64,
    (from, to): DayRange,
) -> Result<Tallies, FollowerError> {
    let asked = clickhouse.ask(sql).bind(place).bind(from.to_string()).bind(to.to_string());
    let rows: Vec<TallyRow> = asked.rows().await.map_err(FollowerError::handler)?;
    Ok(rows.into_iter().map(|row| ((row.day, row.name), (row.count, row.sum))).collect())
}

async fn of_log(pool: &PgPool, place: u64, (from, to): DayRange) -> Result<Tallies, FollowerError> {
    let rows: Vec<(NaiveDate, String, i64, i64)> = sqlx::query_as(
        "select (e.recorded_at at time zone 'utc')::date, e.event_type, count(*),
                bit_xor(('x' || encode(substring(e.hash from 1 for 8), 'hex'))::bit(64)::bigint)
           from events e
          where e.position <= $1 and e.recorded_at >= $2 and e.recorded_at < $3
            and not exists (select from olap.set_aside s
                             where s.sink = $4 and s.position = e.position)
          group by 1, 2",
    )
    .bind(to_sql(place)?)
    .bind(from.and_time(NaiveTime::MIN).and_utc())
    .bind(
        to.checked_add_days(Days::new(1))
            .unwrap_or(NaiveDate::MAX)
            .and_time(NaiveTime::MIN)
            .and_utc(),
    )
    .bind(NAME)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(day, name, count, sum)| Ok(((day, name), (from_sql(count)?, sum))))
        .collect()
}
