//! The follower of the log that puts mail into the outbox: one row for each mail that is due, in the
//! transaction that moves its place.
//!
//! On its first start it begins at the log's head: what happened before there was mail, perhaps years ago,
//! is no news to anybody.

use std::time::Duration;

use commands::clock::Clock;
use domain::account::AccountEvent;
use domain::audit::AuditEvent;
use domain::campaign::CampaignEvent;
use domain::event::ClubEvent;
use domain::identity::IdentityEvent;
use domain::stored::{Place, Recorded};
use projections::checkpoint::{self, Checkpoint};
use projections::engine::Pace;
use projections::feed::Feed;
use projections::follower::{FollowerError, Resume, Sink};
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
/// Mails are put in so many at once.
const PACE: Pace = Pace { busy: Duration::from_millis(100), awaited: Duration::from_millis(10) };

/// See the module.
pub struct MailSink {
    mail: Mail,
    feed: Feed,
    clock: Arc<dyn Clock>,
    stored: Option<Place>,
    stored_at: Instant,
    /// The last event that it has taken.
    taken: Option<Place>,
    asked: Asked,
}

/// What events have asked for, to be put in.
#[derive(Default)]
struct Asked {
    mails: Vec<Due>,
    /// Mails that are sent once more, and the key of that.
    again: Vec<(i64, String)>,
}

impl MailSink {
    /// Not at work yet.
    #[must_use]
    pub fn new(mail: Mail, feed: Feed, clock: Arc<dyn Clock>) -> Self {
        let (stored, taken, asked) = (None, None, Asked::default());
        Self { mail, feed, clock, stored, stored_at: Instant::now(), taken, asked }
    }

    async fn store(&mut self, to: Place) -> Result<(), FollowerError> {
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
        let Asked { mails, again } = std::mem::take(&mut self.asked);
        if !mails.is_empty() {
            self.mail.outbox.put(&mut transaction, &mails, now).await?;
        }
        for (mail, key) in &again {
            self.mail.outbox.put_again(&mut transaction, (*mail, key), now).await?;
        }
        transaction.commit().await?;
        (self.stored, self.stored_at) = (Some(to), Instant::now());
        Ok(())
    }
}

impl Sink for MailSink {
    const NAME: &'static str = NAME;
    const LEASED: bool = true;
    const PACE: Option<Pace> = Some(PACE);

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
        self.asked = Asked::default();
        Ok(Resume::After(place))
    }

    async fn idle(&mut self) -> Result<(), FollowerError> {
        match self.taken {
            Some(taken) if self.stored != Some(taken) => self.store(taken).await,
            _ => Ok(()),
        }
    }

    async fn handle(&mut self, events: &[Recorded]) -> Result<(), FollowerError> {
        for event in events.iter().filter(|event| is_of_interest(event)) {
            let position = event.place.position;
            let decoded = ClubEvent::decode(event)
                .map_err(|source| FollowerError::Decode { position, source })?;
            self.asked.note(&event.place, &decoded);
        }
        self.taken = events.last().map(|last| last.place).or(self.taken);
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), FollowerError> {
        let Some(taken) = self.taken else { return Ok(()) };
        let is_asked = !self.asked.is_empty();
        if is_asked || self.stored_at.elapsed() >= REMEMBER {
            self.store(taken).await?;
        }
        if is_asked {
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

impl Asked {
    fn is_empty(&self) -> bool {
        self.mails.is_empty() && self.again.is_empty()
    }

    fn note(&mut self, place: &Place, event: &ClubEvent) {
        let about = match event {
            ClubEvent::Account(player, event) => about_account(event).map(|kind| (*player, kind)),
            ClubEvent::Identity(player, IdentityEvent::Banned { .. }) => Some((*player, Kind::Ban)),
            ClubEvent::Campaign(_, CampaignEvent::CampaignTested { by, .. }) => {
                Some((*by, Kind::CampaignTest))
            }
            ClubEvent::Audit(_, AuditEvent::MailResent { mail, .. }) => {
                self.again.push((*mail, key("resent", place)));
                None
            }
            _ => None,
        };
        self.mails.extend(about.map(|(player, kind)| Due {
            key: key(kind.name(), place),
            kind,
            player,
            position: Some(place.position),
            token_id: None,
            campaign: None,
        }));
    }
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
