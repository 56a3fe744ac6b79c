//! Gold for many: asked for, agreed to, paid by and by, stopped, taken back, or forgotten.

use chrono::TimeDelta;
use domain::account::{AccountCommand, AccountEvent};
use domain::aggregate::Aggregate;
use domain::id::{JobId, PlayerId};
use domain::job::{
    Due, Job, JobCommand, JobKind, JobLine, JobStatus, LineOutcome, LineRefusal, Order,
    ResolvedSegment, Segment,
};
use domain::money::{Gold, MAX_GOLD};
use domain::offer::Rank;
use domain::stored::StoredEvent;
use rand::Rng;
use rand::seq::SliceRandom;

use super::approvals::STAFF;
use super::{History, gold};

/// Lines that are worked on at once.
const AT_ONCE: usize = 3;

impl History {
    /// Each job.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (JobId, &Job)> {
        let asked = self.jobs.iter().filter(|(_, stream)| stream.state.order().is_some());
        asked.map(|(id, stream)| (*id, &stream.state))
    }

    pub(super) fn run_jobs(&mut self, out: &mut Vec<StoredEvent>) {
        if !self.random_jobs.random_ratio(1, 28) {
            return;
        }
        let last = self.jobs.len().saturating_sub(1);
        let one = self.random_jobs.random_range(last.saturating_sub(6)..=last);
        let known = self.jobs.keys().nth(one).copied();
        match known.filter(|_| !self.random_jobs.random_ratio(1, 6)) {
            Some(id) => self.go_on(id, out),
            None => self.ask_for_job(out),
        }
    }

    fn ask_for_job(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        // Some of them have no account yet, and one never will.
        let mut players: Vec<i64> = (1..=self.players).chain([777]).collect();
        players.shuffle(&mut self.random_jobs);
        let count = self.random_jobs.random_range(1..8);
        let lines = players.into_iter().take(count).map(|player| {
            let account = self.accounts.get(&player);
            let has_some = account.is_some_and(|account| account.state.wallet().gold() > 0);
            // Which does not fit.
            let amount = match has_some && self.random_jobs.random_ratio(1, 12) {
                true => MAX_GOLD,
                false => self.random_jobs.random_range(1..900),
            };
            JobLine { player: PlayerId(player), gold: gold(amount) }
        });
        let lines: Vec<JobLine> = lines.collect();
        let segment = Segment { rank: Some(Rank::Vip), min_level: Some(1), ..Segment::default() };
        let is_resolved = self.random_jobs.random_ratio(1, 3);
        let resolved = is_resolved.then_some(ResolvedSegment { segment, position: 1 });
        let takes_two = self.random_jobs.random_bool(0.5);
        let expires_at = takes_two.then(|| at + TimeDelta::hours(1));
        let order =
            Order { maker: self.of_staff(), kind: JobKind::BulkGrant, resolved, expires_at };
        self.codes += 1;
        let id = JobId::from_bits(self.codes);
        let ask = JobCommand::Request { at, order, lines };
        self.jobs.entry(id).or_default().ask(id, &ask, out);
    }

    fn of_staff(&mut self) -> PlayerId {
        PlayerId(self.random_jobs.random_range(STAFF))
    }

    fn go_on(&mut self, id: JobId, out: &mut Vec<StoredEvent>) {
        let (at, checker) = (self.now(), self.of_staff());
        let Some(stream) = self.jobs.get_mut(&id) else { return };
        let what = self.random_jobs.random_range(0..12);
        let ask = match stream.state.status() {
            JobStatus::AwaitingApproval if what < 8 => JobCommand::Approve { at, checker },
            JobStatus::AwaitingApproval => JobCommand::Reject { at, checker },
            JobStatus::Running if what == 0 => JobCommand::Stop { at },
            JobStatus::Stopped if what < 9 => JobCommand::Resume { at },
            JobStatus::Running if what > 1 => return self.pay_lines(id, out),
            JobStatus::Undoing => return self.take_lines_back(id, out),
            JobStatus::Running
            | JobStatus::Stopped
            | JobStatus::Finished
            | JobStatus::Rejected
            | JobStatus::Undone => JobCommand::Undo { at },
        };
        stream.ask(id, &ask, out);
    }

    fn pay_lines(&mut self, id: JobId, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let Some(Due::Pay { first, lines }) = self.jobs[&id].state.due(AT_ONCE) else { return };
        let mut gifts = Vec::new();
        let mut outcomes = Vec::new();
        for JobLine { player, gold } in lines {
            let receipt_code = self.code();
            let give = AccountCommand::GrantGold { at, receipt_code, gold };
            let account = self.accounts.get(&player.0);
            let outcome = match account.map(|account| account.state.decide(&give)) {
                Some(Ok(_)) => LineOutcome::Paid(receipt_code),
                Some(Err(_)) => LineOutcome::Refused(LineRefusal::BalanceTooLarge),
                None => LineOutcome::Refused(LineRefusal::UnknownUser),
            };
            gifts.extend(outcome.receipt().map(|_| (player.0, give)));
            outcomes.push(outcome);
        }
        self.work(id, &JobCommand::Pay { at, first, outcomes }, gifts, out);
    }

    fn take_lines_back(&mut self, id: JobId, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let Some(Due::TakeBack { first, lines }) = self.jobs[&id].state.due(AT_ONCE) else {
            return;
        };
        let mut takings = Vec::new();
        let mut taken_back = Vec::new();
        for (JobLine { player, gold }, receipt) in lines {
            let taken = receipt.map(|receipt_code| {
                let take = AccountCommand::TakeBackGrant { at, receipt_code, gold };
                let events = self.accounts[&player.0].state.decide(&take).unwrap();
                takings.push((player.0, take));
                events.first().map_or(Gold::ZERO, |event| match event {
                    AccountEvent::GrantTakenBack { movement, .. } => {
                        super::gold(movement.gold.total())
                    }
                    other => panic!("{other:?}"),
                })
            });
            taken_back.push(taken);
        }
        self.work(id, &JobCommand::TakeBack { at, first, taken_back }, takings, out);
    }

    /// What the job says, then what the accounts do, then whether that was all.
    fn work(
        &mut self,
        id: JobId,
        said: &JobCommand,
        done: Vec<(i64, AccountCommand)>,
        out: &mut Vec<StoredEvent>,
    ) {
        let at = self.now();
        self.jobs.entry(id).or_default().ask(id, said, out);
        for (player, command) in done {
            self.ask(player, &command, out);
        }
        self.jobs.entry(id).or_default().ask(id, &JobCommand::Finish { at }, out);
    }
}
