//! `replay status`

use std::fmt::Write;

use projections::checkpoint::{StoredFollower, stored_followers};
use projections::feed::Feed;
use serde_json::json;
use sqlx::PgPool;

use crate::outcome::{CLEAN, FINDINGS, Outcome};

/// Reads where everybody stands. A follower whose place is not in the log is a finding.
pub async fn run(pool: &PgPool) -> anyhow::Result<Outcome> {
    let head = Feed::polling(pool.clone()).head().await?;
    let followers = stored_followers(pool).await?;
    let is_gone = |follower: &StoredFollower| follower.is_live() && !follower.is_in_log;
    let code = if followers.iter().any(is_gone) { FINDINGS } else { CLEAN };
    let mut text = format!("head {} (place {})\n", head.position, head.cursor());
    for follower in &followers {
        let StoredFollower { name, generation, version, state, position, lag_events, .. } =
            follower;
        let place = if follower.is_in_log { "" } else { ", its place has gone: rebuild" };
        let waited = follower.lag_ms / 1_000;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name} generation {generation} (version {version}, {state}): position {position}, \
             {lag_events} events and {waited} s behind{place}"
        );
    }
    let json = json!({ "head": head.position, "cursor": head.cursor().to_string(), "followers": followers });
    Ok(Outcome { text, json, code })
}
