//! Who is in a segment, as several read models tell it together, all as of one position.

use domain::account::XP_PER_LEVEL;
use domain::id::PlayerId;
use domain::job::Segment;
use sqlx::{PgPool, Row};

use super::balances::amount;
use super::catalog::rank;
use super::{At, ReadError, read_at};

/// The players who are in a segment, ordered by number, `limit` at most. Who has an account and no role
/// of the staff is a player.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn players(
    pool: &PgPool,
    segment: &Segment,
    limit: u32,
) -> Result<At<Vec<PlayerId>>, ReadError> {
    // A rank that was never told is the lowest one.
    let rows = "select holds.player_id
                  from read.balances holds
                  left join read.levels level using (player_id)
                  left join read.standings standing using (player_id)
                 where standing.role is null
                   and ($1::text is null or coalesce(standing.rank, $2) = $1)
                   and ($3::bigint is null or coalesce(level.xp, 0) >= $3)
                   and ($4::bigint is null or coalesce(level.xp, 0) < $4)
                   and ($5::bigint is null or holds.vip_points >= $5)
                 order by holds.player_id limit $6";
    let Segment { rank: of_rank, min_level, max_level, min_vip_points } = *segment;
    let from_xp = min_level.map(|level| xp_of(u64::from(level)));
    let below_xp = max_level.map(|level| xp_of(u64::from(level).saturating_add(1)));
    read_at(
        pool,
        rows,
        |query| {
            let query = query.persistent(false).bind(of_rank.map(rank));
            let query = query.bind(rank(domain::offer::Rank::default()));
            query
                .bind(from_xp)
                .bind(below_xp)
                .bind(min_vip_points.map(amount))
                .bind(i64::from(limit))
        },
        |row| Ok(PlayerId(row.try_get("player_id")?)),
    )
    .await
}

/// Those of these players who have no account, ordered by number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn unknown(pool: &PgPool, players: &[PlayerId]) -> Result<At<Vec<PlayerId>>, ReadError> {
    let rows = "select asked.id from unnest($1::bigint[]) as asked (id)
                 where not exists (select from read.balances where player_id = asked.id)
                 order by asked.id";
    let ids: Vec<i64> = players.iter().map(|player| player.0).collect();
    read_at(pool, rows, |query| query.bind(ids), |row| Ok(PlayerId(row.try_get("id")?))).await
}

/// The least experience that makes a level.
fn xp_of(level: u64) -> i64 {
    amount(level.saturating_sub(domain::account::level(0)).saturating_mul(XP_PER_LEVEL))
}
