//! A request for gold that is too much for one member of staff to give: somebody else agrees to it, or
//! nothing comes of it.
//!
//! It ends once: approved, rejected, or by its time. Approving and giving the gold are one append.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{ApprovalId, PlayerId, ReceiptCode};
use crate::money::Gold;

/// What has happened to a request. Why somebody asked or said no stands beside the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalEvent {
    /// Somebody of the staff asked for it.
    GrantRequested {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        maker: PlayerId,
        /// Who shall have the gold.
        player: PlayerId,
        /// How much.
        gold: Gold,
        /// The receipt that the grant will have.
        receipt_code: ReceiptCode,
        /// The first moment at which nobody can agree any more.
        expires_at: DateTime<Utc>,
    },
    /// Somebody else agreed. The event behind it gives the gold.
    GrantApproved {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
    /// Somebody said no; whoever asked can do so, too.
    GrantRejected {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
}

impl Event for ApprovalEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::GrantRequested { .. } => "grant_requested",
            Self::GrantApproved { .. } => "grant_approved",
            Self::GrantRejected { .. } => "grant_rejected",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What may be asked of a request.
#[derive(Debug, Clone)]
pub enum ApprovalCommand {
    /// Make it.
    Request {
        /// When.
        at: DateTime<Utc>,
        /// What is asked for.
        grant: RequestedGrant,
    },
    /// Agree; once more does nothing.
    Approve {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
    /// Say no; once more does nothing.
    Reject {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        checker: PlayerId,
    },
}

/// Why a request does not end as it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefusal {
    /// Nobody has made it.
    #[error("there is no such request for approval")]
    NotFound,
    /// Codes are unique by construction: a defect.
    #[error("there is a request for approval under this id already")]
    IdInUse,
    /// Four eyes are those of two people.
    #[error("whoever asks for a grant cannot approve it: somebody else has to")]
    MakerIsChecker,
    /// Nobody agrees to gold of their own.
    #[error("whoever shall have the gold cannot approve it: somebody else has to")]
    PlayerIsChecker,
    /// Its time is over.
    #[error("nobody approved it in time: ask for the grant anew")]
    Expired {
        /// Since when.
        expires_at: DateTime<Utc>,
    },
    /// It has ended the other way.
    #[error("the request has ended: it was {}", .ending.name())]
    Ended {
        /// How.
        ending: Ending,
    },
}

/// The grant that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedGrant {
    /// Who asks.
    pub maker: PlayerId,
    /// Who shall have the gold.
    pub player: PlayerId,
    /// How much.
    pub gold: Gold,
    /// The receipt that the grant will have.
    pub receipt_code: ReceiptCode,
    /// The first moment at which nobody can agree any more.
    pub expires_at: DateTime<Utc>,
}

/// How somebody has ended a request. That its time is over takes nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Somebody agreed.
    Approved,
    /// Somebody said no.
    Rejected,
}

impl Ending {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// A request as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    grant: Option<RequestedGrant>,
    ending: Option<Ending>,
}

impl Approval {
    /// What was asked for, if anything was.
    #[must_use]
    pub fn grant(&self) -> Option<&RequestedGrant> {
        self.grant.as_ref()
    }

    /// What was asked for and nobody has decided about.
    #[must_use]
    pub fn outstanding(&self) -> Option<&RequestedGrant> {
        self.grant.as_ref().filter(|_| self.ending.is_none())
    }

    /// How it has ended, if somebody has ended it.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// What can still be agreed to at a moment.
    fn open_at(&self, at: DateTime<Utc>) -> Result<&RequestedGrant, ApprovalRefusal> {
        let grant = self.grant.as_ref().ok_or(ApprovalRefusal::NotFound)?;
        if let Some(ending) = self.ending {
            return Err(ApprovalRefusal::Ended { ending });
        }
        if at >= grant.expires_at {
            return Err(ApprovalRefusal::Expired { expires_at: grant.expires_at });
        }
        Ok(grant)
    }

    fn approve(
        &self,
        at: DateTime<Utc>,
        checker: PlayerId,
    ) -> Result<Vec<ApprovalEvent>, ApprovalRefusal> {
        if self.grant.is_some_and(|grant| grant.maker == checker) {
            return Err(ApprovalRefusal::MakerIsChecker);
        }
        if self.grant.is_some_and(|grant| grant.player == checker) {
            return Err(ApprovalRefusal::PlayerIsChecker);
        }
        match self.open_at(at) {
            Ok(_) => Ok(vec![ApprovalEvent::GrantApproved { at, checker }]),
            Err(ApprovalRefusal::Ended { ending: Ending::Approved }) => Ok(vec![]),
            Err(refusal) => Err(refusal),
        }
    }

    fn reject(
        &self,
        at: DateTime<Utc>,
        checker: PlayerId,
    ) -> Result<Vec<ApprovalEvent>, ApprovalRefusal> {
        match self.open_at(at) {
            Ok(_) => Ok(vec![ApprovalEvent::GrantRejected { at, checker }]),
            Err(ApprovalRefusal::Ended { ending: Ending::Rejected }) => Ok(vec![]),
            Err(refusal) => Err(refusal),
        }
    }
}

impl Aggregate for Approval {
    const TYPE: &'static str = "approval";
    type Id = ApprovalId;
    type Command = ApprovalCommand;
    type Event = ApprovalEvent;
    type Refusal = ApprovalRefusal;

    fn decide(&self, command: &ApprovalCommand) -> Result<Vec<ApprovalEvent>, ApprovalRefusal> {
        match *command {
            ApprovalCommand::Request { .. } if self.grant.is_some() => {
                Err(ApprovalRefusal::IdInUse)
            }
            ApprovalCommand::Request { at, grant } => Ok(vec![requested(at, grant)]),
            ApprovalCommand::Approve { at, checker } => self.approve(at, checker),
            ApprovalCommand::Reject { at, checker } => self.reject(at, checker),
        }
    }

    fn evolve(&mut self, event: &ApprovalEvent) {
        match *event {
            ApprovalEvent::GrantRequested {
                maker, player, gold, receipt_code, expires_at, ..
            } => {
                let grant = RequestedGrant { maker, player, gold, receipt_code, expires_at };
                self.grant = Some(grant);
            }
            ApprovalEvent::GrantApproved { .. } => self.ending = Some(Ending::Approved),
            ApprovalEvent::GrantRejected { .. } => self.ending = Some(Ending::Rejected),
        }
    }
}

fn requested(at: DateTime<Utc>, grant: RequestedGrant) -> ApprovalEvent {
    let RequestedGrant { maker, player, gold, receipt_code, expires_at } = grant;
    ApprovalEvent::GrantRequested { at, maker, player, gold, receipt_code, expires_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    const MAKER: PlayerId = PlayerId(1);
    const CHECKER: PlayerId = PlayerId(2);

    fn grant() -> RequestedGrant {
        RequestedGrant {
            maker: MAKER,
            player: PlayerId(23),
            gold: Gold::new(100_000).unwrap(),
            receipt_code: ReceiptCode::from_bits(1),
            expires_at: at(10),
        }
    }

    fn asked() -> ApprovalEvent {
        requested(at(0), grant())
    }

    fn approve(second: i64, checker: PlayerId) -> ApprovalCommand {
        ApprovalCommand::Approve { at: at(second), checker }
    }

    fn reject(second: i64, checker: PlayerId) -> ApprovalCommand {
        ApprovalCommand::Reject { at: at(second), checker }
    }

    fn approved() -> ApprovalEvent {
        ApprovalEvent::GrantApproved { at: at(1), checker: CHECKER }
    }

    fn rejected() -> ApprovalEvent {
        ApprovalEvent::GrantRejected { at: at(1), checker: CHECKER }
    }

    #[test]
    fn a_request_is_made_once() {
        let request = ApprovalCommand::Request { at: at(0), grant: grant() };
        given::<Approval>(&[]).when(&request).then(&[asked()]);
        given::<Approval>(&[asked()]).when(&request).then_refused(&ApprovalRefusal::IdInUse);
    }

    #[test]
    fn somebody_else_agrees_and_agreeing_again_does_nothing() {
        given::<Approval>(&[asked()]).when(&approve(1, CHECKER)).then(&[approved()]);
        let history = [asked(), approved()];
        // Neither another's word nor the time changes what has happened.
        given::<Approval>(&history).when(&approve(20, PlayerId(3))).then(&[]);
    }

    #[test]
    fn whoever_asks_never_approves() {
        let refusal = ApprovalRefusal::MakerIsChecker;
        for history in [vec![asked()], vec![asked(), approved()], vec![asked(), rejected()]] {
            given::<Approval>(&history).when(&approve(1, MAKER)).then_refused(&refusal);
        }
    }

    #[test]
    fn whoever_gets_it_never_approves() {
        let refusal = ApprovalRefusal::PlayerIsChecker;
        given::<Approval>(&[asked()]).when(&approve(1, grant().player)).then_refused(&refusal);
    }

    #[test]
    fn whoever_asks_can_take_it_back() {
        let rejected = ApprovalEvent::GrantRejected { at: at(1), checker: MAKER };
        given::<Approval>(&[asked()]).when(&reject(1, MAKER)).then(&[rejected]);
    }

    #[test]
    fn its_time_ends_it() {
        let refusal = ApprovalRefusal::Expired { expires_at: at(10) };
        assert!(given::<Approval>(&[asked()]).state().decide(&approve(9, CHECKER)).is_ok());
        for late in [approve(10, CHECKER), reject(10, CHECKER)] {
            given::<Approval>(&[asked()]).when(&late).then_refused(&refusal);
        }
    }

    #[test]
    fn it_ends_one_way_only() {
        let ended = |ending| ApprovalRefusal::Ended { ending };
        let history = [asked(), approved()];
        let refusal = ended(Ending::Approved);
        given::<Approval>(&history).when(&reject(2, CHECKER)).then_refused(&refusal);
        let history = [asked(), rejected()];
        given::<Approval>(&history).when(&reject(2, CHECKER)).then(&[]);
        let refusal = ended(Ending::Rejected);
        given::<Approval>(&history).when(&approve(2, CHECKER)).then_refused(&refusal);
    }

    #[test]
    fn nothing_comes_of_what_nobody_has_asked_for() {
        for command in [approve(1, CHECKER), reject(1, CHECKER)] {
            given::<Approval>(&[]).when(&command).then_refused(&ApprovalRefusal::NotFound);
        }
    }
}
