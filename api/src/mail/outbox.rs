//! The table of mails: what is due, what was sent, and what became of the rest.

use chrono::{DateTime, Utc};
use domain::id::PlayerId;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::kind::Kind;

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// To be sent.
    Queued,
    /// The mail server has it.
    Sent,
    /// The mail server refused it for good, or for a day.
    Failed,
    /// Nobody knows where to.
    NoAddress,
    /// It goes to somebody who gets none, or wants none of this kind.
    Suppressed,
    /// There is no mail server.
    NotConfigured,
    /// What it is about is over: its link was replaced or has expired, its campaign was stopped for good.
    Obsolete,
    /// Of a campaign: whether the mail server has it is not known. It is not sent again.
    Unknown,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sent,
        Self::Failed,
        Self::NoAddress,
        Self::Suppressed,
        Self::NotConfigured,
        Self::Obsolete,
        Self::Unknown,
    ];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::NoAddress => "no_address",
            Self::Suppressed => "suppressed",
            Self::NotConfigured => "not_configured",
            Self::Obsolete => "obsolete",
            Self::Unknown => "unknown",
        }
    }

    /// By its stored name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A mail that is due, to be put into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What it is about, once.
    pub key: String,
    /// Which kind.
    pub kind: Kind,
    /// To whom.
    pub player: PlayerId,
    /// The event that it is about.
    pub position: Option<u64>,
    /// The link that it carries.
    pub token_id: Option<String>,
    /// The campaign that it belongs to.
    pub campaign: Option<i64>,
}

/// A mail as it stands in the outbox.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// What it is about, once.
    pub key: String,
    /// Which kind.
    pub kind: Kind,
    /// To whom.
    pub player: PlayerId,
    /// The event that it is about.
    pub position: Option<u64>,
    /// The link that it carries.
    pub token_id: Option<String>,
    /// The campaign that it belongs to.
    pub campaign: Option<i64>,
    /// The mail that it repeats, as the staff wished.
    pub resent_of: Option<i64>,
    /// Where it stands.
    pub status: Status,
    /// How often it was tried.
    pub attempts: i32,
    /// When it became due.
    pub created_at: DateTime<Utc>,
    /// When it is tried next.
    pub due_at: DateTime<Utc>,
    /// When its status became final.
    pub finished_at: Option<DateTime<Utc>>,
    /// The last words of the mail server.
    pub server_said: Option<String>,
}

/// Which mails the staff wants to see. What is not given does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// To whom.
    pub player: Option<PlayerId>,
    /// Where they stand.
    pub status: Option<Status>,
    /// Which kind.
    pub kind: Option<Kind>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Outbox {
    pool: PgPool,
    is_sending: bool,
}

pub(super) const COLUMNS: &str = "id, key, kind, user_id, position, token_id, campaign_id, resent_of, \
     status, attempts, created_at, due_at, finished_at, server_said";

impl Outbox {
    /// In this database; whether there is anybody who takes mail.
    #[must_use]
    pub fn new(pool: PgPool, is_sending: bool) -> Self {
        Self { pool, is_sending }
    }

    /// What becomes of a mail that is due now.
    pub(super) fn first_status(&self) -> Status {
        if self.is_sending { Status::Queued } else { Status::NotConfigured }
    }

    /// Puts mails in, in this order; one that is in already stays as it is.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put(
        &self,
        connection: &mut PgConnection,
        due: &[Due],
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let texts = |text: fn(&Due) -> Option<&str>| due.iter().map(text).collect::<Vec<_>>();
        let numbers = |number: fn(&Due) -> Option<i64>| due.iter().map(number).collect::<Vec<_>>();
        sqlx::query(
            "insert into mail.outbox
                    (key, kind, user_id, position, token_id, campaign_id, status, created_at, due_at,
                     finished_at)
             select key, kind, user_id, position, token_id, campaign_id, $7, $8, $8,
                    case when $7 <> 'queued' then $8::timestamptz end
               from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])
                    with ordinality
                 as due (key, kind, user_id, position, token_id, campaign_id, number)
              order by number
             on conflict (key) do nothing",
        )
        .bind(texts(|due| Some(&due.key)))
        .bind(texts(|due| Some(due.kind.name())))
        .bind(numbers(|due| Some(due.player.0)))
        .bind(numbers(|due| due.position.and_then(|position| i64::try_from(position).ok())))
        .bind(texts(|due| due.token_id.as_deref()))
        .bind(numbers(|due| due.campaign))
        .bind(self.first_status().name())
        .bind(now)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Puts a mail in once more, under a key of its own. None of a campaign: those are sent at most once.
    pub(super) async fn put_again(
        &self,
        connection: &mut PgConnection,
        (mail, key): (i64, &str),
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let status = self.first_status();
        sqlx::query(
            "insert into mail.outbox
                    (key, kind, user_id, position, token_id, resent_of, status, created_at, due_at,
                     finished_at)
             select $2, kind, user_id, position, token_id, id, $3, $4, $4,
                    case when $3 <> 'queued' then $4::timestamptz end
               from mail.outbox where id = $1 and campaign_id is null
             on conflict (key) do nothing",
        )
        .bind(mail)
        .bind(key)
        .bind(status.name())
        .bind(now)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Somebody's address is known now: what waited for it is due.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn address_is_known(
        &self,
        connection: &mut PgConnection,
        player: PlayerId,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let update = "update mail.outbox set due_at = $2
                       where user_id = $1 and status = 'queued' and due_at > $2";
        sqlx::query(update).bind(player.0).bind(now).execute(connection).await?;
        Ok(())
    }

    /// How many mails of a kind were put in for somebody since a moment.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn count_since(
        &self,
        connection: &mut PgConnection,
        (player, kind): (PlayerId, Kind),
        since: DateTime<Utc>,
    ) -> Result<i64, sqlx::Error> {
        let count = "select count(*) from mail.outbox
                      where user_id = $1 and kind = $2 and created_at > $3";
        let query = sqlx::query_scalar(count).bind(player.0).bind(kind.name()).bind(since);
        query.fetch_one(connection).await
    }

    /// A page of mails, newest first, before the number `before`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn page(
        &self,
        wanted: Wanted,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let select = format!(
            "select {COLUMNS} from mail.outbox
              where id < $1 and ($2::bigint is null or user_id = $2)
                and ($3::text is null or status = $3) and ($4::text is null or kind = $4)
              order by id desc limit $5"
        );
        let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        let rows = sqlx::query(&select)
            .persistent(false)
            .bind(before)
            .bind(wanted.player.map(|player| player.0))
            .bind(wanted.status.map(Status::name))
            .bind(wanted.kind.map(Kind::name))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(entry).collect()
    }

    /// One mail.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn by_id(&self, id: i64) -> Result<Option<Entry>, sqlx::Error> {
        let select = format!("select {COLUMNS} from mail.outbox where id = $1");
        let row = sqlx::query(&select).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(entry).transpose()
    }

    /// How many wait to be sent, and since when the oldest of them.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn backlog(&self) -> Result<(i64, Option<DateTime<Utc>>), sqlx::Error> {
        let select = "select count(*), min(created_at) from mail.outbox where status = 'queued'";
        sqlx::query_as(select).fetch_one(&self.pool).await
    }
}

pub(super) fn entry(row: &PgRow) -> Result<Entry, sqlx::Error> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("an unknown {what} of mail").into());
    let position: Option<i64> = row.try_get("position")?;
    Ok(Entry {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        kind: Kind::find(row.try_get("kind")?).ok_or_else(|| unknown("kind"))?,
        player: PlayerId(row.try_get("user_id")?),
        position: position.and_then(|position| u64::try_from(position).ok()),
        token_id: row.try_get("token_id")?,
        campaign: row.try_get("campaign_id")?,
        resent_of: row.try_get("resent_of")?,
        status: Status::find(row.try_get("status")?).ok_or_else(|| unknown("status"))?,
        attempts: row.try_get("attempts")?,
        created_at: row.try_get("created_at")?,
        due_at: row.try_get("due_at")?,
        finished_at: row.try_get("finished_at")?,
        server_said: row.try_get("server_said")?,
    })
}
