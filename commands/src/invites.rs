//! What is asked of invites, and accounts that are opened with one.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountRefusal};
use domain::id::{InviteCode, PlayerId};
use domain::invite::{Invite, InviteCommand, InviteEvent, InviteRefusal, InviteTerms};
use domain::stored::{Recorded, decode_id};
use rand::seq::IndexedRandom;

use crate::Commands;
use crate::accounts::sign_up_bonus;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::erasure::insist_on_not_erased;
use crate::world::{Decline, World};

/// What codes are made of that nobody chose: nothing that is taken for something else when it is read
/// out or copied by hand.
const UNAMBIGUOUS: &[u8] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// So many of them make about 50 bits: not to be guessed through a sign-up.
const CODE_LENGTH: usize = 10;

/// An invite at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InviteNow {
    /// Its id.
    pub code: InviteCode,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often and for how long it lets people in.
    pub terms: InviteTerms,
    /// How many have come in with it.
    pub uses: u64,
    /// Since when it lets nobody in, if the staff has closed it.
    pub deactivated_at: Option<DateTime<Utc>>,
}

/// The answer to whoever made an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatedInvite {
    /// It was made.
    New(InviteNow),
    /// It was there already, with the same terms.
    Known(InviteNow),
}

/// Why an account is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpeningRefusal {
    /// Because of the invite.
    #[error(transparent)]
    Invite(#[from] InviteRefusal),
    /// Because of the account.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
}

/// What became of a sign-up that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// Its account will never be opened.
    Lapsed,
    /// Its account is open: there was nothing to give up.
    Open,
}

impl Commands {
    /// Makes an invite, under this code or one that nobody can guess. Asking again for the same code
    /// with the same terms does nothing.
    ///
    /// # Errors
    /// If the code is there with other terms.
    pub async fn create_invite(
        &self,
        caller: &Caller,
        code: Option<InviteCode>,
        terms: InviteTerms,
    ) -> Result<Answer<CreatedInvite>, Failure<InviteRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("create_invite", &(code, terms));
        let request = Request::new(caller, None).keyed(fingerprint);
        let code = code.unwrap_or_else(unguessable);
        let command = InviteCommand::Create { at: self.clock.now(), terms };
        let decide = move |world: &mut World<'_>| world.decide::<Invite>(code, &command);
        let created = self.bus.execute(request, decide).await?;
        if created.events.is_empty() {
            let Answer { body, position, replayed } = self.answer_now(code, &created).await?;
            return Ok(Answer { body: CreatedInvite::Known(body), position, replayed });
        }
        // From the event: a repeat finds the code that was made up the first time.
        created.answer_at(|recorded: &Recorded, event: &InviteEvent| match *event {
            InviteEvent::InviteCreated { at, terms } => {
                let code = decode_id(&recorded.event.aggregate_id).ok()?;
                let (created_at, uses, deactivated_at) = (at, 0, None);
                let invite = InviteNow { code, created_at, terms, uses, deactivated_at };
                Some(CreatedInvite::New(invite))
            }
            InviteEvent::InviteDeactivated { .. }
            | InviteEvent::InviteUsed { .. }
            | InviteEvent::InviteLapsed { .. } => None,
        })
    }

    /// Closes an invite: nobody comes in with it any more. Asking again does nothing.
    ///
    /// # Errors
    /// If there is no such invite.
    pub async fn deactivate_invite(
        &self,
        caller: &Caller,
        code: InviteCode,
    ) -> Result<Answer<InviteNow>, Failure<InviteRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("deactivate_invite", &code);
        let request = Request::new(caller, None).keyed(fingerprint);
        let command = InviteCommand::Deactivate { at: self.clock.now() };
        let decide = move |world: &mut World<'_>| world.decide::<Invite>(code, &command);
        let closed = self.bus.execute(request, decide).await?;
        // Nobody comes in after it, so what is there now is what was there then.
        self.answer_now(code, &closed).await
    }

    /// An invite from the node's own state, if there is one.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn invite_now(&self, code: InviteCode) -> Result<Option<InviteNow>, Unavailable> {
        let now = |invite: &Invite| {
            let (created_at, terms) = invite.created()?;
            let (uses, deactivated_at) = (invite.uses(), invite.deactivated_at());
            Some(InviteNow { code, created_at, terms, uses, deactivated_at })
        };
        Ok(self.bus.look::<Invite, _>(code, now).await?.0)
    }

    /// Whether an invite lets one more in, as far as this node knows: what counts is decided when an
    /// account is opened with it.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn invite_admits(
        &self,
        code: InviteCode,
    ) -> Result<Result<(), InviteRefusal>, Unavailable> {
        let at = self.clock.now();
        Ok(self.bus.look::<Invite, _>(code, move |invite| invite.admits(at)).await?.0)
    }

    /// Opens a player's account with the sign-up bonus and uses the invite for it: both in one append,
    /// or neither. Asking again does nothing.
    ///
    /// # Errors
    /// If the invite lets nobody in, or not this player any more.
    pub async fn open_invited_account(
        &self,
        caller: &Caller,
        player: PlayerId,
        code: InviteCode,
    ) -> Result<Committed, Failure<OpeningRefusal>> {
        let at = self.clock.now();
        let admit = InviteCommand::Use { at, player };
        let open = AccountCommand::Open { at, bonus: sign_up_bonus() };
        let decide = move |world: &mut World<'_>| {
            insist_on_not_erased(world, player)?;
            if world.read::<Account>(player)?.is_open() {
                return Ok(());
            }
            world.decide::<Invite>(code, &admit).map_err(Decline::widen)?;
            world.decide::<Account>(player, &open).map_err(Decline::widen)
        };
        self.bus.execute(Request::new(caller, Some(player)), decide).await
    }

    /// Gives up a sign-up that was on its way with this invite: after this, either its account is open
    /// or it never will be, whatever other nodes are doing. Asking again does nothing.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn give_up_sign_up(
        &self,
        caller: &Caller,
        player: PlayerId,
        code: InviteCode,
    ) -> Result<GivenUp, Failure<InviteRefusal>> {
        let lapse = InviteCommand::Lapse { at: self.clock.now(), player };
        let decide = move |world: &mut World<'_>| {
            if world.read::<Account>(player)?.was_opened() {
                return Ok(());
            }
            world.decide::<Invite>(code, &lapse)
        };
        self.bus.execute(Request::new(caller, Some(player)), decide).await?;
        // An account that was opened stays so, and one that has lapsed is never opened.
        let (was_opened, _) = self.bus.look::<Account, _>(player, Account::was_opened).await?;
        Ok(if was_opened { GivenUp::Open } else { GivenUp::Lapsed })
    }

    async fn answer_now(
        &self,
        code: InviteCode,
        asked: &Committed,
    ) -> Result<Answer<InviteNow>, Failure<InviteRefusal>> {
        let Committed { place, replayed, .. } = *asked;
        let refusal = InviteRefusal::NotFound;
        let body = self.invite_now(code).await?.ok_or(Failure::Refused { refusal, place })?;
        Ok(Answer { body, position: place.position, replayed })
    }
}

fn unguessable() -> InviteCode {
    let mut random = rand::rng();
    let letter = |_| UNAMBIGUOUS.choose(&mut random).copied().map(char::from);
    let text: String = (0..CODE_LENGTH).filter_map(letter).collect();
    // It is made of what codes are made of.
    #[expect(clippy::expect_used, reason = "its letters are those of codes")]
    text.parse().expect("an invite code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_codes_are_ten_unambiguous_characters_and_differ() {
        let (one, other) = (unguessable(), unguessable());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), CODE_LENGTH);
        assert!(one.as_str().bytes().all(|b| UNAMBIGUOUS.contains(&b)), "{one}");
    }
}
