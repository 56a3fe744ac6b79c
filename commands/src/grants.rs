//! Gold and vip points that the staff gives: at once, or, from the threshold on, when somebody else has
//! agreed ([`crate::approvals`]).

mod batch;

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal};
use domain::aggregate::Aggregate;
use domain::approval::{Approval, ApprovalCommand, ApprovalEvent, ApprovalRefusal, RequestedGrant};
use domain::id::{ApprovalId, PlayerId, ReceiptCode};
use domain::money::{Gold, Wallet};
use domain::stored::{self, Recorded};
use serde::Serialize;

use crate::Commands;
use crate::approvals::{ApprovalNeeded, staff};
use crate::bus::{Answer, Committed, Failure, Request};
use crate::context::Caller;
use crate::world::{Decline, World};

pub use self::batch::{GrantLine, LineOutcome, LinesGranted};

/// A grant by an admin.
#[derive(Debug, Clone, Serialize)]
pub struct Grant {
    /// To whom.
    pub player: PlayerId,
    /// What.
    pub what: Granted,
    /// Why; kept beside the log, where it can be erased.
    pub reason: String,
}

/// What a grant gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Granted {
    /// Gold, of the free kind.
    Gold(Gold),
    /// Vip points.
    VipPoints(u64),
}

/// Why nothing is given, or asked for, or agreed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// The account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// The request for approval says no.
    #[error(transparent)]
    Approval(#[from] ApprovalRefusal),
    /// It is too much for one member of the staff.
    #[error(transparent)]
    ApprovalNeeded(#[from] ApprovalNeeded),
    /// Four eyes are those of people.
    #[error("only a member of the staff asks for so much gold, or decides about it")]
    StaffOnly,
}

/// The answer to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantAnswer {
    /// It was given.
    Executed(Executed),
    /// Somebody else has to agree first.
    Awaiting(Awaiting),
}

impl GrantAnswer {
    /// The wallet after it.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        match self {
            Self::Executed(executed) => executed.wallet,
            Self::Awaiting(awaiting) => awaiting.wallet,
        }
    }
}

/// A grant that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// The grant's receipt.
    pub receipt_code: ReceiptCode,
    /// How much gold or how many vip points were added.
    pub granted: u64,
    /// The wallet after it.
    pub wallet: Wallet,
}

/// A grant that somebody else has to agree to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaiting {
    /// The request.
    pub approval: ApprovalId,
    /// The first moment at which nobody can agree any more.
    pub expires_at: DateTime<Utc>,
    /// The present wallet: nothing has moved.
    pub wallet: Wallet,
}

impl Commands {
    /// Gives gold or vip points; or asks for approval, if it is so much gold that it takes two.
    ///
    /// # Errors
    /// If there is no such account, no more fits into it, or nothing would move.
    pub async fn grant(
        &self,
        caller: &Caller,
        grant: Grant,
    ) -> Result<Answer<GrantAnswer>, Failure<GrantRefusal>> {
        let Grant { player, what, .. } = grant;
        let request = Request::new(caller, Some(player))
            .keyed(self.fingerprints.fingerprint("grant", &grant))
            .with_text(grant.reason);
        let committed = match what {
            Granted::Gold(gold) if self.approvals.takes_two(gold) => {
                self.request_grant(request, staff(caller), player, gold).await?
            }
            Granted::Gold(_) | Granted::VipPoints(_) => {
                self.execute_grant(request, player, what).await?
            }
        };
        self.grant_answer(player, &committed).await
    }

    async fn execute_grant(
        &self,
        request: Request,
        player: PlayerId,
        what: Granted,
    ) -> Result<Committed, Failure<GrantRefusal>> {
        let (at, receipt_code) = (self.clock.now(), self.codes.next().await?.receipt_code);
        let command = match what {
            Granted::Gold(gold) => AccountCommand::GrantGold { at, receipt_code, gold },
            Granted::VipPoints(vip_points) => {
                AccountCommand::GrantVipPoints { at, receipt_code, vip_points }
            }
        };
        let decide = move |world: &mut World<'_>| {
            world.decide::<Account>(player, &command).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Asks for approval of what the account could take now.
    async fn request_grant(
        &self,
        request: Request,
        maker: Option<PlayerId>,
        player: PlayerId,
        gold: Gold,
    ) -> Result<Committed, Failure<GrantRefusal>> {
        let (at, receipt_code) = (self.clock.now(), self.codes.next().await?.receipt_code);
        let (id, expires_at) = (self.codes.next_approval().await?, at + self.approvals.valid_for);
        let decide = move |world: &mut World<'_>| {
            let maker = maker.ok_or(Decline::Refused(GrantRefusal::StaffOnly))?;
            let give = AccountCommand::GrantGold { at, receipt_code, gold };
            let possible = world.read::<Account>(player)?.decide(&give);
            possible.map_err(|refusal| Decline::Refused(refusal.into()))?;
            let grant = RequestedGrant { maker, player, gold, receipt_code, expires_at };
            let ask = ApprovalCommand::Request { at, grant };
            world.decide::<Approval>(id, &ask).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// The answer is what was written, whatever takes two today.
    async fn grant_answer(
        &self,
        player: PlayerId,
        committed: &Committed,
    ) -> Result<Answer<GrantAnswer>, Failure<GrantRefusal>> {
        let Some((approval, expires_at)) = committed.events.iter().find_map(requested) else {
            return committed.answer(|event| executed(event).map(GrantAnswer::Executed));
        };
        let wallet = self.wallet(player).await?.0.unwrap_or_default();
        let body = GrantAnswer::Awaiting(Awaiting { approval, expires_at, wallet });
        let Committed { place, replayed, .. } = *committed;
        Ok(Answer { body, position: place.position, replayed })
    }
}

/// The request for approval that an event is, if it is one.
fn requested(recorded: &Recorded) -> Option<(ApprovalId, DateTime<Utc>)> {
    if recorded.event.aggregate_type != Approval::TYPE {
        return None;
    }
    let id = stored::decode_id(&recorded.event.aggregate_id).ok()?;
    match recorded.event.decode().ok()? {
        ApprovalEvent::GrantRequested { expires_at, .. } => Some((id, expires_at)),
        ApprovalEvent::GrantApproved { .. } | ApprovalEvent::GrantRejected { .. } => None,
    }
}

/// The grant that an event is, if it is one.
pub(crate) fn executed(event: &AccountEvent) -> Option<Executed> {
    let (receipt_code, granted, wallet) = match event {
        AccountEvent::GoldGranted { receipt_code, movement, .. } => {
            (*receipt_code, movement.gold.total(), movement.balance)
        }
        AccountEvent::VipPointsGranted { receipt_code, vip_points, balance, .. } => {
            (*receipt_code, *vip_points, *balance)
        }
        _ => return None,
    };
    Some(Executed { receipt_code, granted, wallet })
}
