//! What is asked of somebody's standing.

use domain::id::PlayerId;
use domain::identity::{Identity, IdentityCommand, IdentityRefusal};
use domain::offer::Rank;

use crate::Commands;
use crate::bus::{Committed, Failure, Request, Unavailable};
use crate::context::Caller;

impl Commands {
    /// Gives somebody a rank. Asking for the present one does nothing. The reason is kept beside the
    /// log, where it can be erased.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn change_rank(
        &self,
        caller: &Caller,
        player: PlayerId,
        rank: Rank,
        reason: Option<String>,
    ) -> Result<Committed, Failure<IdentityRefusal>> {
        let command = IdentityCommand::ChangeRank { at: self.clock.now(), rank };
        let fingerprint = self.fingerprints.fingerprint("change_rank", &(player, rank, &reason));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let request = match reason {
            Some(reason) => request.with_text(reason),
            None => request,
        };
        self.bus.execute(request, move |world| world.decide::<Identity>(player, &command)).await
    }

    /// Somebody's rank from the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn rank(&self, player: PlayerId) -> Result<Rank, Unavailable> {
        let (rank, _) = self.bus.look::<Identity, _>(player, Identity::rank).await?;
        Ok(rank)
    }
}
