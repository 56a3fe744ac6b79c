//! Mail: what is due follows from the log and stands in the outbox (`mail.outbox`); a chore of the worker
//! sends it. Nothing personal is kept: a mail is rendered when it is sent.
//!
//! SMTP cannot do exactly once. Transactional mail is sent at least once, always with the same
//! Message-ID; mail of a campaign at most once.

mod audience;
mod campaigns;
mod compose;
mod figures;
mod follower;
mod key;
mod kind;
mod outbox;
mod render;
mod sender;
mod smtp;
mod tokens;

use std::ops::Deref;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sqlx::PgPool;
use tokio::sync::Notify;

pub use audience::{recipients, without_repeats};
pub use campaigns::{counts, run as run_campaigns};
pub use compose::Composer;
pub use follower::MailSink;
pub use key::MailKey;
pub use kind::Kind;
pub use outbox::{Due, Entry, Outbox, Status, Wanted};
pub use sender::run as run_sender;
pub use tokens::{MailTokens, Purpose};

use crate::config::Config;
use crate::faults::Fault;
use smtp::Smtp;

/// All that has to do with mail, as handlers and the worker see it.
#[derive(Clone)]
pub struct Mail(Arc<Parts>);

/// What it is made of.
pub struct Parts {
    /// What is due and was sent.
    pub outbox: Outbox,
    /// Links that were mailed.
    pub tokens: MailTokens,
    /// What links are made of.
    pub key: MailKey,
    smtp: Option<Smtp>,
    campaigns_per_minute: u32,
    /// Where browsers reach the club; known once it listens.
    origin: OnceLock<String>,
    /// Notified when something is due.
    wake: Notify,
    /// Why nothing can be sent now, in the mail server's words.
    away: Mutex<Option<String>>,
    /// How many wait, as the sender saw it last.
    queued: AtomicI64,
    fault: Option<Fault>,
}

impl Deref for Mail {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Mail {
    /// With these settings, on this database.
    ///
    /// # Errors
    /// If the mail server's address cannot be used.
    pub fn new(config: &Config, pool: PgPool) -> anyhow::Result<Self> {
        let key = MailKey::new(&config.club.fingerprint_key);
        let url = config.mail.smtp.as_ref();
        let smtp = url.map(|url| Smtp::new(url, config.mail.from.clone())).transpose()?;
        let origin = OnceLock::new();
        if let Some(known) = &config.http.public_origin {
            origin.get_or_init(|| known.clone());
        }
        Ok(Self(Arc::new(Parts {
            outbox: Outbox::new(pool.clone(), smtp.is_some()),
            tokens: MailTokens::new(pool, key.clone()),
            key,
            smtp,
            campaigns_per_minute: config.mail.campaigns_per_minute,
            origin,
            wake: Notify::new(),
            away: Mutex::default(),
            queued: AtomicI64::new(0),
            fault: config.fault,
        })))
    }

    /// Whether there is anybody who takes mail.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.smtp.is_some()
    }

    /// Where links in mails lead, unless the settings say it.
    pub fn listens_on(&self, origin: String) {
        self.origin.get_or_init(|| origin);
    }

    /// Something is due: the sender looks at once.
    pub fn is_due(&self) {
        self.wake.notify_one();
    }

    /// Why nothing can be sent now, if so.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many wait to be sent, as of about a second ago.
    #[must_use]
    pub fn queued(&self) -> i64 {
        self.queued.load(Ordering::Relaxed)
    }

    fn is_away(&self, why: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// The address of a page of the club's; `None` before it listens.
    fn link(&self, path: &str) -> Option<String> {
        self.origin.get().map(|origin| format!("{origin}{path}"))
    }
}
