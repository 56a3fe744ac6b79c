//! Reading what one has written: a read waits until what it shows is as new as its caller.

use std::time::Duration;

use domain::id::PlayerId;
use projections::follower::FollowerState;
use projections::read_models::ReadError;

use crate::app::App;
use crate::error::{ApiError, Reason};
use crate::request::MinPosition;

/// How long a read waits for the position it has to show.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until the read models show what the caller has to see: the position that the request
/// names, or else the last one that the caller, if known, was told on this node.
///
/// # Errors
/// If that takes too long, or if the read models show a history that is not the log's any more.
pub async fn caught_up(
    app: &App,
    caller: Option<PlayerId>,
    min: MinPosition,
) -> Result<(), ApiError> {
    if app.read_models.state() == FollowerState::PlaceGone {
        let detail = "the read models show what is no longer in the log: they have to be rebuilt";
        return Err(ApiError::new(Reason::ReadModelBehind, detail));
    }
    let told = || caller.map(|caller| app.positions.of(caller));
    let position = min.0.or_else(told).unwrap_or(0);
    if app.read_models.wait_for(position, PATIENCE).await {
        return Ok(());
    }
    Err(behind(position, app.read_models.position()))
}

/// The same for what is read of the outbox: waits until what is due up to there stands in it.
///
/// # Errors
/// If that takes too long.
pub async fn mail_caught_up(app: &App, caller: PlayerId, min: MinPosition) -> Result<(), ApiError> {
    let position = min.0.unwrap_or_else(|| app.positions.of(caller));
    if app.mail_follower.wait_for(position, PATIENCE).await {
        return Ok(());
    }
    Err(behind(position, app.mail_follower.position()))
}

/// Waits until this node has seen the position that the request names. What the caller was told on
/// this node, it has seen.
///
/// # Errors
/// If that takes too long.
pub async fn seen(app: &App, min: MinPosition) -> Result<(), ApiError> {
    let Some(position) = min.0 else { return Ok(()) };
    if app.commands.bus.reach(position, PATIENCE).await {
        return Ok(());
    }
    Err(behind(position, app.commands.bus.head().position))
}

fn behind(asked: u64, is_at: u64) -> ApiError {
    let detail = format!("position {asked} is not here yet, only {is_at}: ask again shortly");
    ApiError::new(Reason::ReadModelBehind, detail).with("position", is_at)
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Database(error) => error.into(),
            ReadError::NotBuilt => {
                let detail = "the read models are being built: ask again shortly";
                Self::new(Reason::ReadModelBehind, detail)
            }
            ReadError::OutOfRange(error) => Self::internal(error),
            ReadError::Event(error) => Self::internal(error),
        }
    }
}
