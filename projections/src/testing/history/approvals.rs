//! Gold that takes two members of the staff: asked for, agreed to and given, rejected, or forgotten.

use chrono::TimeDelta;
use domain::account::AccountCommand;
use domain::approval::{Approval, ApprovalCommand, RequestedGrant};
use domain::id::{ApprovalId, PlayerId};
use domain::stored::StoredEvent;
use rand::Rng;

use super::{History, gold};

/// Members of the staff, by their numbers.
pub(super) const STAFF: std::ops::RangeInclusive<i64> = 901..=903;

impl History {
    /// Each request for approval.
    pub(crate) fn approvals(&self) -> impl Iterator<Item = (ApprovalId, &Approval)> {
        self.approvals.iter().map(|(id, stream)| (*id, &stream.state))
    }

    pub(super) fn four_eyes(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let known = self.one_of(self.approvals.len());
        let known = known.and_then(|index| self.approvals.keys().nth(index).copied());
        let what = self.random.random_range(0..3);
        match known.filter(|_| what > 0) {
            Some(id) => self.decide_about(id, what == 1, out),
            None => self.ask_for_approval(player, out),
        }
    }

    fn ask_for_approval(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, receipt_code) = (self.now(), self.code());
        let grant = RequestedGrant {
            maker: self.member(),
            player: PlayerId(player),
            gold: gold(self.random.random_range(800..2_000)),
            receipt_code,
            expires_at: at + TimeDelta::hours(1),
        };
        let id = ApprovalId::from_bits(self.codes);
        let ask = ApprovalCommand::Request { at, grant };
        self.approvals.entry(id).or_default().ask(id, &ask, out);
    }

    fn decide_about(&mut self, id: ApprovalId, agrees: bool, out: &mut Vec<StoredEvent>) {
        let (at, checker) = (self.now(), self.member());
        let stream = self.approvals.entry(id).or_default();
        if !agrees {
            stream.ask(id, &ApprovalCommand::Reject { at, checker }, out);
        } else if stream.ask(id, &ApprovalCommand::Approve { at, checker }, out)
            && let Some(RequestedGrant { player, gold, receipt_code, .. }) =
                stream.state.grant().copied()
        {
            self.ask(player.0, &AccountCommand::GrantGold { at, receipt_code, gold }, out);
        }
    }

    fn member(&mut self) -> PlayerId {
        PlayerId(self.random.random_range(STAFF))
    }
}
