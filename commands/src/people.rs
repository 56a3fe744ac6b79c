//! What the staff does about people: notes, details, accounts made by hand, sessions ended from outside.
//! What is known about them stands in tables that can be erased, and here are numbers only.

use domain::account::{Account, AccountCommand};
use domain::id::{PlayerId, RoleCode, SessionId};
use domain::identity::{Details, Identity, IdentityCommand, IdentityEvent};
use domain::role::{BuiltIn, RoleRefusal};

use crate::Commands;
use crate::accounts::sign_up_bonus;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::erasure::insist_on_not_erased;
use crate::standing::{
    StandingRefusal, insist_on_having, insist_on_somebody, of_role, permissions, refused,
};
use crate::world::{Decline, World};

impl Commands {
    /// Writes a note about a player, and gives its number. The text is kept beside the log, where it can
    /// be erased.
    ///
    /// # Errors
    /// If there is nobody, or there are too many notes.
    pub async fn add_note(
        &self,
        caller: &Caller,
        player: PlayerId,
        text: String,
    ) -> Result<Answer<u32>, Failure<StandingRefusal>> {
        let add = IdentityCommand::AddNote { at: self.clock.now() };
        let fingerprint = self.fingerprints.fingerprint("add_note", &(player, &text));
        let request = Request::new(caller, Some(player)).keyed(fingerprint).with_text(text);
        let decide = move |world: &mut World<'_>| {
            insist_on_somebody(world, player)?;
            world.decide::<Identity>(player, &add).map_err(Decline::widen)
        };
        let added = self.bus.execute(request, decide).await?;
        added.answer(|event: &IdentityEvent| match event {
            IdentityEvent::NoteAdded { number, .. } => Some(*number),
            _ => None,
        })
    }

    /// Takes a note away; asking again does nothing. Its text is deleted by whoever looks after that.
    ///
    /// # Errors
    /// If there never was such a note.
    pub async fn remove_note(
        &self,
        caller: &Caller,
        player: PlayerId,
        number: u32,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let remove = IdentityCommand::RemoveNote { at: self.clock.now(), number };
        let fingerprint = self.fingerprints.fingerprint("remove_note", &(player, number));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            insist_on_somebody(world, player)?;
            world.decide::<Identity>(player, &remove).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Writes down that details of a person are edited, without what they are. `version` is the one that
    /// is edited. Nobody edits whoever may do more than they.
    ///
    /// # Errors
    /// If there is nobody.
    pub async fn edit_details(
        &self,
        caller: &Caller,
        by: PlayerId,
        player: PlayerId,
        (details, version): (Details, u64),
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let edit = IdentityCommand::EditDetails { at: self.clock.now(), details };
        let asked = (player, details, version);
        let request = Request::new(caller, Some(player))
            .keyed(self.fingerprints.fingerprint("edit_details", &asked));
        let decide = move |world: &mut World<'_>| {
            insist_on_somebody(world, player)?;
            let needed = permissions(world, player)?;
            insist_on_having(world, Some(by), needed)?;
            world.decide::<Identity>(player, &edit).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Ends a session of somebody from outside; asking again does nothing. Nobody throws out whoever may
    /// do more than they.
    ///
    /// # Errors
    /// If there is nobody.
    pub async fn throw_out(
        &self,
        caller: &Caller,
        by: PlayerId,
        player: PlayerId,
        session: SessionId,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let end = IdentityCommand::EndSession { at: self.clock.now(), session };
        let fingerprint = self.fingerprints.fingerprint("throw_out", &(player, session));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            let needed = permissions(world, player)?;
            insist_on_having(world, Some(by), needed)?;
            world.decide::<Identity>(player, &end).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Whether the caller has used their idempotency key before.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn knows_key(&self, caller: &Caller) -> Result<bool, Unavailable> {
        let Some(key) = &caller.key else { return Ok(false) };
        let actor = caller.actor.to_string();
        Ok(!self.bus.log().find_keys(&[key.as_str()], &actor).await?.is_empty())
    }

    /// Opens an account for somebody who was signed up by one of the staff, with a role within what that
    /// one may give; both in one append. Asking again does nothing.
    ///
    /// # Errors
    /// If there is no such role, or `by` may not give it.
    pub async fn open_account_by_staff(
        &self,
        caller: &Caller,
        by: PlayerId,
        player: PlayerId,
        role: Option<RoleCode>,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let at = self.clock.now();
        let role = role.filter(|role| role.as_str() != BuiltIn::Player.name());
        let open = AccountCommand::Open { at, bonus: sign_up_bonus() };
        let fingerprint = self.fingerprints.fingerprint("open_by_staff", &(player, role));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            insist_on_not_erased(world, player)?;
            if world.read::<Account>(player)?.is_open() {
                return Ok(());
            }
            world.decide::<Account>(player, &open).map_err(Decline::widen)?;
            let Some(role) = role else { return Ok(()) };
            let of_role = of_role(world, role)?.ok_or_else(|| refused(RoleRefusal::NoSuchRole))?;
            insist_on_having(world, Some(by), of_role)?;
            let give = IdentityCommand::GiveRole { at, role };
            world.decide::<Identity>(player, &give).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }
}
