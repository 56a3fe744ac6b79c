//! Channels that many listen to gather what changes, and tell it a few times a second.

use std::sync::Arc;
use std::time::Duration;

use commands::clock::Clock;
use tokio::sync::watch;

use super::hub::Hub;

/// How long changes gather.
const ROUND: Duration = Duration::from_millis(100);

/// Tells until it is told to end.
pub async fn run(hub: Hub, clock: Arc<dyn Clock>, mut ending: watch::Receiver<bool>) {
    loop {
        hub.flush(clock.now());
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}
