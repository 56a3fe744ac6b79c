//! Connections that are only there: subscribed, and told nothing but marks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::club::{Club, Member};
use super::source::ManyDoors;
use crate::live::{Change, Client};

/// Connections that are being opened at a time.
const AT_ONCE: usize = 32;
/// Since the last one was opened, for how long none may be.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Tally {
    open: AtomicUsize,
    cuts: AtomicU64,
    last: Mutex<Option<String>>,
}

/// See the module. They are closed when it is dropped.
#[derive(Debug)]
pub struct Idle {
    tally: Arc<Tally>,
    holding: JoinSet<()>,
}

impl Idle {
    /// Opens so many, dealt out to members; waits until all are subscribed, and tells how many are.
    ///
    /// # Errors
    /// If they do not come about.
    pub async fn open(
        club: &Club,
        members: &[Member],
        count: usize,
        tell: impl Fn(usize),
    ) -> Result<Self> {
        let mut idle = Self { tally: Arc::default(), holding: JoinSet::new() };
        let turn = Arc::new(Semaphore::new(AT_ONCE));
        for (number, member) in (0..count).zip(members.iter().cycle()) {
            let (client, tally) = (club.listen(member, number), Arc::clone(&idle.tally));
            idle.holding.spawn(hold(client, tally, Arc::clone(&turn)));
        }
        let (mut before, mut since) = (0, Instant::now());
        while before < count {
            sleep(Duration::from_millis(50)).await;
            let open = idle.tally.open.load(Ordering::Relaxed);
            tell(open);
            if open > before {
                (before, since) = (open, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let last = idle.tally.last.lock().unwrap_or_else(PoisonError::into_inner);
                bail!("only {open} of {count} connections came about; the last end: {last:?}");
            }
        }
        Ok(idle)
    }

    /// How many connections were lost so far.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.tally.cuts.load(Ordering::Relaxed)
    }
}

async fn hold(mut client: Client<ManyDoors>, tally: Arc<Tally>, turn: Arc<Semaphore>) {
    let mut waiting = turn.acquire_owned().await.ok();
    loop {
        match client.next().await {
            Change::State { .. } | Change::Resumed { .. } => {
                waiting.take();
                tally.open.fetch_add(1, Ordering::Relaxed);
            }
            change @ (Change::Cut(_) | Change::Ended(_) | Change::Refused { .. }) => {
                if waiting.is_none() {
                    tally.open.fetch_sub(1, Ordering::Relaxed);
                }
                tally.cuts.fetch_add(1, Ordering::Relaxed);
                let is_over = !matches!(change, Change::Cut(_));
                *tally.last.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("{change:?}"));
                if is_over {
                    return;
                }
            }
            Change::Connected { .. } | Change::Told { .. } | Change::Mark { .. } => {}
        }
    }
}
