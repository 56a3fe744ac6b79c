//! How far each player is with each mission, in the latest period in which anything was done for it.
//!
//! Nobody resets anything: a row of an earlier period than the present one says that nothing has
//! been done in this one.

use std::cmp::Ordering;
use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::account::AccountEvent;
use domain::activity::{ActivityEvent, Advance, Goal, MissionPeriod};
use domain::event::ClubEvent;
use domain::id::{MissionId, PlayerId};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::missions::{MissionRow, mission};
use super::{At, Entry, ReadError, ReadModel, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "mission_progress";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

/// The period is the day on which it begins, null where there is only one. Nothing that changes is in
/// an index and each page has room, so a new version of a row stays in its page.
const COLUMNS: &str = "(
    position     bigint not null,
    player_id    bigint not null,
    mission_id   bigint not null,
    period       date,
    progress     bigint not null,
    target       bigint not null,
    completed_at timestamptz,
    claimed_at   timestamptz
) with (fillfactor = 60)";

/// How far a player is with a mission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MissionProgressRow {
    /// Whose.
    pub user_id: PlayerId,
    /// With which mission.
    pub mission_id: MissionId,
    /// In which period.
    pub period: MissionPeriod,
    /// How far.
    pub progress: u64,
    /// What it took when the progress was made: terms may have changed since.
    pub target: u64,
    /// When that was reached. It stays so whatever the terms say later; they may also ask for less by
    /// now, so that what is complete can be without a time here.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was claimed.
    pub claimed_at: Option<DateTime<Utc>>,
}

/// All missions, those with the highest priority first, each with what this player has done for it,
/// if anything.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn board_of(
    pool: &PgPool,
    player: PlayerId,
) -> Result<At<Vec<(MissionRow, Option<MissionProgressRow>)>>, ReadError> {
    let rows = "select mission.*, has.player_id, has.period, has.progress, has.target,
                       has.completed_at, has.claimed_at
                  from read.missions mission
                  left join read.mission_progress has
                         on has.player_id = $1 and has.mission_id = mission.mission_id
                 order by mission.mission_id";
    let on_board = |row: &PgRow| Ok((mission(row)?, progress(row)?));
    let mut board = read_at(pool, rows, |query| query.bind(player.0), on_board).await?;
    board.rows.sort_by_key(|(mission, _)| std::cmp::Reverse(mission.terms.priority));
    Ok(board)
}

fn progress(row: &PgRow) -> Result<Option<MissionProgressRow>, ReadError> {
    let Some(player) = row.try_get("player_id")? else { return Ok(None) };
    let day: Option<NaiveDate> = row.try_get("period")?;
    Ok(Some(MissionProgressRow {
        user_id: PlayerId(player),
        mission_id: MissionId(row.try_get("mission_id")?),
        period: day.map_or(MissionPeriod::Once, MissionPeriod::From),
        progress: number(row, "progress")?,
        target: number(row, "target")?,
        completed_at: row.try_get("completed_at")?,
        claimed_at: row.try_get("claimed_at")?,
    }))
}

/// What events have changed: the latest period of each player and mission.
#[derive(Debug, Default)]
pub(crate) struct MissionProgress(HashMap<(PlayerId, MissionId), Change>);

#[derive(Debug, Clone, Copy)]
struct Change {
    position: i64,
    period: MissionPeriod,
    /// How far, and what it takes; nothing if it was only claimed.
    advanced: Option<(i64, i64)>,
    completed_at: Option<DateTime<Utc>>,
    claimed_at: Option<DateTime<Utc>>,
}

impl Change {
    fn new(position: i64, period: MissionPeriod) -> Self {
        Self { position, period, advanced: None, completed_at: None, claimed_at: None }
    }

    fn day(&self) -> Option<NaiveDate> {
        match self.period {
            MissionPeriod::Once => None,
            MissionPeriod::From(day) => Some(day),
        }
    }

    fn copy_out(&self, (player, mission): (PlayerId, MissionId), rows: &mut CopyRows) {
        let (progress, target) = self.advanced.unwrap_or_default();
        rows.row(8)
            .int(self.position)
            .int(player.0)
            .int(mission.0)
            .optional_date(self.day())
            .int(progress)
            .int(target)
            .optional_time(self.completed_at)
            .optional_time(self.claimed_at);
    }
}

impl MissionProgress {
    /// What is known of this period; `None` if a later one has begun.
    fn in_period(
        &mut self,
        position: i64,
        key: (PlayerId, MissionId),
        period: MissionPeriod,
    ) -> Option<&mut Change> {
        let change = self.0.entry(key).or_insert_with(|| Change::new(position, period));
        match period.cmp(&change.period) {
            Ordering::Less => return None,
            Ordering::Equal => change.position = position,
            Ordering::Greater => *change = Change::new(position, period),
        }
        Some(change)
    }

    fn advance(&mut self, position: i64, player: PlayerId, at: DateTime<Utc>, advance: &Advance) {
        let Goal::Mission { mission, period } = advance.goal else { return };
        let Some(change) = self.in_period(position, (player, mission), period) else { return };
        let target = amount(advance.target.unwrap_or(0));
        change.advanced = Some((amount(advance.progress), target));
        if advance.is_complete() {
            change.completed_at.get_or_insert(at);
        }
    }

    fn fold_activity(&mut self, position: i64, player: PlayerId, event: &ActivityEvent) {
        for advance in event.advanced() {
            self.advance(position, player, event.at(), advance);
        }
    }

    /// What is claimed was completed, so there is progress in the same period.
    fn fold_account(&mut self, position: i64, player: PlayerId, event: &AccountEvent) {
        let AccountEvent::MissionClaimed { at, mission_id, period, .. } = event else { return };
        let change = self.0.entry((player, *mission_id));
        let change = change.or_insert_with(|| Change::new(position, *period));
        if change.period == *period {
            change.position = position;
            change.claimed_at.get_or_insert(*at);
        }
    }
}

/// Brings progress in, and what was claimed of it at once. Of one mission either all periods have a day,
/// or none has. An older one changes nothing.
async fn bring_progress(
    changes: Vec<((PlayerId, MissionId), Change)>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let mut numbers: [Vec<i64>; 5] = Default::default();
    let (mut days, mut completed, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
    for ((player, mission), change) in changes {
        let (progress, target) = change.advanced.unwrap_or_default();
        let values = [change.position, player.0, mission.0, progress, target];
        numbers.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        days.push(change.day());
        completed.push(change.completed_at);
        claimed.push(change.claimed_at);
    }
    let sql = format!(
        "insert into {table} as has
                (position, player_id, mission_id, progress, target, period, completed_at,
                 claimed_at)
         select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],
                              $5::bigint[], $6::date[], $7::timestamptz[], $8::timestamptz[])
         on conflict (player_id, mission_id) do update set
            position = excluded.position, period = excluded.period,
            progress = excluded.progress, target = excluded.target,
            completed_at = case when excluded.period is distinct from has.period
                                then excluded.completed_at
                                else coalesce(has.completed_at, excluded.completed_at) end,
            claimed_at = case when excluded.period is distinct from has.period
                              then excluded.claimed_at
                              else coalesce(has.claimed_at, excluded.claimed_at) end
         where coalesce(excluded.period, '-infinity') >= coalesce(has.period, '-infinity')"
    );
    let query = numbers.into_iter().fold(sqlx::query(&sql), |query, column| query.bind(column));
    query.bind(days).bind(completed).bind(claimed).execute(connection).await?;
    Ok(())
}

/// Brings in what was claimed of progress that is in the table. A plain update: `on conflict` would lock
/// each row before, which costs as much again.
async fn bring_claims(
    changes: Vec<((PlayerId, MissionId), Change)>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let mut numbers: [Vec<i64>; 3] = Default::default();
    let (mut days, mut claimed) = (Vec::new(), Vec::new());
    for ((player, mission), change) in changes {
        let values = [change.position, player.0, mission.0];
        numbers.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        days.push(change.day());
        claimed.push(change.claimed_at);
    }
    let sql = format!(
        "update {table} has
            set position = claim.position, claimed_at = coalesce(has.claimed_at, claim.at)
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::date[], $5::timestamptz[])
                as claim (position, player_id, mission_id, period, at)
          where has.player_id = claim.player_id and has.mission_id = claim.mission_id
            and has.period is not distinct from claim.period"
    );
    let query = numbers.into_iter().fold(sqlx::query(&sql), |query, column| query.bind(column));
    query.bind(days).bind(claimed).execute(connection).await?;
    Ok(())
}

impl ReadModel for MissionProgress {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        vec![format!("alter table {table} add primary key (player_id, mission_id)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            ClubEvent::Activity(player, event) => {
                self.fold_activity(entry.position, *player, event);
            }
            ClubEvent::Account(player, event) => self.fold_account(entry.position, *player, event),
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

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let (made, claimed): (Vec<_>, Vec<_>) =
                self.0.drain().partition(|(_, change)| change.advanced.is_some());
            if !made.is_empty() {
                bring_progress(made, connection, &table).await?;
            }
            if !claimed.is_empty() {
                bring_claims(claimed, connection, &table).await?;
            }
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let made = self.0.drain().filter(|(_, change)| change.advanced.is_some());
        made.for_each(|(key, change)| change.copy_out(key, rows));
    }
}
