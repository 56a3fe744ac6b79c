//! What is asked of somebody's standing: rank, role, bans, the end of sessions.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountRefusal};
use domain::id::{EnrolmentId, PlayerId, RoleCode, SessionId};
use domain::identity::{Identity, IdentityCommand, IdentityRefusal};
use domain::offer::Rank;
use domain::role::{BuiltIn, Permissions, Role, RoleCommand, RoleRefusal};

use crate::Commands;
use crate::bus::{Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::{Decline, Missing, World};

/// Why nothing came of what was asked about somebody's standing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StandingRefusal {
    /// There is nobody with this number.
    #[error("there is no user with this number")]
    Nobody,
    /// The standing says no.
    #[error(transparent)]
    Identity(#[from] IdentityRefusal),
    /// The own second factor.
    #[error("nobody resets the own second factor: remove it with a code at /api/auth/totp")]
    OwnTotp,
    /// The rules of roles say no.
    #[error(transparent)]
    Role(#[from] RoleRefusal),
    /// The account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// Nobody of the staff does this to themselves.
    #[error("somebody else of the staff has to do this")]
    Oneself,
}

/// Something that is done to somebody's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum StandingChange {
    /// Another rank.
    Rank(Rank),
    /// Kept out until a moment, or for good.
    Ban(Option<DateTime<Utc>>),
    /// Let in again.
    Unban,
    /// Logged out everywhere.
    EndSessions,
    /// The second factor is taken away, and all sessions with it.
    ResetTotp,
    /// No mail any more.
    SuppressMail,
    /// Mail again.
    AllowMail,
}

impl StandingChange {
    fn command(self, at: DateTime<Utc>) -> IdentityCommand {
        match self {
            Self::Rank(rank) => IdentityCommand::ChangeRank { at, rank },
            Self::Ban(until) => IdentityCommand::Ban { at, until },
            Self::Unban => IdentityCommand::Unban { at },
            Self::EndSessions => IdentityCommand::EndSessions { at, but: None },
            Self::ResetTotp => IdentityCommand::RemoveTotp { at, only: None, but: None },
            Self::SuppressMail => IdentityCommand::SuppressMail { at },
            Self::AllowMail => IdentityCommand::AllowMail { at },
        }
    }
}

pub(crate) type Declined = Decline<StandingRefusal>;

impl Commands {
    /// Changes somebody's standing. Asking for what is so already does nothing. Nobody keeps out or
    /// throws out whoever may do more than they, nor resets their second factor, or the own one. The reason is kept beside the log, where it can be
    /// erased.
    ///
    /// # Errors
    /// If there is nobody, or the change makes no sense.
    pub async fn change_standing(
        &self,
        caller: &Caller,
        by: PlayerId,
        player: PlayerId,
        (change, reason): (StandingChange, Option<String>),
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let command = change.command(self.clock.now());
        let fingerprint =
            self.fingerprints.fingerprint("change_standing", &(player, change, &reason));
        let mut request = Request::new(caller, Some(player)).keyed(fingerprint);
        if let Some(reason) = reason {
            request = request.with_text(reason);
        }
        let decide = move |world: &mut World<'_>| {
            insist_on_somebody(world, player)?;
            if change == StandingChange::ResetTotp && by == player {
                return Err(Decline::Refused(StandingRefusal::OwnTotp));
            }
            if let StandingChange::Ban(_)
            | StandingChange::EndSessions
            | StandingChange::ResetTotp = change
            {
                let needed = permissions(world, player)?;
                insist_on_having(world, Some(by), needed)?;
            }
            world.decide::<Identity>(player, &command).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Ends one of somebody's sessions, or all but one.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn end_sessions(
        &self,
        caller: &Caller,
        player: PlayerId,
        ended: Ended,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let at = self.clock.now();
        let command = match ended {
            Ended::One(session) => IdentityCommand::EndSession { at, session },
            Ended::AllBut(but) => IdentityCommand::EndSessions { at, but },
        };
        let request = Request::new(&caller.without_key(), Some(player));
        let decide = move |world: &mut World<'_>| {
            world.decide::<Identity>(player, &command).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Changes somebody's own second factor. Asking for what is so already does nothing.
    ///
    /// # Errors
    /// If there is another one already.
    pub async fn change_totp(
        &self,
        caller: &Caller,
        player: PlayerId,
        change: TotpChange,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        self.decide_of(caller, player, change.command(self.clock.now())).await
    }

    /// Tells everybody who listens that something about somebody has changed.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn announce_profile(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let changed = IdentityCommand::ChangeProfile { at: self.clock.now() };
        self.decide_of(caller, player, changed).await
    }

    async fn decide_of(
        &self,
        caller: &Caller,
        player: PlayerId,
        command: IdentityCommand,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let request = Request::new(&caller.without_key(), Some(player));
        let decide = move |world: &mut World<'_>| {
            world.decide::<Identity>(player, &command).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Gives somebody a role. Nobody gives or takes what they may not do themselves, nor changes the
    /// own role; `by` is who asks, the club itself if nobody.
    ///
    /// # Errors
    /// If there is nobody or no such role, or whoever asks may not.
    pub async fn give_role(
        &self,
        caller: &Caller,
        by: Option<PlayerId>,
        player: PlayerId,
        role: RoleCode,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("give_role", &(player, role));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            insist_on_somebody(world, player)?;
            let of_role = of_role(world, role)?.ok_or_else(|| refused(RoleRefusal::NoSuchRole))?;
            let moved = of_role.and(permissions(world, player)?);
            if by == Some(player) {
                return Err(refused(RoleRefusal::OwnRole));
            }
            insist_on_having(world, by, moved)?;
            let give = IdentityCommand::GiveRole { at, role };
            world.decide::<Identity>(player, &give).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Makes a role of the club's own, or changes what it may do. Nobody gives or takes what they may
    /// not do themselves.
    ///
    /// # Errors
    /// If it is a built-in one, whoever asks may not, or it is at none of these versions (any, if not
    /// given).
    pub async fn define_role(
        &self,
        caller: &Caller,
        by: PlayerId,
        (role, may): (RoleCode, Permissions),
        versions: Option<Vec<u32>>,
    ) -> Result<Committed, Failure<StandingRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("define_role", &(role, may));
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            if BuiltIn::find(role).is_some() {
                return Err(refused(RoleRefusal::BuiltIn));
            }
            let moved = may.and(of_role(world, role)?.unwrap_or_default());
            insist_on_having(world, Some(by), moved)?;
            let versions = versions.clone();
            let define = RoleCommand::Define { at, permissions: may, versions };
            world.decide::<Role>(role, &define).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Somebody's rank from the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn rank(&self, player: PlayerId) -> Result<Rank, Unavailable> {
        self.standing(player, Identity::rank).await
    }

    /// A role of the club's own in the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn role_now(&self, role: RoleCode) -> Result<Role, Unavailable> {
        Ok(self.bus.look::<Role, _>(role, Clone::clone).await?.0)
    }

    /// Looks at somebody's standing in the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn standing<T>(
        &self,
        player: PlayerId,
        look: impl Fn(&Identity) -> T,
    ) -> Result<T, Unavailable> {
        Ok(self.bus.look::<Identity, _>(player, look).await?.0)
    }
}

/// Which sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This one.
    One(SessionId),
    /// All, or all but this one.
    AllBut(Option<SessionId>),
}

/// What somebody does to the own second factor; one session goes on, all others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotpChange {
    /// Signing in takes codes of this enrolment from now on.
    Enrol(EnrolmentId, SessionId),
    /// It does not any more.
    Remove(EnrolmentId, SessionId),
}

impl TotpChange {
    fn command(self, at: DateTime<Utc>) -> IdentityCommand {
        match self {
            Self::Enrol(enrolment, but) => IdentityCommand::EnrolTotp { at, enrolment, but },
            Self::Remove(enrolment, but) => {
                IdentityCommand::RemoveTotp { at, only: Some(enrolment), but: Some(but) }
            }
        }
    }
}

pub(crate) fn refused(refusal: RoleRefusal) -> Declined {
    Decline::Refused(refusal.into())
}

pub(crate) fn insist_on_somebody(world: &mut World<'_>, player: PlayerId) -> Result<(), Declined> {
    if world.read::<Account>(player)?.is_open() {
        return Ok(());
    }
    Err(Decline::Refused(StandingRefusal::Nobody))
}

pub(crate) fn insist_on_having(
    world: &mut World<'_>,
    by: Option<PlayerId>,
    needed: Permissions,
) -> Result<(), Declined> {
    let Some(by) = by else { return Ok(()) };
    let has = permissions(world, by)?;
    match needed.iter().find(|one| !has.has(*one)) {
        Some(lacking) => Err(refused(RoleRefusal::Lacking(lacking))),
        None => Ok(()),
    }
}

/// What somebody may do.
pub(crate) fn permissions(world: &mut World<'_>, player: PlayerId) -> Result<Permissions, Missing> {
    match world.read::<Identity>(player)?.role() {
        Some(role) => Ok(of_role(world, role)?.unwrap_or_default()),
        None => Ok(Permissions::NONE),
    }
}

/// What a role may do; `None` if there is no such role.
pub(crate) fn of_role(
    world: &mut World<'_>,
    role: RoleCode,
) -> Result<Option<Permissions>, Missing> {
    match BuiltIn::find(role) {
        Some(built_in) => Ok(Some(built_in.permissions())),
        None => Ok(world.read::<Role>(role)?.permissions()),
    }
}
