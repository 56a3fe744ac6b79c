//! Erasing a person: the log says that it happened, and the account closes, in one append. What is known
//! about them is deleted afterwards; that it is done stands in the log, too.

use domain::account::{Account, AccountCommand, AccountRefusal};
use domain::id::PlayerId;
use domain::identity::{Erasure, Identity, IdentityCommand};

use crate::Commands;
use crate::bus::{Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::standing::StandingRefusal;
use crate::world::{Decline, World};

impl Commands {
    /// Erases somebody: from here on nobody is behind the number, all sessions have ended, and the account
    /// is closed. Asking again does nothing. `by` is who of the staff asks; the player, if nobody. The
    /// reason is a text about the player, and is erased with the others.
    ///
    /// # Errors
    /// If something is owed or under way, or somebody of the staff is meant.
    pub async fn erase(
        &self,
        caller: &Caller,
        by: Option<PlayerId>,
        player: PlayerId,
        reason: Option<String>,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("erase", &player);
        let mut request = Request::new(caller, Some(player)).keyed(fingerprint);
        if let Some(reason) = reason {
            request = request.with_text(reason);
        }
        let decide = move |world: &mut World<'_>| {
            if by == Some(player) {
                return Err(Decline::Refused(StandingRefusal::Oneself));
            }
            let erase = IdentityCommand::Erase { at };
            world.decide::<Identity>(player, &erase).map_err(Decline::widen)?;
            // Of a sign-up that did not come to its end there is no account, and will be none.
            if world.read::<Account>(player)?.is_open() {
                let close = AccountCommand::Close { at };
                world.decide::<Account>(player, &close).map_err(Decline::widen)?;
            }
            Ok(())
        };
        self.bus.execute(request, decide).await
    }

    /// Writes down that all that was known about somebody is gone; asking again does nothing.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn complete_erasure(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let complete = IdentityCommand::CompleteErasure { at: self.clock.now() };
        let decide = move |world: &mut World<'_>| {
            world.decide::<Identity>(player, &complete).map_err(Decline::widen)
        };
        self.bus.execute(Request::new(caller, Some(player)), decide).await
    }

    /// That somebody was erased, if so, as this node knows.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn erasure(&self, player: PlayerId) -> Result<Option<Erasure>, Unavailable> {
        self.standing(player, Identity::erasure).await
    }
}

/// Whoever was erased never comes back under the same number, whatever was on its way.
pub(crate) fn insist_on_not_erased<R: From<AccountRefusal>>(
    world: &mut World<'_>,
    player: PlayerId,
) -> Result<(), Decline<R>> {
    match world.read::<Identity>(player)?.erasure() {
        Some(_) => Err(Decline::Refused(AccountRefusal::NoSuchAccount.into())),
        None => Ok(()),
    }
}
