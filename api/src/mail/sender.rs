//! The chore that sends what is due. Any node may; a mail's row is locked while it is being sent, so that no
//! two send it, and free again when whoever had it is gone.
//!
//! A crash after the mail server has a mail and before the row says so sends it once more, with the same
//! Message-ID. Mail of campaigns ([`super::campaigns`]) is the other way round.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Mail;
use super::compose::{Composed, Composer, Letter};
use super::outbox::{COLUMNS, Entry, Status, entry};
use super::smtp::Given;
use crate::faults::Fault;

/// How often it looks when nobody tells it that something is due: another node's mail, and what waits.
const ROUND: Duration = Duration::from_secs(1);
/// Mails that are sent at the same time.
const AT_ONCE: usize = 4;
/// How long it rests when the mail server is away, at first and at most.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How long a mail is tried.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// The longest pause between two tries of a mail.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A mail was dealt with.
    Done,
    /// There was nothing to do.
    Idle,
    /// The mail server is away.
    Away,
}

/// Sends until it is told to end. It has connections to the database of its own, since it holds one for as
/// long as a mail takes.
pub async fn run(mail: Mail, composer: Composer, pool: PgPool, mut ending: watch::Receiver<bool>) {
    let mut sender = Sender { mail, composer, pool, reported_at: None };
    let mut rest = FIRST_REST;
    loop {
        let turn = sender.round().await;
        let is_idle = matches!(turn, Ok(Turn::Idle));
        let (pause, next_rest) = match turn {
            Ok(Turn::Done) => (Duration::ZERO, FIRST_REST),
            Ok(Turn::Idle) => (ROUND, FIRST_REST),
            Ok(Turn::Away) => (rest, (rest * 2).min(LONGEST_REST)),
            Err(error) => {
                tracing::warn!(%error, "mail cannot be sent for now");
                (rest, (rest * 2).min(LONGEST_REST))
            }
        };
        rest = next_rest;
        tokio::select! {
            biased;
            _ = ending.wait_for(|end| *end) => return,
            () = sender.mail.wake.notified(), if is_idle => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Sender {
    mail: Mail,
    composer: Composer,
    pool: PgPool,
    reported_at: Option<Instant>,
}

impl Sender {
    /// One mail, and if there is more, several at once.
    async fn round(&mut self) -> anyhow::Result<Turn> {
        let first = self.send_one().await?;
        if self.reported_at.is_none_or(|at| at.elapsed() >= ROUND) {
            self.report().await?;
            self.reported_at = Some(Instant::now());
        }
        if first != Turn::Done {
            return Ok(first);
        }
        let turns = futures::future::try_join_all((0..AT_ONCE).map(|_| self.send_one())).await?;
        Ok(if turns.contains(&Turn::Away) { Turn::Away } else { Turn::Done })
    }

    /// Takes the mail that has been due longest and that nobody else has, and deals with it.
    async fn send_one(&self) -> anyhow::Result<Turn> {
        let now = self.composer.now();
        let mut transaction = self.pool.begin().await?;
        let Some(mail) = next(&mut transaction, now).await? else { return Ok(Turn::Idle) };
        let (outcome, turn) = self.deal_with(&mail, now).await;
        mark(&mut transaction, &mail, &outcome).await?;
        transaction.commit().await?;
        count(&mail, &outcome);
        Ok(turn)
    }

    async fn deal_with(&self, mail: &Entry, now: DateTime<Utc>) -> (Outcome, Turn) {
        if mail.created_at + PATIENCE < now {
            return (self.given_up(mail), Turn::Done);
        }
        let letter = match self.composer.compose(mail).await {
            Ok(Composed::Ready(letter)) => letter,
            Ok(Composed::Not(status)) => return (Outcome::ended(status, now), Turn::Done),
            Ok(Composed::Later(at)) => return (Outcome::waits(mail, at), Turn::Done),
            Err(error) => {
                tracing::warn!(mail = mail.id, %error, "a mail cannot be written for now");
                return (Outcome::tried(mail, now, "it cannot be written".to_owned()), Turn::Done);
            }
        };
        self.give(mail, &letter, now).await
    }

    async fn give(&self, mail: &Entry, letter: &Letter, now: DateTime<Utc>) -> (Outcome, Turn) {
        let Some(smtp) = &self.mail.smtp else { return (Outcome::waits(mail, now), Turn::Idle) };
        let given = smtp.give(letter, &self.mail.key.message_id(&mail.key)).await;
        if given == Given::Taken {
            Fault::MailSent.strikes_if(self.mail.fault);
        }
        let ended = |status, said| Outcome { said, attempts: 1, ..Outcome::ended(status, now) };
        let (outcome, away) = match given {
            Given::Taken => (ended(Status::Sent, None), None),
            Given::Never(said) => (ended(Status::Failed, Some(said)), None),
            Given::Later(said) => (Outcome::tried(mail, now, said), None),
            Given::Away(said) | Given::Shut(said) => match smtp.is_there().await {
                // It is there for others: a mail at which it breaks off must not hold them up.
                Ok(()) => (Outcome::tried(mail, now, said), None),
                // No try of this mail: whoever is first in line finds out when the server is back.
                Err(_) => {
                    let waits = Outcome::waits(mail, mail.due_at);
                    (Outcome { said: Some(said.clone()), ..waits }, Some(said))
                }
            },
        };
        let turn = if away.is_some() { Turn::Away } else { Turn::Done };
        self.is_away(away);
        (outcome, turn)
    }

    /// A day is over.
    fn given_up(&self, mail: &Entry) -> Outcome {
        let now = self.composer.now();
        // What waited for an address is not the mail server's fault.
        let status = if mail.server_said.is_some() { Status::Failed } else { Status::NoAddress };
        Outcome { said: mail.server_said.clone(), ..Outcome::ended(status, now) }
    }

    fn is_away(&self, why: Option<String>) {
        if self.mail.away().is_some() != why.is_some() {
            match &why {
                Some(said) => tracing::warn!(said, "the mail server is away: mail waits"),
                None => tracing::info!("the mail server is there"),
            }
        }
        metrics::gauge!("club_mail_server_up").set(if why.is_some() { 0 } else { 1 });
        self.mail.is_away(why);
    }

    /// How much waits, and since when.
    async fn report(&self) -> anyhow::Result<()> {
        let (queued, since) = self.mail.outbox.backlog().await?;
        self.mail.queued.store(queued, Ordering::Relaxed);
        let waited = since.map_or(0, |since| (self.composer.now() - since).num_seconds().max(0));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        {
            metrics::gauge!("club_mail_queued").set(queued as f64);
            metrics::gauge!("club_mail_oldest_seconds").set(waited as f64);
        }
        Ok(())
    }
}

/// What is written into a mail's row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    status: Status,
    attempts: i32,
    due_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    said: Option<String>,
}

impl Outcome {
    fn ended(status: Status, now: DateTime<Utc>) -> Self {
        Self { status, attempts: 0, due_at: None, finished_at: Some(now), said: None }
    }

    fn waits(mail: &Entry, until: DateTime<Utc>) -> Self {
        let said = mail.server_said.clone();
        Self { status: Status::Queued, attempts: 0, due_at: Some(until), finished_at: None, said }
    }

    /// It is tried again, later and later.
    fn tried(mail: &Entry, now: DateTime<Utc>, said: String) -> Self {
        let doubled = u32::try_from(mail.attempts).unwrap_or(0).min(20);
        let pause = TimeDelta::seconds(1 << (doubled + 1)).min(LONGEST_PAUSE);
        Self { said: Some(said), attempts: 1, ..Self::waits(mail, now + pause) }
    }
}

async fn next(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<Entry>, sqlx::Error> {
    let select = format!(
        "select {COLUMNS} from mail.outbox
          where status = 'queued' and campaign_id is null and due_at <= $1
          order by due_at, id limit 1 for update skip locked"
    );
    let row = sqlx::query(&select).bind(now).fetch_optional(connection).await?;
    row.as_ref().map(entry).transpose()
}

async fn mark(
    connection: &mut PgConnection,
    mail: &Entry,
    outcome: &Outcome,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update mail.outbox set status = $2, attempts = attempts + $3,
                due_at = coalesce($4, due_at), finished_at = $5, server_said = $6
          where id = $1",
    )
    .bind(mail.id)
    .bind(outcome.status.name())
    .bind(outcome.attempts)
    .bind(outcome.due_at)
    .bind(outcome.finished_at)
    .bind(&outcome.said)
    .execute(connection)
    .await?;
    Ok(())
}

fn count(mail: &Entry, outcome: &Outcome) {
    if outcome.finished_at.is_some() {
        let (kind, status) = (mail.kind.name(), outcome.status.name());
        metrics::counter!("club_mails_total", "kind" => kind, "status" => status).increment(1);
    }
}
