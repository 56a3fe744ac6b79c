//! The follower of the log that puts mail into the outbox: one row for each mail that is due, in the
//! transaction that moves its place.
//!
//! On its first start it begins at the log's head: what happened before there was mail, perhaps years ago,
//! is no news to anybody.

use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::clock::Clock;
use domain::account::AccountEvent;
use domain::audit::AuditEvent;
use domain::campaign::CampaignEvent;
use domain::event::ClubEvent;
use domain::identity::IdentityEvent;
use domain::stored::{Hash, Place, Recorded};
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
use projections::position::{from_sql, to_sql};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use tokio::time::Instant;

use super::Mail;
use super::kind::Kind;
use super::outbox::Due;

/// What it is called in `read.followers`. Forever.
const NAME: &str = "mail";
/// Events that nobody gets mail about move its place so often: a commit for each batch would be time
/// that the log's own commits have to wait for.
const REMEMBER: Duration = Duration::from_secs(1);

/// See the module.
pub struct MailSink {
    mail: Mail,
    feed: Feed,
    clock: Arc<dyn Clock>,
    stored: Option<Place>,
    stored_at: Instant,
    /// The last event that it has taken.
    taken: Option<Place>,
}

/// What an event asks for.
enum Asked {
    Mail(Due),
    Again { mail: i64, key: String },
}

impl MailSink {
    /// Not at work yet.
    #[must_use]
    pub fn new(mail: Mail, feed: Feed, clock: Arc<dyn Clock>) -> Self {
        Self { mail, feed, clock, stored: None, stored_at: Instant::now(), taken: None }
    }

    async fn store(&mut self, asked: &[Asked], to: Place) -> Result<(), FollowerError> {
        let Some(from) = self.stored else { return Err(FollowerError::Superseded) };
        let now = self.clock.now();
        let mut transaction = self.feed.pool().begin().await?;
        // Lost in a crash of the database, mails and place are lost together and come again from the log.
        sqlx::query("set local synchronous_commit = off").execute(&mut *transaction).await?;
        if !advance(&mut transaction, &from, &to).await? {
            return Err(FollowerError::Superseded);
        }
        for asked in asked {
            put(&self.mail, &mut transaction, asked, now).await?;
        }
        transaction.commit().await?;
        (self.stored, self.stored_at) = (Some(to), Instant::now());
        Ok(())
    }
}

impl Sink for MailSink {
    const NAME: &'static str = NAME;
    const LEASED: bool = true;

    async fn resume(&mut self) -> Result<Resume, FollowerError> {
        let pool = self.feed.pool();
        let known = stored_place(pool).await?;
        let place = match known {
            Some(place) if self.feed.holds(&place).await? => place,
            _ => {
                let head = self.feed.head().await?;
                if let Some(gone) = known {
                    let (position, head) = (gone.position, head.position);
                    tracing::warn!(
                        position,
                        head,
                        "the place of mail has gone: it begins at the head"
                    );
                }
                begin(pool, &head).await?;
                head
            }
        };
        (self.stored, self.stored_at, self.taken) = (Some(place), Instant::now(), None);
        Ok(Resume::After(place))
    }

    async fn idle(&mut self) -> Result<(), FollowerError> {
        match self.taken {
            Some(taken) if self.stored != Some(taken) => self.store(&[], taken).await,
            _ => Ok(()),
        }
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut asked = Vec::new();
        for event in events.iter().filter(|event| is_of_interest(event)) {
            let position = event.place.position;
            let decoded = ClubEvent::decode(event)
                .map_err(|source| FollowerError::Decode { position, source })?;
            asked.extend(asked_by(&event.place, &decoded));
        }
        self.taken = Some(last.place);
        if asked.is_empty() && self.stored_at.elapsed() < REMEMBER {
            return Ok(());
        }
        self.store(&asked, last.place).await?;
        if !asked.is_empty() {
            self.mail.is_due();
        }
        Ok(())
    }
}

/// Most events are none of these, and are not decoded.
fn is_of_interest(recorded: &Recorded) -> bool {
    matches!(
        recorded.event.event_type.as_ref(),
        "account_opened"
            | "purchase_completed"
            | "purchase_refunded"
            | "late_capture_refunded"
            | "banned"
            | "mail_resent"
            | "campaign_tested"
    )
}

fn asked_by(place: &Place, event: &ClubEvent) -> Option<Asked> {
    let (player, kind) = match event {
        ClubEvent::Account(player, event) => (*player, about_account(event)?),
        ClubEvent::Identity(player, IdentityEvent::Banned { .. }) => (*player, Kind::Ban),
        ClubEvent::Campaign(_, CampaignEvent::CampaignTested { by, .. }) => {
            (*by, Kind::CampaignTest)
        }
        ClubEvent::Audit(_, AuditEvent::MailResent { mail, .. }) => {
            return Some(Asked::Again { mail: *mail, key: key("resent", place) });
        }
        _ => return None,
    };
    Some(Asked::Mail(Due {
        key: key(kind.name(), place),
        kind,
        player,
        position: Some(place.position),
        token_id: None,
        campaign: None,
    }))
}

fn about_account(event: &AccountEvent) -> Option<Kind> {
    match event {
        AccountEvent::AccountOpened { .. } => Some(Kind::Welcome),
        AccountEvent::PurchaseCompleted { .. } => Some(Kind::Receipt),
        AccountEvent::PurchaseRefunded { .. } | AccountEvent::LateCaptureRefunded { .. } => {
            Some(Kind::Refund)
        }
        _ => None,
    }
}

/// With the event's hash: in a log that was restored to before it, the same position is another event.
fn key(kind: &str, place: &Place) -> String {
    format!("{kind}/{}", place.cursor())
}

async fn put(
    mail: &Mail,
    connection: &mut PgConnection,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    match asked {
        Asked::Mail(due) => mail.outbox.put(connection, due, now).await,
        Asked::Again { mail: id, key } => mail.outbox.put_again(connection, (*id, key), now).await,
    }
}

async fn stored_place(pool: &PgPool) -> Result<Option<Place>, FollowerError> {
    let select = "select position, hash from read.followers where name = $1 and state = 'live'";
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as(select).bind(NAME).fetch_optional(pool).await?;
    let Some((position, hash)) = row else { return Ok(None) };
    let Some(hash) = Hash::from_slice(&hash) else { return Ok(None) };
    Ok(Some(Place { position: from_sql(position)?, hash }))
}

async fn begin(pool: &PgPool, head: &Place) -> Result<(), FollowerError> {
    sqlx::query(
        "insert into read.followers (name, generation, version, state, position, hash)
         values ($1, 1, 1, 'live', $2, $3)
         on conflict (name, generation) do update
            set position = excluded.position, hash = excluded.hash, updated_at = now()",
    )
    .bind(NAME)
    .bind(to_sql(head.position)?)
    .bind(&head.hash.0[..])
    .execute(pool)
    .await?;
    Ok(())
}

/// Moves the place, if it is where it is believed to be: another node may have taken over.
async fn advance(
    connection: &mut PgConnection,
    from: &Place,
    to: &Place,
) -> Result<bool, FollowerError> {
    let moved = sqlx::query(
        "update read.followers set position = $4, hash = $5, updated_at = now()
          where name = $1 and generation = 1 and position = $2 and hash = $3",
    )
    .bind(NAME)
    .bind(to_sql(from.position)?)
    .bind(&from.hash.0[..])
    .bind(to_sql(to.position)?)
    .bind(&to.hash.0[..])
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}
