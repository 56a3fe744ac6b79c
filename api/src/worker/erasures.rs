//! People who are erased, and notes that were taken away: found in the read models, deleted where they
//! stand. Every node may do it, and it may begin anew at any time: what is gone is gone.
//!
//! When it starts, and each hour, it looks at all who were ever erased: what a restored copy of a table, or
//! a late message, has brought back goes again.

use std::time::{Duration, Instant};

use commands::{Caller, Commands};
use domain::id::PlayerId;
use projections::personal::places::Place;
use projections::personal::{self, Subject};
use projections::read_models::{ReadError, notes, standings};
use sqlx::PgPool;
use tokio::sync::watch;

use crate::auth::lockout::{Who, who_of};
use crate::faults::Fault;

/// How often it looks.
const ROUND: Duration = Duration::from_millis(500);
/// How often it looks at all of them.
const ALL_AGAIN: Duration = Duration::from_secs(3_600);
/// People who are erased at once.
const AT_ONCE: usize = 100;
/// Who does it.
const NAME: &str = "erasures";

/// Runs until it is told to end.
pub(super) async fn run(
    commands: Commands,
    pool: PgPool,
    fault: Option<Fault>,
    mut ending: watch::Receiver<bool>,
) {
    let mut erasures = Erasures { commands, pool, fault, all_at: Instant::now(), notes_to: 0 };
    loop {
        match erasures.round().await {
            // Before the first rebuild nobody is known.
            Ok(()) | Err(ReadError::NotBuilt) => {}
            Err(error) => tracing::warn!(%error, "people cannot be erased for now"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

struct Erasures {
    commands: Commands,
    pool: PgPool,
    fault: Option<Fault>,
    /// When all are looked at again.
    all_at: Instant,
    /// Up to here texts of notes that were taken away are gone.
    notes_to: u64,
}

impl Erasures {
    async fn round(&mut self) -> Result<(), ReadError> {
        let all = Instant::now() >= self.all_at;
        let notes_behind = if all { 0 } else { self.notes_to };
        self.notes_to = notes::forget_removed(&self.pool, notes_behind).await?;
        let unfinished = standings::erased(&self.pool, true).await?.rows;
        if all {
            self.erase(&standings::erased(&self.pool, false).await?.rows).await?;
            self.all_at = Instant::now() + ALL_AGAIN;
        } else {
            self.erase(&unfinished).await?;
        }
        for player in unfinished {
            self.complete(player).await;
        }
        Ok(())
    }

    async fn erase(&self, players: &[PlayerId]) -> Result<(), ReadError> {
        for players in players.chunks(AT_ONCE) {
            Fault::ErasureBegun.strikes_if(self.fault);
            let subjects: Vec<Subject> =
                players.iter().map(|player| self.subject(*player)).collect();
            personal::erase(&self.pool, &subjects, |place| self.may_crash(place)).await?;
            Fault::AllErased.strikes_if(self.fault);
        }
        Ok(())
    }

    fn subject(&self, player: PlayerId) -> Subject {
        let Who(sign_in) = who_of(&self.commands.fingerprints, player);
        Subject { player, sign_in }
    }

    fn may_crash(&self, place: &Place) {
        let fault = match place.table {
            "public.event_texts" => Fault::TextsErased,
            "payments.webhooks" => Fault::MessagesErased,
            "identity.sessions" => Fault::SessionsErased,
            "identity.users" => Fault::RowErased,
            _ => return,
        };
        fault.strikes_if(self.fault);
    }

    async fn complete(&self, player: PlayerId) {
        let caller = Caller { cause: Some(format!("{NAME}/{player}")), ..Caller::system(NAME) };
        if let Err(failure) = self.commands.complete_erasure(&caller, player).await {
            tracing::warn!(%failure, %player, "the end of an erasure cannot be written for now");
        }
    }
}
