//! Gold for very many at once: what the staff asks of a job. The work itself is [`work`].

mod work;

use chrono::{DateTime, Utc};
use domain::account::AccountRefusal;
use domain::id::{JobId, PlayerId};
use domain::job::{
    Job, JobCommand, JobEvent, JobKind, JobLine, JobRefusal, JobStatus, Order, ResolvedSegment,
    Segment,
};
use domain::money::Gold;
use domain::stored;
use serde::Serialize;

use crate::Commands;
use crate::approvals::staff;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::{Decline, World};

pub use self::work::{LINES_AT_ONCE, Worked};

/// Why nothing comes of what is asked of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkRefusal {
    /// The job says no.
    #[error(transparent)]
    Job(#[from] JobRefusal),
    /// An account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// Jobs are those of people.
    #[error("only a member of the staff asks for a job, or decides about it")]
    StaffOnly,
}

/// Who shall have gold, and how much.
#[derive(Debug, Clone)]
pub enum Receivers {
    /// These.
    Lines(Vec<JobLine>),
    /// Who is in a segment, all the same.
    Segment {
        /// Which.
        segment: Segment,
        /// How much for each.
        gold: Gold,
        /// Who was in it.
        players: Vec<PlayerId>,
        /// Where in the log that was so.
        position: u64,
    },
}

/// The wish itself: a repeat is the same one, whoever is in the segment by then.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Wish<'a> {
    Lines(&'a [JobLine]),
    Segment(Segment, Gold),
}

impl Receivers {
    fn wish(&self) -> Wish<'_> {
        match self {
            Self::Lines(lines) => Wish::Lines(lines),
            Self::Segment { segment, gold, .. } => Wish::Segment(*segment, *gold),
        }
    }

    fn into_lines(self) -> (Vec<JobLine>, Option<ResolvedSegment>) {
        match self {
            Self::Lines(lines) => (lines, None),
            Self::Segment { segment, gold, players, position } => {
                let line = |player| JobLine { player, gold };
                let resolved = ResolvedSegment { segment, position };
                (players.into_iter().map(line).collect(), Some(resolved))
            }
        }
    }
}

/// A job that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobAsked {
    /// Its id.
    pub job: JobId,
    /// How many lines it has.
    pub lines: u32,
    /// All their gold.
    pub gold: Gold,
    /// Where its players were found, if they are those of a segment.
    pub resolved_position: Option<u64>,
    /// The first moment at which nobody can agree any more, if somebody else has to.
    pub expires_at: Option<DateTime<Utc>>,
}

impl JobAsked {
    /// Where it stands at first.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        match self.expires_at {
            Some(_) => JobStatus::AwaitingApproval,
            None => JobStatus::Running,
        }
    }
}

/// What may be done with a job that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Steer {
    /// Agree to it.
    Approve,
    /// Pay nothing more for now.
    Stop,
    /// Go on.
    Resume,
    /// Take back what is left.
    Undo,
}

impl Steer {
    /// Where the job stands then.
    #[must_use]
    pub fn leads_to(self) -> JobStatus {
        match self {
            Self::Approve | Self::Resume => JobStatus::Running,
            Self::Stop => JobStatus::Stopped,
            Self::Undo => JobStatus::Undoing,
        }
    }

    fn command(self, at: DateTime<Utc>, who: PlayerId) -> JobCommand {
        match self {
            Self::Approve => JobCommand::Approve { at, checker: who },
            Self::Stop => JobCommand::Stop { at },
            Self::Resume => JobCommand::Resume { at },
            Self::Undo => JobCommand::Undo { at },
        }
    }
}

impl Commands {
    /// Asks for gold for many. It is paid by and by; if all of it is so much that it takes two, not
    /// before somebody else has agreed. The reason is kept beside the log, where it can be erased.
    ///
    /// # Errors
    /// If these lines cannot be those of a job.
    pub async fn request_job(
        &self,
        caller: &Caller,
        receivers: Receivers,
        reason: String,
    ) -> Result<Answer<JobAsked>, Failure<BulkRefusal>> {
        let (at, job, maker) = (self.clock.now(), self.codes.next_job().await?, staff(caller));
        let fingerprint =
            self.fingerprints.fingerprint("request_job", &(receivers.wish(), &reason));
        let request = Request::new(caller, None).keyed(fingerprint).with_text(reason);
        let (lines, resolved) = receivers.into_lines();
        let all = lines.iter().fold(0, |sum: u64, line| sum.saturating_add(line.gold.amount()));
        // What is too much for any balance is refused by the job itself.
        let takes_two = Gold::new(all).is_none_or(|all| self.approvals.takes_two(all));
        let expires_at = takes_two.then(|| at + self.approvals.valid_for);
        let decide = move |world: &mut World<'_>| {
            let maker = maker.ok_or(Decline::Refused(BulkRefusal::StaffOnly))?;
            let order = Order { maker, kind: JobKind::BulkGrant, resolved, expires_at };
            let ask = JobCommand::Request { at, order, lines: lines.clone() };
            world.decide::<Job>(job, &ask).map_err(Decline::widen)
        };
        let committed = self.bus.execute(request, decide).await?;
        committed.answer_at(|recorded, event| {
            let JobEvent::JobRequested { lines, gold, resolved, expires_at, .. } = *event else {
                return None;
            };
            let job = stored::decode_id(&recorded.event.aggregate_id).ok()?;
            let resolved_position = resolved.map(|resolved| resolved.position);
            Some(JobAsked { job, lines, gold, resolved_position, expires_at })
        })
    }

    /// Agrees to a job, stops it, lets it go on, or undoes it. Asking for what is so already does
    /// nothing.
    ///
    /// # Errors
    /// If there is no such job, or it is not where it would have to be.
    pub async fn steer_job(
        &self,
        caller: &Caller,
        job: JobId,
        steer: Steer,
    ) -> Result<Committed, Failure<BulkRefusal>> {
        let request = Request::new(caller, None)
            .keyed(self.fingerprints.fingerprint("steer_job", &(job, steer)));
        let at = self.clock.now();
        self.ask_job(request, job, staff(caller), move |who| steer.command(at, who)).await
    }

    /// Says no to a job. Whoever asked for it can do so, too. The reason is kept beside the log, where
    /// it can be erased.
    ///
    /// # Errors
    /// As [`Self::steer_job`].
    pub async fn reject_job(
        &self,
        caller: &Caller,
        job: JobId,
        reason: String,
    ) -> Result<Committed, Failure<BulkRefusal>> {
        let request = Request::new(caller, None)
            .keyed(self.fingerprints.fingerprint("reject_job", &(job, &reason)))
            .with_text(reason);
        let at = self.clock.now();
        let command = move |checker| JobCommand::Reject { at, checker };
        self.ask_job(request, job, staff(caller), command).await
    }

    async fn ask_job(
        &self,
        request: Request,
        job: JobId,
        who: Option<PlayerId>,
        command: impl Fn(PlayerId) -> JobCommand + Send + Sync + 'static,
    ) -> Result<Committed, Failure<BulkRefusal>> {
        let decide = move |world: &mut World<'_>| {
            let who = who.ok_or(Decline::Refused(BulkRefusal::StaffOnly))?;
            world.decide::<Job>(job, &command(who)).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Where a job stands, from the node's own state; nothing if nobody has asked for it.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn job_status(&self, job: JobId) -> Result<Option<JobStatus>, Unavailable> {
        let look = |job: &Job| job.order().map(|_| job.status());
        Ok(self.bus.look(job, look).await?.0)
    }
}
