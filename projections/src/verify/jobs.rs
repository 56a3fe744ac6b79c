//! Whether gold for many was given as the job says: to those on its lines, each once, while the job was
//! to go on, and right behind the event that tells of it, in the same append; and whether exactly what
//! was left of it was taken back, once.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use domain::account::AccountEvent;
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{JobId, PlayerId, ReceiptCode};
use domain::job::{Job, JobCommand, JobEvent, JobLine, LineOutcome, LineRefusal};
use domain::money::{Gold, Wallet};
use domain::stored::Recorded;

use super::{Check, Findings};

/// Every job so far.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: HashMap<JobId, Known>,
    /// Of lines that were paid.
    receipts: HashMap<ReceiptCode, JobId>,
    coming: Option<Coming>,
}

#[derive(Default)]
struct Known {
    job: Job,
    /// What was said when it was asked for: how many lines, and how much gold.
    said: (u32, Gold),
}

/// What has to stand right behind the event that came last.
struct Coming {
    job: JobId,
    position: u64,
    /// One batch has one time: what stands beside it with the same was written in one append.
    recorded_at: DateTime<Utc>,
    what: What,
}

enum What {
    /// The next of its lines.
    Lines,
    /// Gold that is given or taken.
    Gold(VecDeque<Moved>),
}

/// Gold that a line moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moved {
    player: PlayerId,
    receipt_code: ReceiptCode,
    gold: u64,
    is_taken: bool,
}

impl Moved {
    fn by(event: &ClubEvent) -> Option<Self> {
        let ClubEvent::Account(player, event) = event else { return None };
        let (receipt_code, movement, is_taken) = match event {
            AccountEvent::GoldGranted { receipt_code, movement, .. } => {
                (*receipt_code, movement, false)
            }
            AccountEvent::GrantTakenBack { receipt_code, movement, .. } => {
                (*receipt_code, movement, true)
            }
            _ => return None,
        };
        let gold = movement.gold.plus(movement.debt).total();
        Some(Self { player: *player, receipt_code, gold, is_taken })
    }
}

/// What each player holds who has an account that is open.
pub(super) type Wallets<'a> = &'a dyn Fn(PlayerId) -> Option<Wallet>;

impl Jobs {
    /// Looks at an event. `wallets` are those in front of it.
    pub(super) fn take(
        &mut self,
        recorded: &Recorded,
        event: &ClubEvent,
        wallets: Wallets<'_>,
        findings: &mut Findings,
    ) {
        let position = recorded.place.position;
        if let Some(coming) = self.coming.take() {
            if self.has_come(&coming, recorded, event) {
                self.goes_on(coming, position, event, findings);
                return;
            }
            coming.tell(findings);
        }
        let verdict = match event {
            ClubEvent::Job(id, event) => self.job(recorded, *id, event, wallets),
            event => self.is_free(event),
        };
        if let Err(message) = verdict {
            findings.add(position, Check::Job, message);
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&self, findings: &mut Findings) {
        if let Some(coming) = &self.coming {
            coming.tell(findings);
        }
    }

    fn has_come(&self, coming: &Coming, recorded: &Recorded, event: &ClubEvent) -> bool {
        let is_beside = recorded.place.position == coming.position + 1
            && recorded.recorded_at == coming.recorded_at;
        is_beside
            && match &coming.what {
                What::Lines => self.lists_on(coming.job, event),
                What::Gold(moved) => moved.front().copied() == Moved::by(event),
            }
    }

    fn lists_on(&self, job: JobId, event: &ClubEvent) -> bool {
        let ClubEvent::Job(id, JobEvent::JobLinesListed { first, lines }) = event else {
            return false;
        };
        let Some(known) = self.jobs.get(&job) else { return false };
        let next = u32::try_from(known.job.lines().len() + 1);
        *id == job && next.is_ok_and(|next| next == *first) && !lines.is_empty()
    }

    /// What had to come has come; what has to come behind it.
    fn goes_on(
        &mut self,
        mut coming: Coming,
        position: u64,
        event: &ClubEvent,
        findings: &mut Findings,
    ) {
        coming.position = position;
        let there_is_more = match &mut coming.what {
            What::Gold(moved) => {
                moved.pop_front();
                !moved.is_empty()
            }
            What::Lines => {
                let (Some(known), ClubEvent::Job(id, event)) =
                    (self.jobs.get_mut(&coming.job), event)
                else {
                    return;
                };
                known.job.evolve(event);
                let is_whole = known.job.lines().len() >= known.said.0 as usize;
                if let (true, Err(message)) = (is_whole, known.is_as_said(*id)) {
                    findings.add(position, Check::Job, message);
                }
                !is_whole
            }
        };
        self.coming = there_is_more.then_some(coming);
    }

    fn job(
        &mut self,
        recorded: &Recorded,
        id: JobId,
        event: &JobEvent,
        wallets: Wallets<'_>,
    ) -> Result<(), String> {
        let known = self.jobs.entry(id).or_default();
        let lawful = known.may_be(id, event);
        let (moved, as_it_is) = match event {
            JobEvent::JobRequested { lines, gold, .. } => {
                known.said = (*lines, *gold);
                known.job.evolve(event);
                self.comes(recorded, id, What::Lines);
                return lawful;
            }
            JobEvent::JobLinesPaid { outcomes, .. } => known.pays(id, outcomes, wallets),
            JobEvent::JobLinesUndone { taken_back, .. } => {
                known.takes_back(id, taken_back, wallets)
            }
            _ => (VecDeque::new(), Ok(())),
        };
        known.job.evolve(event);
        let twice = moved.iter().filter(|moved| !moved.is_taken).find_map(|moved| {
            let before = self.receipts.insert(moved.receipt_code, id);
            before.map(|job| {
                format!("the receipt {} is one of job {job} already", moved.receipt_code)
            })
        });
        if !moved.is_empty() {
            self.comes(recorded, id, What::Gold(moved));
        }
        lawful.and(as_it_is).and(twice.map_or(Ok(()), Err))
    }

    fn comes(&mut self, recorded: &Recorded, job: JobId, what: What) {
        let (position, recorded_at) = (recorded.place.position, recorded.recorded_at);
        self.coming = Some(Coming { job, position, recorded_at, what });
    }

    /// What no job tells of is nothing that takes one.
    fn is_free(&self, event: &ClubEvent) -> Result<(), String> {
        let Some(Moved { player, receipt_code, is_taken, .. }) = Moved::by(event) else {
            return Ok(());
        };
        match self.receipts.get(&receipt_code) {
            _ if is_taken => Err(format!(
                "gold is taken back from player {player} as {receipt_code}, and no job tells of it"
            )),
            Some(job) => {
                Err(format!("gold is given as {receipt_code}, which is job {job}'s receipt"))
            }
            None => Ok(()),
        }
    }
}

impl Known {
    /// Whether the job can say that where it stands: exactly that would be decided.
    fn may_be(&self, id: JobId, event: &JobEvent) -> Result<(), String> {
        let command = match event {
            JobEvent::JobRequested { .. } if self.job.order().is_none() => return Ok(()),
            JobEvent::JobRequested { .. } => {
                return Err(format!("job {id} is asked for once more"));
            }
            JobEvent::JobLinesListed { .. } => {
                return Err(format!("job {id} has its lines, and more are listed"));
            }
            JobEvent::JobApproved { at, checker } => {
                JobCommand::Approve { at: *at, checker: *checker }
            }
            JobEvent::JobRejected { at, checker } => {
                JobCommand::Reject { at: *at, checker: *checker }
            }
            JobEvent::JobStopped { at } => JobCommand::Stop { at: *at },
            JobEvent::JobResumed { at } => JobCommand::Resume { at: *at },
            JobEvent::JobUndoRequested { at } => JobCommand::Undo { at: *at },
            JobEvent::JobLinesPaid { at, first, outcomes, .. } => {
                let outcomes = outcomes.clone();
                JobCommand::Pay { at: *at, first: *first, outcomes }
            }
            JobEvent::JobLinesUndone { at, first, taken_back, .. } => {
                let taken_back = taken_back.clone();
                JobCommand::TakeBack { at: *at, first: *first, taken_back }
            }
            JobEvent::JobFinished { at, .. } | JobEvent::JobUndone { at, .. } => {
                JobCommand::Finish { at: *at }
            }
        };
        let name = domain::aggregate::Event::event_type(event);
        match self.job.decide(&command) {
            Ok(decided) if decided.first() == Some(event) => Ok(()),
            Ok(_) => Err(format!("job {id} says {name}, which does not follow from what it is")),
            Err(refusal) => Err(format!("job {id} says {name}, although {refusal}")),
        }
    }

    /// Whether it is for so many lines and so much gold as it was said to be, and for nobody twice.
    fn is_as_said(&self, id: JobId) -> Result<(), String> {
        let lines = self.job.lines();
        let gold: u64 = lines.iter().fold(0, |sum, line| sum.saturating_add(line.gold.amount()));
        let (said, said_gold) = self.said;
        if (lines.len(), gold) != (said as usize, said_gold.amount()) {
            return Err(format!(
                "job {id} has {} lines with {gold} gold, not {said} with {}",
                lines.len(),
                said_gold.amount()
            ));
        }
        let mut players: Vec<PlayerId> = lines.iter().map(|line| line.player).collect();
        players.sort_unstable();
        let twice = players.windows(2).find(|pair| pair[0] == pair[1]);
        twice.map_or(Ok(()), |pair| Err(format!("job {id} is for player {} twice", pair[0])))
    }

    /// The gold that has to be given, and whether it can be said of each line.
    fn pays(
        &self,
        id: JobId,
        outcomes: &[LineOutcome],
        wallets: Wallets<'_>,
    ) -> (VecDeque<Moved>, Result<(), String>) {
        let lines: Vec<&JobLine> =
            self.job.lines().iter().skip(self.job.receipts().len()).collect();
        if outcomes.is_empty() || outcomes.len() > lines.len() {
            let message = format!("job {id} pays {} of {} lines", outcomes.len(), lines.len());
            return (VecDeque::new(), Err(message));
        }
        let known = lines.iter().zip(outcomes).find(|(line, outcome)| {
            let is_unknown = **outcome == LineOutcome::Refused(LineRefusal::UnknownUser);
            is_unknown && wallets(line.player).is_some()
        });
        let moved = lines.iter().zip(outcomes).filter_map(|(line, outcome)| {
            let (player, gold) = (line.player, line.gold.amount());
            let receipt_code = outcome.receipt()?;
            Some(Moved { player, receipt_code, gold, is_taken: false })
        });
        let verdict = match known {
            Some((line, _)) => Err(format!("job {id} does not know player {}", line.player)),
            None => Ok(()),
        };
        (moved.collect(), verdict)
    }

    /// The gold that has to be taken, and whether it is what was left.
    fn takes_back(
        &self,
        id: JobId,
        taken_back: &[Option<Gold>],
        wallets: Wallets<'_>,
    ) -> (VecDeque<Moved>, Result<(), String>) {
        let (mut moved, mut verdict) = (VecDeque::new(), Ok(()));
        let all = self.job.lines().iter().zip(self.job.receipts());
        let mut lines = all.skip(self.job.undone_lines());
        for taken in taken_back {
            let taken = taken.map(Gold::amount);
            let left = lines.next().map(|(line, receipt)| {
                let free = wallets(line.player).unwrap_or_default().free;
                (line.player, *receipt, receipt.map(|_| line.gold.amount().min(free)))
            });
            match left {
                Some((player, Some(receipt_code), left)) if left == taken => {
                    let gold = left.unwrap_or_default();
                    let is_taken = true;
                    moved.extend((gold > 0).then_some(Moved {
                        player,
                        receipt_code,
                        gold,
                        is_taken,
                    }));
                }
                Some((_, None, None)) if taken.is_none() => {}
                Some((player, _, left)) => {
                    let (left, taken) = (left.unwrap_or_default(), taken.unwrap_or_default());
                    verdict = Err(format!(
                        "job {id} takes {taken} gold back from player {player}, and {left} is left"
                    ));
                }
                None => verdict = Err(format!("job {id} takes back more lines than it has paid")),
            }
        }
        (moved, verdict)
    }
}

impl Coming {
    fn tell(&self, findings: &mut Findings) {
        let message = match &self.what {
            What::Lines => format!("not all lines of job {} stand behind it", self.job),
            What::Gold(moved) => {
                let Some(Moved { player, receipt_code, gold, is_taken }) = moved.front() else {
                    return;
                };
                let does = if *is_taken { "take back" } else { "give" };
                format!(
                    "the event behind it does not {does} {gold} gold of player {player} as \
                     {receipt_code}, of which job {} tells",
                    self.job
                )
            }
        };
        findings.add(self.position, Check::Job, message);
    }
}
