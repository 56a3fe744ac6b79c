//! Leaderboards whose occurrence is over: frozen, and their places rewarded. Every node may look:
//! freezing and rewarding twice does nothing. Whatever stops it, it goes on with the places that have
//! no reward yet.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commands::events::PlaceReward;
use commands::play::PlayRefusal;
use commands::{Caller, Commands, Failure};
use domain::account::AccountRefusal;
use domain::id::LiveEventId;
use domain::live_event::{Tier, reward_of};
use futures::{StreamExt, stream};
use projections::read_models::live_events::{self, FrozenBoard, LiveEventRow};
use projections::read_models::participations::{self, PlaceRow};
use projections::read_models::{At, ReadError};
use sqlx::PgPool;
use tokio::sync::watch;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// So long after its end play in an occurrence can still be reported.
const REPORTED_BY: TimeDelta = TimeDelta::minutes(1);
/// Places that are looked for at once: after each such page it is asked whether it was stopped.
const PAGE: u32 = 100;
/// Places that are rewarded at once.
const AT_ONCE: usize = 16;
/// Who does it.
const NAME: &str = "payouts";

/// Runs until it is told to end.
pub(super) async fn run(commands: Commands, pool: PgPool, mut ending: watch::Receiver<bool>) {
    let payouts = Payouts { commands, pool };
    loop {
        match payouts.round().await {
            // Before the first rebuild nothing can be known.
            Ok(()) | Err(ReadError::NotBuilt) => {}
            Err(error) => tracing::warn!(%error, "leaderboards cannot be looked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

struct Payouts {
    commands: Commands,
    pool: PgPool,
}

impl Payouts {
    async fn round(&self) -> Result<(), ReadError> {
        let over_by = self.commands.clock.now() - REPORTED_BY;
        for (event, occurrence_at) in
            participations::boards_to_freeze(&self.pool, over_by).await?.rows
        {
            let caller = Caller::system(NAME);
            let frozen = self.commands.freeze_leaderboard(&caller, event, occurrence_at);
            if let Err(failure) = frozen.await {
                tracing::warn!(%failure, %event, "a leaderboard cannot be frozen for now");
            }
        }
        for event in live_events::due_payouts(&self.pool).await?.rows {
            if let Some(board) = &event.frozen {
                self.pay(&event, board).await?;
            }
        }
        Ok(())
    }

    /// Rewards every place that has no reward yet, unless it is stopped.
    async fn pay(&self, event: &LiveEventRow, board: &FrozenBoard) -> Result<(), ReadError> {
        let FrozenBoard { occurrence_at, tiers, .. } = board;
        let (id, last) = (event.event_id, tiers.last().map_or(0, |tier| tier.last_place));
        let (mut after, mut all_paid) = (0, true);
        while after < last {
            let limit = PAGE.min(last - after);
            let At { rows, .. } =
                participations::places_to_reward(&self.pool, id, *occurrence_at, after, limit)
                    .await?;
            let Some(end) = rows.last().and_then(|row| u32::try_from(row.place).ok()) else {
                break;
            };
            if self.is_stopped(id).await {
                return Ok(());
            }
            all_paid &= self.reward((id, *occurrence_at), tiers, rows).await;
            after = end;
        }
        if all_paid {
            self.finish(id, *occurrence_at, last).await?;
        }
        Ok(())
    }

    async fn is_stopped(&self, event: LiveEventId) -> bool {
        let now = self.commands.event_now(event).await;
        // Whoever cannot ask does not go on.
        now.map_or(true, |now| now.is_none_or(|now| now.payout_is_stopped))
    }

    /// Whether all of these places have their reward now.
    async fn reward(
        &self,
        (event, occurrence_at): (LiveEventId, DateTime<Utc>),
        tiers: &[Tier],
        rows: Vec<PlaceRow>,
    ) -> bool {
        let due = rows.into_iter().filter_map(|row| {
            let place = u32::try_from(row.place).ok()?;
            let rewards = reward_of(tiers, place)?.clone();
            let (player, score) = (row.user_id, row.score);
            Some(PlaceReward { event, occurrence_at, player, place, score, rewards })
        });
        let paid = stream::iter(due).map(|reward| self.reward_one(reward));
        paid.buffer_unordered(AT_ONCE).all(std::future::ready).await
    }

    async fn reward_one(&self, reward: PlaceReward) -> bool {
        let (player, event, place) = (reward.player, reward.event, reward.place);
        let cause = Some(format!("{NAME}/{event}/{place}"));
        let caller = Caller { cause, ..Caller::system(NAME) };
        match self.commands.reward_place(&caller, reward).await {
            Ok(_) => true,
            // Whoever was erased has no account any more: nobody waits for this place's reward.
            Err(Failure::Refused {
                refusal: PlayRefusal::Account(AccountRefusal::NoSuchAccount),
                ..
            }) => true,
            Err(Failure::Refused { refusal, .. }) => {
                tracing::warn!(%player, %event, place, %refusal, "a place cannot be rewarded for now");
                false
            }
            Err(failure) => {
                tracing::warn!(%player, %event, place, %failure, "a place cannot be rewarded for now");
                false
            }
        }
    }

    async fn finish(
        &self,
        event: LiveEventId,
        occurrence_at: DateTime<Utc>,
        last: u32,
    ) -> Result<(), ReadError> {
        let board = participations::top(&self.pool, event, occurrence_at, 1).await?;
        let places = u32::try_from(board.rows.players).unwrap_or(u32::MAX).min(last);
        let caller = Caller::system(NAME);
        let finished = self.commands.finish_payout(&caller, event, occurrence_at, places).await;
        if let Err(failure) = finished {
            tracing::warn!(%failure, %event, "the end of a payout cannot be written for now");
        }
        Ok(())
    }
}
