//! Jobs under way: found in the read models, worked on by so many lines at once. Every node may look.
//! Whatever stops it, it goes on where the job's own stream says: what is done and how far it is are one
//! append. Whether it was stopped is asked for each of them.

use std::time::Duration;

use commands::jobs::Worked;
use commands::{Caller, Commands};
use domain::id::JobId;
use projections::read_models::{ReadError, jobs};
use sqlx::PgPool;
use tokio::sync::watch;

/// How often it looks.
const ROUND: Duration = Duration::from_millis(500);
/// Who does it.
const NAME: &str = "jobs";

/// Runs until it is told to end.
pub(super) async fn run(commands: Commands, pool: PgPool, mut ending: watch::Receiver<bool>) {
    loop {
        match jobs::due(&pool).await {
            Ok(due) => work(&commands, due.rows, &ending).await,
            // Before the first rebuild nothing can be known.
            Err(ReadError::NotBuilt) => {}
            Err(error) => tracing::warn!(%error, "jobs cannot be looked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

/// Does some lines of each in turn, until nothing is left: none waits for the end of a long one.
async fn work(commands: &Commands, mut due: Vec<JobId>, ending: &watch::Receiver<bool>) {
    while !due.is_empty() {
        let mut going_on = Vec::with_capacity(due.len());
        for job in due {
            if *ending.borrow() {
                return;
            }
            match commands.work_on_job(&Caller::system(NAME), job).await {
                Ok(Worked::Some) => going_on.push(job),
                // Nothing more for now, or another node is at it.
                Ok(Worked::Nothing) => {}
                Err(failure) => tracing::warn!(%failure, %job, "a job cannot go on for now"),
            }
        }
        due = going_on;
    }
}
