//! Whether gold that takes two members of the staff was given as another one agreed: not by whoever had
//! asked, in time, once, and right behind the agreement, in the same append.
//!
//! From how much gold on it takes two is a setting, which the log does not know.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::account::AccountEvent;
use domain::approval::{ApprovalEvent, RequestedGrant};
use domain::event::ClubEvent;
use domain::id::{ApprovalId, PlayerId, ReceiptCode};
use domain::stored::Recorded;

use super::{Check, Findings};

/// Every request so far.
#[derive(Default)]
pub(super) struct Approvals {
    requests: HashMap<ApprovalId, Request>,
    receipts: HashMap<ReceiptCode, ApprovalId>,
    /// The event that came last, if somebody agreed there: the next one has to give the gold.
    agreed: Option<Agreed>,
}

#[derive(Clone, Copy)]
struct Request {
    grant: RequestedGrant,
    /// Where somebody agreed or said no.
    ended: Option<u64>,
}

struct Agreed {
    id: ApprovalId,
    grant: RequestedGrant,
    position: u64,
    /// One batch has one time: what stands beside it with the same was written in one append.
    recorded_at: DateTime<Utc>,
}

impl Agreed {
    fn is_given_by(&self, recorded: &Recorded, event: &ClubEvent) -> bool {
        let ClubEvent::Account(player, AccountEvent::GoldGranted { receipt_code, movement, .. }) =
            event
        else {
            return false;
        };
        let is_beside = recorded.place.position == self.position + 1
            && recorded.recorded_at == self.recorded_at;
        let gold = movement.gold.plus(movement.debt).total();
        let given = (*player, *receipt_code, gold);
        let RequestedGrant { player, receipt_code, gold, .. } = self.grant;
        is_beside && given == (player, receipt_code, gold.amount())
    }

    fn tell(&self, findings: &mut Findings) {
        let RequestedGrant { player, gold, receipt_code, .. } = self.grant;
        let message = format!(
            "{} is approved, and the event behind it does not give {} gold to player {player} as \
             {receipt_code}",
            self.id,
            gold.amount()
        );
        findings.add(self.position, Check::Approval, message);
    }
}

impl Approvals {
    /// Looks at an event.
    pub(super) fn take(&mut self, recorded: &Recorded, event: &ClubEvent, findings: &mut Findings) {
        let agreed = self.agreed.take();
        let is_given = agreed.as_ref().is_some_and(|agreed| agreed.is_given_by(recorded, event));
        if let Some(agreed) = agreed.filter(|_| !is_given) {
            agreed.tell(findings);
        }
        let verdict = match event {
            ClubEvent::Approval(id, event) => self.approval(recorded, *id, event),
            _ if is_given => Ok(()),
            event => self.is_free(event),
        };
        if let Err(message) = verdict {
            findings.add(recorded.place.position, Check::Approval, message);
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&self, findings: &mut Findings) {
        if let Some(agreed) = &self.agreed {
            agreed.tell(findings);
        }
    }

    fn approval(
        &mut self,
        recorded: &Recorded,
        id: ApprovalId,
        event: &ApprovalEvent,
    ) -> Result<(), String> {
        let position = recorded.place.position;
        match *event {
            ApprovalEvent::GrantRequested {
                maker, player, gold, receipt_code, expires_at, ..
            } => {
                let grant = RequestedGrant { maker, player, gold, receipt_code, expires_at };
                self.request(id, grant)
            }
            ApprovalEvent::GrantApproved { at, checker } => {
                let grant = self.requests.get(&id).map(|request| request.grant);
                let recorded_at = recorded.recorded_at;
                self.agreed = grant.map(|grant| Agreed { id, grant, position, recorded_at });
                let ended = self.ends(position, id, at);
                ended.and_then(|grant| is_by_another(id, &grant, checker))
            }
            ApprovalEvent::GrantRejected { at, .. } => self.ends(position, id, at).map(drop),
        }
    }

    fn request(&mut self, id: ApprovalId, grant: RequestedGrant) -> Result<(), String> {
        let RequestedGrant { receipt_code, .. } = grant;
        if self.requests.insert(id, Request { grant, ended: None }).is_some() {
            return Err(format!("{id} is asked for a second time"));
        }
        match self.receipts.insert(receipt_code, id) {
            Some(other) => Err(format!("the receipt {receipt_code} is that of {other} already")),
            None => Ok(()),
        }
    }

    /// Somebody decides about a request: once, and in time.
    fn ends(
        &mut self,
        position: u64,
        id: ApprovalId,
        at: DateTime<Utc>,
    ) -> Result<RequestedGrant, String> {
        let request = self.requests.get_mut(&id);
        let Request { grant, ended } = request.ok_or(format!("nobody has asked for {id}"))?;
        if let Some(before) = ended.replace(position) {
            return Err(format!("{id} had already ended at position {before}"));
        }
        if at >= grant.expires_at {
            return Err(format!("{id} ends at {at}, after its time, {}", grant.expires_at));
        }
        Ok(*grant)
    }

    /// What stands behind no agreement is no grant that takes one.
    fn is_free(&self, event: &ClubEvent) -> Result<(), String> {
        let ClubEvent::Account(_, AccountEvent::GoldGranted { receipt_code, .. }) = event else {
            return Ok(());
        };
        match self.receipts.get(receipt_code) {
            Some(id) => Err(format!("gold is given as {receipt_code}, and nobody agrees to {id}")),
            None => Ok(()),
        }
    }
}

fn is_by_another(id: ApprovalId, grant: &RequestedGrant, checker: PlayerId) -> Result<(), String> {
    match grant.maker == checker {
        true => Err(format!("{id} is approved by player {checker}, who has asked for it")),
        false => Ok(()),
    }
}
