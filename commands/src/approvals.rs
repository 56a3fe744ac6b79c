//! Four eyes: gold that is too much for one member of the staff to give is given when another one agrees.

use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, AccountRefusal};
use domain::aggregate::Aggregate;
use domain::approval::{Approval, ApprovalCommand, RequestedGrant};
use domain::event::Actor;
use domain::id::{ApprovalId, PlayerId};
use domain::money::Gold;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::grants::{Executed, GrantRefusal, executed};
use crate::world::{Decline, World};

/// What takes two members of the staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalPolicy {
    /// So much gold, or more.
    pub threshold: Gold,
    /// For how long a request can be approved.
    pub valid_for: TimeDelta,
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self { threshold: Gold::new(100_000).unwrap_or_default(), valid_for: TimeDelta::hours(24) }
    }
}

impl ApprovalPolicy {
    /// Whether so much gold takes two.
    #[must_use]
    pub fn takes_two(&self, gold: Gold) -> bool {
        gold >= self.threshold
    }

    /// For ways of giving that know no approval.
    ///
    /// # Errors
    /// If so much gold takes two.
    pub fn insist_on_one(&self, gold: Gold) -> Result<(), ApprovalNeeded> {
        match self.takes_two(gold) {
            true => Err(ApprovalNeeded { threshold: self.threshold }),
            false => Ok(()),
        }
    }
}

/// So much gold is given by a single grant only, for which somebody else can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} gold or more take two of the staff: ask for a single grant", .threshold.amount())]
pub struct ApprovalNeeded {
    /// From how much on.
    pub threshold: Gold,
}

/// The member of staff who asks; players and programs are none.
pub(crate) fn staff(caller: &Caller) -> Option<PlayerId> {
    match caller.actor {
        Actor::Admin(id) => Some(id),
        Actor::Player(_) | Actor::System(_) | Actor::Service(_) => None,
    }
}

impl Commands {
    /// Agrees to a grant and gives the gold, in one append: once, whoever else agrees at the same time.
    /// Agreeing to what was approved before gives nothing, and answers as the first time.
    ///
    /// # Errors
    /// If there is no such request, the caller has made it, it has ended otherwise, or the account can
    /// no longer take the gold.
    pub async fn approve_grant(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<Answer<Executed>, Failure<GrantRefusal>> {
        let (at, checker) = (self.clock.now(), staff(caller));
        let asked = self.requested_grant(id).await?;
        let request = Request::new(caller, asked.map(|grant| grant.player))
            .keyed(self.fingerprints.fingerprint("approve_grant", &id));
        let decide = move |world: &mut World<'_>| {
            let checker = checker.ok_or(Decline::Refused(GrantRefusal::StaffOnly))?;
            let grant = world.read::<Approval>(id)?.outstanding().copied();
            let agree = ApprovalCommand::Approve { at, checker };
            world.decide::<Approval>(id, &agree).map_err(Decline::widen)?;
            let Some(RequestedGrant { player, gold, receipt_code, .. }) = grant else {
                return Ok(());
            };
            let give = AccountCommand::GrantGold { at, receipt_code, gold };
            world.decide::<Account>(player, &give).map_err(Decline::widen)
        };
        let committed = self.bus.execute(request, decide).await?;
        match asked.filter(|_| committed.events.is_empty()) {
            Some(grant) => self.given(&grant).await?.unwrap_or(committed).answer(executed),
            None => committed.answer(executed),
        }
    }

    /// Says no to a grant. Whoever asked for it can do so, too. Once more does nothing. The reason is
    /// kept beside the log, where it can be erased.
    ///
    /// # Errors
    /// If there is no such request, or it has ended otherwise.
    pub async fn reject_grant(
        &self,
        caller: &Caller,
        id: ApprovalId,
        reason: String,
    ) -> Result<Committed, Failure<GrantRefusal>> {
        let (at, checker) = (self.clock.now(), staff(caller));
        let asked = self.requested_grant(id).await?;
        let request = Request::new(caller, asked.map(|grant| grant.player))
            .keyed(self.fingerprints.fingerprint("reject_grant", &(id, &reason)))
            .with_text(reason);
        let decide = move |world: &mut World<'_>| {
            let checker = checker.ok_or(Decline::Refused(GrantRefusal::StaffOnly))?;
            // Nothing is said any more about somebody who was erased.
            if let Some(grant) = asked
                && !world.read::<Account>(grant.player)?.is_open()
            {
                return Err(Decline::Refused(AccountRefusal::NoSuchAccount.into()));
            }
            let refuse = ApprovalCommand::Reject { at, checker };
            world.decide::<Approval>(id, &refuse).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// What was asked for under an id, if anything was: it never changes.
    async fn requested_grant(&self, id: ApprovalId) -> Result<Option<RequestedGrant>, Unavailable> {
        let look = |approval: &Approval| approval.grant().copied();
        let (grant, _) = self.bus.look(id, look).await?;
        if grant.is_some() {
            return Ok(grant);
        }
        // Another node may have written it a moment ago.
        self.bus.confirm().await?;
        Ok(self.bus.look(id, look).await?.0)
    }

    /// The grant that was given when the request was approved.
    async fn given(&self, grant: &RequestedGrant) -> Result<Option<Committed>, Unavailable> {
        let (player, receipt) = (grant.player.to_string(), grant.receipt_code.to_string());
        let stream = (Account::TYPE, player.as_str(), 0);
        let found = self.bus.log().find_in_stream(stream, &["gold_granted"], &receipt).await?;
        Ok(found.map(|recorded| {
            let place = recorded.place;
            Committed { events: vec![recorded], place, replayed: true }
        }))
    }
}
