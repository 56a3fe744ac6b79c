//! Items whose time is over: found in the read models, told to their accounts. Every node may look;
//! telling twice does nothing.

use std::time::Duration;

use commands::{Caller, Commands};
use projections::read_models::{ReadError, items};
use sqlx::PgPool;
use tokio::sync::watch;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// Items in one round.
const AT_ONCE: u32 = 200;
/// Who tells.
const NAME: &str = "expiry";

/// Runs until it is told to end.
pub(super) async fn run(commands: Commands, pool: PgPool, mut ending: watch::Receiver<bool>) {
    loop {
        match round(&commands, &pool).await {
            // Before the first rebuild there is nothing to expire.
            Ok(()) | Err(ReadError::NotBuilt) => {}
            Err(error) => tracing::warn!(%error, "expired items cannot be looked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

async fn round(commands: &Commands, pool: &PgPool) -> Result<(), ReadError> {
    let due = items::due(pool, commands.clock.now(), AT_ONCE).await?;
    for item in due.rows {
        let caller =
            Caller { cause: Some(format!("{NAME}/{}", item.item_id)), ..Caller::system(NAME) };
        if let Err(failure) = commands.expire_item(&caller, item.user_id, item.item_id).await {
            tracing::warn!(%failure, item = %item.item_id, "an item cannot be expired for now");
        }
    }
    Ok(())
}
