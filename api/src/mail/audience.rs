//! Whom a campaign goes to: those of its audience who want such mail, have a confirmed address, and may get
//! any.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::account::level;
use domain::campaign::{Audience, Segment};
use domain::id::PlayerId;
use projections::read_models::standings::{self, Overview};
use sqlx::PgPool;

use crate::error::ApiError;

/// People who are looked at in one go.
const AT_ONCE: i64 = 1_000;

/// Everybody whom a campaign would go to at a moment, by number.
///
/// # Errors
/// If the database does not answer, or the read models are not there yet.
pub async fn recipients(
    pool: &PgPool,
    audience: &Audience,
    now: DateTime<Utc>,
) -> Result<Vec<PlayerId>, ApiError> {
    let segment =
        if let Audience::Segment(segment) = audience { *segment } else { Segment::default() };
    let listed: Option<Vec<i64>> = match audience {
        Audience::List(list) => Some(list.iter().map(|player| player.0).collect()),
        Audience::All | Audience::Segment(_) => None,
    };
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let willing = willing(pool, (listed.as_deref(), &segment), after).await?;
        let Some(last) = willing.last() else { return Ok(found) };
        after = last.0;
        let shown = standings::overview(pool, &willing).await?.rows;
        let shown: HashMap<PlayerId, Overview> =
            shown.into_iter().map(|row| (row.user_id, row)).collect();
        let fits =
            |player: &PlayerId| shown.get(player).is_some_and(|row| fits(row, &segment, now));
        found.extend(willing.into_iter().filter(fits));
    }
}

/// Of a list, those that name somebody more than once do so once.
#[must_use]
pub fn without_repeats(list: Vec<PlayerId>) -> Vec<PlayerId> {
    let mut seen = HashSet::new();
    list.into_iter().filter(|player| seen.insert(*player)).collect()
}

/// Those who want such mail, and where it would go to is known; some of them, by number.
async fn willing(
    pool: &PgPool,
    (listed, segment): (Option<&[i64]>, &Segment),
    after: i64,
) -> Result<Vec<PlayerId>, ApiError> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "select id from identity.users
          where id > $1 and marketing_mail and email is not null and state = 'active'
            and ($2::bigint[] is null or id = any($2)) and ($3::text is null or language = $3)
          order by id limit $4",
    )
    .bind(after)
    .bind(listed)
    .bind(segment.language.map(|language| language.name()))
    .bind(AT_ONCE)
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(PlayerId).collect())
}

fn fits(row: &Overview, segment: &Segment, now: DateTime<Utc>) -> bool {
    let is_banned = row.standing.ban.is_some_and(|ban| ban.until.is_none_or(|until| now < until));
    let level = level(row.xp);
    !is_banned
        && !row.is_mail_suppressed
        && segment.rank.is_none_or(|rank| rank == row.standing.rank)
        && segment.min_level.is_none_or(|least| level >= least)
        && segment.max_level.is_none_or(|most| level <= most)
}
