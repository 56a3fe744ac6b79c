//! The standing of each player to whom the staff has given one: rank, role, ban; and that somebody was
//! erased.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::{PlayerId, RoleCode};
use domain::identity::{Erasure, IdentityEvent};
use domain::offer::Rank;
use domain::role::BuiltIn;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::catalog::rank;
use super::{At, Entry, ReadError, ReadModel, named, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "standings";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 4;

/// Null is what was never told: the lowest rank, a player's role, no ban, mail as usual.
const COLUMNS: &str = "(
    position             bigint not null,
    player_id            bigint not null,
    rank                 text,
    role                 text,
    banned_at            timestamptz,
    banned_until         timestamptz,
    mail_suppressed_at   timestamptz,
    erased_at            timestamptz,
    erasure_completed_at timestamptz
)";

/// A player's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StandingRow {
    /// Whose.
    pub user_id: PlayerId,
    /// The rank.
    pub rank: Rank,
    /// The role; a player's if not told.
    pub role: Option<RoleCode>,
    /// The ban, if one was pronounced and not taken back; it may have run out.
    pub ban: Option<BanRow>,
    /// That the person was erased, if so.
    pub erasure: Option<Erasure>,
}

/// A ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BanRow {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Until when; for good if not told.
    pub until: Option<DateTime<Utc>>,
}

/// What the staff sees of somebody in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Who.
    pub user_id: PlayerId,
    /// Spendable gold.
    pub gold: u64,
    /// The second currency.
    pub vip_points: u64,
    /// Experience.
    pub xp: u64,
    /// The standing.
    pub standing: StandingRow,
    /// Whether they get no mail, as the staff decided.
    pub is_mail_suppressed: bool,
}

/// These players in a list, ordered by player, all as of one position; who has no account is missing.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn overview(pool: &PgPool, players: &[PlayerId]) -> Result<At<Vec<Overview>>, ReadError> {
    let rows =
        "select holds.player_id, holds.gold_paid + holds.gold_free as gold, holds.vip_points,
                       coalesce(level.xp, 0) as xp, standing.rank, standing.role,
                       standing.banned_at, standing.banned_until,
                       standing.mail_suppressed_at is not null as is_mail_suppressed,
                       standing.erased_at, standing.erasure_completed_at
                  from read.balances holds
                  left join read.levels level using (player_id)
                  left join read.standings standing using (player_id)
                 where holds.player_id = any($1) order by holds.player_id";
    let ids: Vec<i64> = players.iter().map(|player| player.0).collect();
    let of_row = |row: &PgRow| {
        Ok(Overview {
            user_id: PlayerId(row.try_get("player_id")?),
            gold: number(row, "gold")?,
            vip_points: number(row, "vip_points")?,
            xp: number(row, "xp")?,
            standing: standing(row)?,
            is_mail_suppressed: row.try_get("is_mail_suppressed")?,
        })
    };
    read_at(pool, rows, |query| query.bind(ids), of_row).await
}

/// Whoever gets no mail, as the staff decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MailSuppressedRow {
    /// Who.
    pub user_id: PlayerId,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Everybody who gets no mail, by number, behind the number `after`, `limit` at most.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn mail_suppressed(
    pool: &PgPool,
    after: Option<u64>,
    limit: u32,
) -> Result<At<Vec<MailSuppressedRow>>, ReadError> {
    let rows = "select player_id, mail_suppressed_at from read.standings
                 where mail_suppressed_at is not null and player_id > $1
                 order by player_id limit $2";
    let after = i64::try_from(after.unwrap_or(0)).unwrap_or(i64::MAX);
    let of_row = |row: &PgRow| {
        let user_id = PlayerId(row.try_get("player_id")?);
        Ok(MailSuppressedRow { user_id, since: row.try_get("mail_suppressed_at")? })
    };
    read_at(pool, rows, |query| query.bind(after).bind(i64::from(limit)), of_row).await
}

/// Everybody who was erased, by number; only those of whom something may still be there, if `unfinished`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn erased(pool: &PgPool, unfinished: bool) -> Result<At<Vec<PlayerId>>, ReadError> {
    let rows = "select player_id from read.standings
                 where erased_at is not null and not ($1 and erasure_completed_at is not null)
                 order by player_id";
    let player = |row: &PgRow| Ok(PlayerId(row.try_get("player_id")?));
    read_at(pool, rows, |query| query.bind(unfinished), player).await
}

/// That somebody was erased, if so.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn erasure(pool: &PgPool, player: PlayerId) -> Result<At<Option<Erasure>>, ReadError> {
    let rows = "select erased_at, erasure_completed_at from read.standings where player_id = $1";
    let At { position, rows } =
        read_at(pool, rows, |query| query.bind(player.0), erasure_of).await?;
    Ok(At { position, rows: rows.into_iter().next().flatten() })
}

fn erasure_of(row: &PgRow) -> Result<Option<Erasure>, ReadError> {
    let at: Option<DateTime<Utc>> = row.try_get("erased_at")?;
    let completed_at = row.try_get("erasure_completed_at")?;
    Ok(at.map(|at| Erasure { at, completed_at }))
}

fn standing(row: &PgRow) -> Result<StandingRow, ReadError> {
    let has = |column: &str| Ok::<_, ReadError>(row.try_get::<Option<&str>, _>(column)?.is_some());
    let banned_at: Option<DateTime<Utc>> = row.try_get("banned_at")?;
    let until = row.try_get("banned_until")?;
    Ok(StandingRow {
        user_id: PlayerId(row.try_get("player_id")?),
        rank: if has("rank")? { named(row, "rank")? } else { Rank::default() },
        role: if has("role")? { Some(named(row, "role")?) } else { None },
        ban: banned_at.map(|at| BanRow { at, until }),
        erasure: erasure_of(row)?,
    })
}

/// What events have changed of each player's standing.
#[derive(Debug, Default)]
pub(crate) struct Standings(HashMap<PlayerId, Change>);

/// What is told is `Some`.
#[derive(Debug, Default)]
struct Change {
    position: i64,
    rank: Option<Rank>,
    role: Option<Option<RoleCode>>,
    ban: Option<Option<BanRow>>,
    mail_suppressed_at: Option<Option<DateTime<Utc>>>,
    erased_at: Option<DateTime<Utc>>,
    erasure_completed_at: Option<DateTime<Utc>>,
}

impl Change {
    fn take(&mut self, position: i64, event: &IdentityEvent) {
        match *event {
            IdentityEvent::RankChanged { rank, .. } => self.rank = Some(rank),
            IdentityEvent::RoleGiven { role, .. } => {
                let is_player = role.as_str() == BuiltIn::Player.name();
                self.role = Some((!is_player).then_some(role));
            }
            IdentityEvent::Banned { at, until } => self.ban = Some(Some(BanRow { at, until })),
            IdentityEvent::Unbanned { .. } => self.ban = Some(None),
            IdentityEvent::Erased { at } => self.erased_at = Some(at),
            IdentityEvent::ErasureCompleted { at } => self.erasure_completed_at = Some(at),
            IdentityEvent::MailSuppressed { at } => self.mail_suppressed_at = Some(Some(at)),
            IdentityEvent::MailAllowed { .. } => self.mail_suppressed_at = Some(None),
            IdentityEvent::SessionsEnded { .. }
            | IdentityEvent::SessionEnded { .. }
            | IdentityEvent::NoteAdded { .. }
            | IdentityEvent::NoteRemoved { .. }
            | IdentityEvent::DetailsEdited { .. }
            | IdentityEvent::ProfileChanged { .. }
            | IdentityEvent::TotpEnrolled { .. }
            | IdentityEvent::TotpRemoved { .. } => return,
        }
        self.position = position;
    }

    fn is_nothing(&self) -> bool {
        self.position == 0
    }
}

impl ReadModel for Standings {
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
        vec![
            format!("alter table {table} add primary key (player_id)"),
            format!("create index on {table} (erased_at) where erased_at is not null"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Identity(player, event) = &entry.event else { return };
        self.0.entry(*player).or_default().take(entry.position, event);
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            for (player, change) in self.0.drain().filter(|(_, change)| !change.is_nothing()) {
                bring(player, &change, connection, &table).await?;
            }
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (player, change) in self.0.drain().filter(|(_, change)| !change.is_nothing()) {
            let ban = change.ban.flatten();
            rows.row(9)
                .int(change.position)
                .int(player.0)
                .optional_text(change.rank.map(rank))
                .optional_text(change.role.flatten().as_ref().map(RoleCode::as_str))
                .optional_time(ban.map(|ban| ban.at))
                .optional_time(ban.and_then(|ban| ban.until))
                .optional_time(change.mail_suppressed_at.flatten())
                .optional_time(change.erased_at)
                .optional_time(change.erasure_completed_at);
        }
    }
}

/// One at a time: the staff does not do this often.
async fn bring(
    player: PlayerId,
    change: &Change,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let sql = format!(
        "insert into {table} as has (position, player_id, rank, role, banned_at, banned_until,
                                     erased_at, erasure_completed_at, mail_suppressed_at)
         values ($1, $2, $3, $4, $5, $6, $9, $10, $11)
         on conflict (player_id) do update set
            position = excluded.position,
            rank = coalesce(excluded.rank, has.rank),
            role = case when $7 then excluded.role else has.role end,
            banned_at = case when $8 then excluded.banned_at else has.banned_at end,
            banned_until = case when $8 then excluded.banned_until else has.banned_until end,
            erased_at = coalesce(has.erased_at, excluded.erased_at),
            erasure_completed_at =
                coalesce(has.erasure_completed_at, excluded.erasure_completed_at),
            mail_suppressed_at =
                case when $12 then excluded.mail_suppressed_at else has.mail_suppressed_at end"
    );
    let ban = change.ban.flatten();
    sqlx::query(&sql)
        .bind(change.position)
        .bind(player.0)
        .bind(change.rank.map(rank))
        .bind(change.role.flatten().as_ref().map(RoleCode::as_str))
        .bind(ban.map(|ban| ban.at))
        .bind(ban.and_then(|ban| ban.until))
        .bind(change.role.is_some())
        .bind(change.ban.is_some())
        .bind(change.erased_at)
        .bind(change.erasure_completed_at)
        .bind(change.mail_suppressed_at.flatten())
        .bind(change.mail_suppressed_at.is_some())
        .execute(connection)
        .await?;
    Ok(())
}
