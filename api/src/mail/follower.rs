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
use domain::stored::{Place, Recorded};
use projections::checkpoint::{self, Checkpoint};
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
use sqlx::PgConnection;
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
        let at = Checkpoint::only(from);
        let now = self.clock.now();
        let mut transaction = self.feed.pool().begin().await?;
        // Lost in a crash of the database, mails and place are lost together and come again from the log.
        sqlx::query("set local synchronous_commit = off").execute(&mut *transaction).await?;
        // Another node may have taken over.
        if !checkpoint::advance(&mut transaction, NAME, "live", &at, &to).await? {
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
        let known = checkpoint::live(&mut *pool.acquire().await?, NAME).await?;
        let known = known.map(|checkpoint| checkpoint.place);
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
                let mut connection = pool.acquire().await?;
                checkpoint::put(&mut connection, NAME, &Checkpoint::only(head)).await?;
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
