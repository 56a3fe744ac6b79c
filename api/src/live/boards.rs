//! Leaderboards for those who listen to them: read again, a few times a second at most, when scores have
//! changed.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::Commands;
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::LiveEvent;
use projections::read_models::participations::{self, Leaderboard};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::hub::Hub;
use super::messages::Says;
use super::topic::Change;
use crate::auth::sign_in::rfc3339;
use crate::auth::users::Users;
use crate::error::ApiError;

/// How often they are looked after.
const ROUND: Duration = Duration::from_millis(250);
/// Places that are shown.
const PLACES: u32 = 10;

/// A leaderboard.
#[derive(Serialize, ToSchema)]
pub struct BoardData {
    #[schema(value_type = i64)]
    event_id: LiveEventId,
    /// When the occurrence began.
    occurrence_at: String,
    /// Whether scores no longer change.
    frozen: bool,
    /// How many players have a score.
    players: u64,
    top: Vec<PlaceData>,
}

/// A place of a leaderboard.
#[derive(Serialize, ToSchema)]
pub struct PlaceData {
    place: u64,
    #[schema(value_type = i64)]
    user_id: PlayerId,
    #[schema(required = true)]
    nickname: Option<String>,
    score: u64,
}

impl Says for BoardData {
    const TYPE: &'static str = "leaderboard_update";
}

/// Shows changes until it is told to end.
pub async fn run(hub: Hub, commands: Commands, pool: PgPool, mut ending: watch::Receiver<bool>) {
    let mut boards =
        Boards { users: Users::new(pool.clone()), hub, commands, pool, shown: HashMap::new() };
    loop {
        boards.round().await;
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

struct Boards {
    hub: Hub,
    commands: Commands,
    pool: PgPool,
    users: Users,
    /// Which occurrence of each is shown.
    shown: HashMap<LiveEventId, DateTime<Utc>>,
}

impl Boards {
    async fn round(&mut self) {
        let listened_to = self.hub.boards();
        self.shown.retain(|event, _| listened_to.iter().any(|(it, _)| it == event));
        for (event, changed) in listened_to {
            let Some(live_event) = self.hub.event(event) else { continue };
            let now = self.commands.clock.now();
            let Some(occurrence_at) = latest(&live_event, now) else { continue };
            // An occurrence may begin without any event.
            if changed.is_none() && self.shown.get(&event) == Some(&occurrence_at) {
                continue;
            }
            match read(&self.pool, &self.users, (event, &live_event), now).await {
                Ok(Some((position, change))) if changed.is_none_or(|it| it <= position) => {
                    self.hub.show_board(event, position, change);
                    self.shown.insert(event, occurrence_at);
                }
                // The read models are not there yet.
                Ok(_) => {}
                Err(error) => tracing::warn!(%event, ?error, "a leaderboard cannot be read"),
            }
        }
    }
}

/// When the present or latest occurrence began, if it has a leaderboard.
fn latest(event: &LiveEvent, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (_, terms) = event.terms()?;
    let latest = terms.latest_at(now).filter(|_| terms.leaderboard.is_some())?;
    Some(latest.starts_at)
}

/// The first places of the present or latest occurrence, and the position that they show; `None` if there
/// is no leaderboard.
///
/// # Errors
/// If the database does not answer.
pub async fn read(
    pool: &PgPool,
    users: &Users,
    (event, shown): (LiveEventId, &LiveEvent),
    now: DateTime<Utc>,
) -> Result<Option<(u64, Change)>, ApiError> {
    let Some(occurrence_at) = latest(shown, now) else { return Ok(None) };
    let board = participations::top(pool, event, occurrence_at, PLACES).await?;
    let data = data(users, (event, occurrence_at), &board.rows).await?;
    let data = serde_json::to_string(&data).map_err(ApiError::internal)?;
    let change = Change { key: ("board", String::new()), data, is_listed: true };
    Ok(Some((board.position, change)))
}

async fn data(
    users: &Users,
    (event_id, occurrence_at): (LiveEventId, DateTime<Utc>),
    board: &Leaderboard,
) -> Result<BoardData, ApiError> {
    let players: Vec<PlayerId> = board.places.iter().map(|row| row.user_id).collect();
    let names = users.nicknames(&players).await?;
    let place = |row: &participations::PlaceRow| PlaceData {
        place: row.place,
        user_id: row.user_id,
        nickname: names.get(&row.user_id).cloned(),
        score: row.score,
    };
    Ok(BoardData {
        event_id,
        occurrence_at: rfc3339(occurrence_at),
        frozen: board.is_frozen,
        players: board.players,
        top: board.places.iter().map(place).collect(),
    })
}
