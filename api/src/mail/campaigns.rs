//! The chore that sends campaigns: puts their recipients into the outbox, all in one transaction, sends to
//! one after another at the pace of the settings, and says when nothing is left.
//!
//! At most once: a mail's row says that it is out of hand before the mail server hears of it, durably.
//! After a crash it stays `unknown`, and is not sent again. Any node may send; all together keep one pace.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commands::Caller;
use domain::campaign::{Campaign, CampaignCounts};
use domain::id::CampaignId;
use projections::read_models::{ReadError, campaigns};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

use super::Mail;
use super::audience::recipients;
use super::compose::{Composed, Composer};
use super::kind::Kind;
use super::outbox::{COLUMNS, Entry, Status, entry};
use super::smtp::Given;
use crate::faults::Fault;

/// How often it looks for campaigns.
const ROUND: Duration = Duration::from_secs(1);
/// Who finishes them.
const NAME: &str = "campaigns";
/// A mail that the server may take later is tried again after so long.
const LATER: TimeDelta = TimeDelta::minutes(5);
/// How long a mail is tried.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// Who has this lock takes the next mail: the pace is one for all nodes.
const PACE_LOCK: &str = "club/campaigns/pace";

/// What came of a turn.
enum Turn {
    /// A mail was dealt with.
    Done,
    /// It is not time yet for the next, or another node has it.
    Wait(Duration),
    /// None is due now.
    Nothing,
    /// The mail server is away.
    Away,
}

/// Sends until it is told to end.
pub async fn run(mail: Mail, composer: Composer, pool: PgPool, mut ending: watch::Receiver<bool>) {
    let sending = Sending { mail, composer, pool };
    loop {
        tokio::select! {
            biased;
            _ = ending.wait_for(|end| *end) => return,
            () = tokio::time::sleep(ROUND) => {}
        }
        match sending.round(&ending).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "campaigns cannot be sent for now"),
        }
    }
}

struct Sending {
    mail: Mail,
    composer: Composer,
    pool: PgPool,
}

impl Sending {
    async fn round(&self, ending: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let running = match campaigns::running(&self.pool, self.composer.now()).await {
            // Before the first rebuild no campaign is known.
            Err(ReadError::NotBuilt) => return Ok(()),
            running => running?,
        };
        for id in running {
            self.advance(id, ending).await?;
        }
        Ok(())
    }

    /// One campaign, as far as it goes now.
    async fn advance(&self, id: CampaignId, ending: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let Some(campaign) = self.running(id).await? else { return Ok(()) };
        self.resolve(id, &campaign).await?;
        while !*ending.borrow() && self.running(id).await?.is_some() {
            match self.turn(id).await? {
                Turn::Done => {}
                Turn::Wait(pause) => tokio::time::sleep(pause.min(ROUND)).await,
                Turn::Nothing => return self.finish(id).await,
                Turn::Away => return Ok(()),
            }
        }
        Ok(())
    }

    /// Asked of the node's own state before each mail, so that whoever stops a campaign stops it.
    async fn running(&self, id: CampaignId) -> anyhow::Result<Option<Campaign>> {
        let campaign = self.composer.campaign(id).await?;
        Ok(campaign.filter(|campaign| campaign.runs(self.composer.now())))
    }

    /// Puts a mail for each recipient into the outbox; the second time it does nothing.
    async fn resolve(&self, id: CampaignId, campaign: &Campaign) -> anyhow::Result<()> {
        let Some(terms) = campaign.terms() else { return Ok(()) };
        if self.is_resolved(id).await? {
            return Ok(());
        }
        let now = self.composer.now();
        let to = recipients(&self.pool, &terms.audience, now).await;
        let to: Vec<i64> =
            to.map_err(crate::error::ApiError::into_cause)?.iter().map(|it| it.0).collect();
        let mut transaction = self.pool.begin().await?;
        let insert = "insert into mail.campaigns (id, recipients) values ($1, $2)
                      on conflict (id) do nothing";
        let count = i64::try_from(to.len()).unwrap_or(i64::MAX);
        let mine = sqlx::query(insert).bind(id.0).bind(count).execute(&mut *transaction).await?;
        if mine.rows_affected() == 0 {
            return Ok(());
        }
        sqlx::query(
            "insert into mail.outbox (key, kind, user_id, campaign_id, status, created_at, due_at)
             select $1 || '/' || $2 || '/' || recipient, $1, recipient, $2, 'queued', $4, $4
               from unnest($3::bigint[]) recipient
             on conflict (key) do nothing",
        )
        .bind(Kind::Campaign.name())
        .bind(id.0)
        .bind(&to)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn is_resolved(&self, id: CampaignId) -> Result<bool, sqlx::Error> {
        let select = "select exists (select 1 from mail.campaigns where id = $1)";
        sqlx::query_scalar(select).bind(id.0).fetch_one(&self.pool).await
    }

    /// One mail.
    async fn turn(&self, id: CampaignId) -> anyhow::Result<Turn> {
        let Some(smtp) = &self.mail.smtp else { return Ok(Turn::Nothing) };
        // Before a mail is out of hand: a server that is away costs nobody the mail.
        if let Err(said) = smtp.is_there().await {
            tracing::warn!(campaign = id.0, said, "the mail server is away: the campaign waits");
            return Ok(Turn::Away);
        }
        let now = self.composer.now();
        let mut transaction = self.pool.begin().await?;
        if let Some(pause) = self.pause(&mut transaction).await? {
            return Ok(Turn::Wait(pause));
        }
        let Some(mail) = take(&mut transaction, id, now).await? else {
            return Ok(self.nothing(id).await?);
        };
        transaction.commit().await?;
        Fault::CampaignMailMarked.strikes_if(self.mail.fault);
        let (status, said, again_at) = self.send(&mail, now).await;
        mark(&self.pool, &mail, (status, said.as_deref(), again_at), now).await?;
        metrics::counter!("club_mails_total", "kind" => mail.kind.name(), "status" => status.name())
            .increment(1);
        Ok(Turn::Done)
    }

    /// How long to wait for the next mail; `None` if it is time and nobody else is at it.
    async fn pause(&self, connection: &mut PgConnection) -> anyhow::Result<Option<Duration>> {
        let lock = "select pg_try_advisory_xact_lock(hashtext($1))";
        let is_mine: bool =
            sqlx::query_scalar(lock).bind(PACE_LOCK).fetch_one(&mut *connection).await?;
        let between = Duration::from_secs(60) / self.mail.campaigns_per_minute;
        if !is_mine {
            return Ok(Some(between));
        }
        let select =
            "select (extract(epoch from clock_timestamp() - max(last_taken_at)) * 1000)::bigint
                        from mail.campaigns";
        let since: Option<i64> = sqlx::query_scalar(select).fetch_one(connection).await?;
        let since = since.and_then(|since| u64::try_from(since).ok()).map(Duration::from_millis);
        Ok(since.and_then(|since| between.checked_sub(since)).filter(|pause| !pause.is_zero()))
    }

    /// None is due now, or none is left.
    async fn nothing(&self, id: CampaignId) -> Result<Turn, sqlx::Error> {
        let select = "select exists (select 1 from mail.outbox
                       where campaign_id = $1 and status = 'queued')";
        let waits: bool = sqlx::query_scalar(select).bind(id.0).fetch_one(&self.pool).await?;
        Ok(if waits { Turn::Away } else { Turn::Nothing })
    }

    async fn send(
        &self,
        mail: &Entry,
        now: DateTime<Utc>,
    ) -> (Status, Option<String>, Option<DateTime<Utc>>) {
        let letter = match self.composer.compose(mail).await {
            Ok(Composed::Ready(letter)) => letter,
            Ok(Composed::Not(status)) => return (status, None, None),
            Ok(Composed::Later(at)) => return (Status::Queued, None, Some(at)),
            Err(error) => {
                tracing::warn!(mail = mail.id, %error, "a mail of a campaign cannot be written");
                return (Status::Queued, None, Some(now + LATER));
            }
        };
        let Some(smtp) = &self.mail.smtp else { return (Status::Queued, None, Some(now)) };
        match smtp.give(&letter, &self.mail.key.message_id(&mail.key)).await {
            Given::Taken => {
                Fault::MailSent.strikes_if(self.mail.fault);
                (Status::Sent, None, None)
            }
            Given::Never(said) => (Status::Failed, Some(said), None),
            // It said no, so it has not got it.
            Given::Later(said) | Given::Shut(said) if mail.created_at + PATIENCE > now => {
                (Status::Queued, Some(said), Some(now + LATER))
            }
            Given::Later(said) | Given::Shut(said) => (Status::Failed, Some(said), None),
            Given::Away(said) => (Status::Unknown, Some(said), None),
        }
    }

    async fn finish(&self, id: CampaignId) -> anyhow::Result<()> {
        let counts = counts(&self.pool, id).await?;
        let finished = self.composer.finish_campaign(&Caller::system(NAME), id, counts).await;
        finished.map_err(|failure| anyhow::anyhow!("{failure}"))
    }
}

/// Takes the next mail of a campaign out of hand. It is sent now, or never.
async fn take(
    connection: &mut PgConnection,
    id: CampaignId,
    now: DateTime<Utc>,
) -> Result<Option<Entry>, sqlx::Error> {
    let take = format!(
        "update mail.outbox set status = 'unknown', attempts = attempts + 1, finished_at = $2
          where id = (select id from mail.outbox
                       where campaign_id = $1 and status = 'queued' and due_at <= $2
                       order by id limit 1 for update skip locked)
         returning {COLUMNS}"
    );
    let row = sqlx::query(&take).bind(id.0).bind(now).fetch_optional(&mut *connection).await?;
    let paced = "update mail.campaigns set last_taken_at = clock_timestamp() where id = $1";
    sqlx::query(paced).bind(id.0).execute(connection).await?;
    row.as_ref().map(entry).transpose()
}

async fn mark(
    pool: &PgPool,
    mail: &Entry,
    (status, said, again_at): (Status, Option<&str>, Option<DateTime<Utc>>),
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update mail.outbox set status = $2, server_said = $3, due_at = coalesce($4, due_at),
                finished_at = case when $2 <> 'queued' then $5::timestamptz end
          where id = $1",
    )
    .bind(mail.id)
    .bind(status.name())
    .bind(said)
    .bind(again_at)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// What became of a campaign's mails so far.
///
/// # Errors
/// If the database does not answer.
pub async fn counts(pool: &PgPool, id: CampaignId) -> Result<CampaignCounts, sqlx::Error> {
    let select = "select status, count(*) from mail.outbox where campaign_id = $1 group by status";
    let rows: Vec<(String, i64)> = sqlx::query_as(select).bind(id.0).fetch_all(pool).await?;
    let of = |status: Status| {
        let found = rows.iter().find(|(name, _)| name == status.name());
        found.map_or(0, |(_, count)| u64::try_from(*count).unwrap_or_default())
    };
    Ok(CampaignCounts {
        recipients: Status::ALL.into_iter().map(of).sum(),
        sent: of(Status::Sent),
        failed: of(Status::Failed),
        suppressed: of(Status::Suppressed),
        no_address: of(Status::NoAddress),
        unknown: of(Status::Unknown),
    })
}
