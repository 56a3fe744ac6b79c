//! Missions for which counts what was done before they were there: found in the read models, counted
//! from the log, told to each player's activity under a key of its own. Every node may do it, and it
//! may begin anew at any time: each player's share counts once.

use std::time::Duration;

use commands::{Caller, Commands, Failure, IdempotencyKey};
use domain::id::PlayerId;
use futures::{StreamExt, stream};
use projections::play_in_log::past_play;
use projections::read_models::ReadError;
use projections::read_models::missions::{self, MissionRow};
use sqlx::PgPool;
use tokio::sync::watch;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// Players who are told at once.
const AT_ONCE: usize = 64;
/// Who tells.
const NAME: &str = "past_play";

/// Runs until it is told to end.
pub(super) async fn run(commands: Commands, pool: PgPool, mut ending: watch::Receiver<bool>) {
    loop {
        match round(&commands, &pool).await {
            // Before the first rebuild no mission is known.
            Ok(()) | Err(ReadError::NotBuilt) => {}
            Err(error) => tracing::warn!(%error, "missions with past play cannot be looked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

async fn round(commands: &Commands, pool: &PgPool) -> Result<(), ReadError> {
    for mission in missions::all(pool).await?.rows {
        if let Some(after) = mission.counts_after
            && let Err(error) = count(commands, pool, &mission, after).await
        {
            let id = mission.mission_id;
            tracing::warn!(%error, mission = %id, "past play cannot be counted for now");
        }
    }
    Ok(())
}

async fn count(
    commands: &Commands,
    pool: &PgPool,
    mission: &MissionRow,
    after: u64,
) -> anyhow::Result<()> {
    let (now, terms) = (commands.clock.now(), mission.terms.clone());
    let (counter, period) = (terms.counter, terms.cadence.period_at(now));
    let counts = move |at| terms.is_open(at) && terms.cadence.period_at(at) == period;
    let sums = past_play(pool, counter, after, mission.defined_position, counts).await?;
    let tell = |(player, amount)| async move {
        let caller = caller(mission, player);
        let counted =
            commands.count_past_play(&caller, player, mission.mission_id, (now, amount)).await;
        match counted {
            Ok(counted) => Ok(u64::from(!counted.events.is_empty())),
            // It is off the board, or what would count is over: nothing comes of it.
            Err(Failure::Refused { .. }) => Ok(0),
            Err(failure) => Err(anyhow::anyhow!("{failure}")),
        }
    };
    let told: Vec<anyhow::Result<u64>> =
        stream::iter(sums).map(tell).buffer_unordered(AT_ONCE).collect().await;
    let players = told.into_iter().sum::<anyhow::Result<u64>>()?;
    let added = commands.add_past_play(&Caller::system(NAME), mission.mission_id, players).await;
    added.map(drop).map_err(|failure| anyhow::anyhow!("{failure}"))
}

fn caller(mission: &MissionRow, player: PlayerId) -> Caller {
    let name = format!("{NAME}/{}/{player}", mission.mission_id);
    let key = IdempotencyKey::parse(&name).ok();
    Caller { cause: Some(name), key, ..Caller::system(NAME) }
}
