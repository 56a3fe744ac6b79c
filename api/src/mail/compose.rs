//! A mail of the outbox becomes a letter: to whom, and what it says, as of now. Or it turns out that there
//! is nothing to send.

use chrono::{DateTime, TimeDelta, Utc};
use commands::{Caller, Commands, Failure};
use domain::campaign::{Campaign, CampaignCounts, CampaignRefusal};
use domain::event::ClubEvent;
use domain::id::CampaignId;
use projections::feed::Feed;
use serde_json::{Value, json};

use super::Mail;
use super::figures::{self, Figures};
use super::kind::Kind;
use super::outbox::{Entry, Status};
use super::render::{self, Rendered};
use super::tokens::Purpose;
use crate::auth::profile::{Profile, Profiles};
use crate::auth::users::Language;
use crate::error::ApiError;

/// What stands in a preview where the mail has a secret.
const HIDDEN: &str = "…";
/// When what a mail says is not projected yet, it is asked for again after so long.
const NOT_YET: TimeDelta = TimeDelta::seconds(1);

/// A mail with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// `ko` or `en`.
    pub language: &'static str,
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For the others.
    pub html: String,
    /// Where whoever gets it gets no more of its kind.
    pub unsubscribe: Option<String>,
}

/// What becomes of a mail.
#[derive(Debug)]
pub(super) enum Composed {
    /// It can be sent.
    Ready(Box<Letter>),
    /// It cannot, and why.
    Not(Status),
    /// Not yet.
    Later(DateTime<Utc>),
}

/// See the module.
#[derive(Clone)]
pub struct Composer {
    mail: Mail,
    commands: Commands,
    feed: Feed,
    profiles: Profiles,
}

impl Composer {
    /// Reads from these.
    #[must_use]
    pub fn new(mail: Mail, commands: Commands, feed: Feed) -> Self {
        let profiles = Profiles::new(feed.pool().clone(), mail.clone());
        Self { mail, commands, feed, profiles }
    }

    /// The club's time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.commands.clock.now()
    }

    /// What is to be sent.
    pub(super) async fn compose(&self, entry: &Entry) -> anyhow::Result<Composed> {
        let now = self.commands.clock.now();
        let player = entry.player;
        let profile = self.profiles.of(player, now).await.map_err(inner)?;
        let Some(profile) = profile else { return Ok(Composed::Not(Status::NoAddress)) };
        let suppressed = |identity: &domain::identity::Identity| identity.is_mail_suppressed();
        if self.commands.standing(player, suppressed).await? {
            return Ok(Composed::Not(Status::Suppressed));
        }
        if entry.kind.is_marketing() && !self.wants_offers(&profile).await? {
            return Ok(Composed::Not(Status::Suppressed));
        }
        let Some(to) = self.address(entry, &profile, now).await? else {
            return self.without_address(entry, now).await;
        };
        match self.says(entry, &profile, false).await? {
            Some(rendered) => {
                Ok(Composed::Ready(Box::new(self.letter(to, entry, &profile, rendered))))
            }
            None => Ok(Composed::Later(now + NOT_YET)),
        }
    }

    /// What a mail says, for the staff: without the secrets that its owner gets.
    ///
    /// # Errors
    /// If log or database cannot be read.
    pub async fn preview(&self, entry: &Entry) -> anyhow::Result<Option<Letter>> {
        let now = self.commands.clock.now();
        let profile = self.profiles.of(entry.player, now).await.map_err(inner)?;
        let Some(profile) = profile else { return Ok(None) };
        let to = self.address(entry, &profile, now).await?.unwrap_or_default();
        let rendered = self.says(entry, &profile, true).await?;
        Ok(rendered.map(|rendered| self.letter(to, entry, &profile, rendered)))
    }

    /// Whoever asked for offers, and has not asked to be kept from spending.
    async fn wants_offers(&self, profile: &Profile) -> anyhow::Result<bool> {
        if !profile.marketing_mail {
            return Ok(false);
        }
        Ok(self.commands.spend_controls(profile.id).await?.body.pause.is_none())
    }

    /// A campaign as it stands now.
    pub(super) async fn campaign(&self, id: CampaignId) -> anyhow::Result<Option<Campaign>> {
        Ok(self.commands.campaign_now(id).await?)
    }

    /// Nothing of a campaign is left.
    pub(super) async fn finish_campaign(
        &self,
        caller: &Caller,
        id: CampaignId,
        counts: CampaignCounts,
    ) -> Result<(), Failure<CampaignRefusal>> {
        self.commands.finish_campaign(caller, id, counts).await.map(drop)
    }

    /// Where it goes to: a link that confirms an address to that address, everything else to the one that
    /// is confirmed.
    async fn address(
        &self,
        entry: &Entry,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, sqlx::Error> {
        let Some(purpose) = entry.kind.purpose() else { return Ok(profile.email.clone()) };
        let link = (purpose, entry.token_id.as_deref());
        let standing = self.mail.tokens.standing(entry.player, link, now).await?;
        Ok(match purpose {
            Purpose::ConfirmEmail => standing.and_then(|standing| standing.email),
            Purpose::PasswordReset => standing.and_then(|_| profile.email.clone()),
        })
    }

    /// A link that is over is not sent. Anything else waits while its owner is about to confirm an
    /// address.
    async fn without_address(&self, entry: &Entry, now: DateTime<Utc>) -> anyhow::Result<Composed> {
        if entry.kind.purpose().is_some() {
            return Ok(Composed::Not(Status::Obsolete));
        }
        let confirming = (Purpose::ConfirmEmail, None);
        let standing = self.mail.tokens.standing(entry.player, confirming, now).await?;
        Ok(match standing {
            Some(standing) if !entry.kind.is_marketing() => Composed::Later(standing.expires_at),
            _ => Composed::Not(Status::NoAddress),
        })
    }

    async fn says(
        &self,
        entry: &Entry,
        profile: &Profile,
        is_preview: bool,
    ) -> anyhow::Result<Option<Rendered>> {
        let language = profile.language;
        let Some(Value::Object(figures)) = self.figures(entry, language).await? else {
            return Ok(None);
        };
        let mut says = json!({
            "lang": language.code(),
            "club": figures::CLUB,
            "home": self.link("/")?,
            "name": render::one_line(&profile.nickname),
            "at": figures::moment(entry.created_at, language),
            "link": self.one_time_link(entry, is_preview)?,
            "minutes": Purpose::PasswordReset.lifetime().num_minutes(),
            "hours": Purpose::ConfirmEmail.lifetime().num_hours(),
            "unsubscribe": self.way_out(entry, is_preview),
        });
        if let Value::Object(says) = &mut says {
            says.extend(figures);
        }
        Ok(Some(render::render(entry.kind, language, &says)?))
    }

    /// What its event says; `None` if that is not projected yet.
    async fn figures(&self, entry: &Entry, language: Language) -> anyhow::Result<Option<Value>> {
        if let Some(campaign) = entry.campaign {
            return self.campaign_says(CampaignId(campaign), language).await;
        }
        let Some(position) = entry.position else { return Ok(Some(json!({}))) };
        let recorded = self.feed.event(position).await?;
        let recorded = recorded.ok_or_else(|| anyhow::anyhow!("no event {position}"))?;
        let event = ClubEvent::decode(&recorded)?;
        if let ClubEvent::Campaign(id, _) = event {
            return self.campaign_says(id, language).await;
        }
        let figures = Figures { pool: self.feed.pool(), language };
        figures.of(&event).await
    }

    async fn campaign_says(
        &self,
        id: CampaignId,
        language: Language,
    ) -> anyhow::Result<Option<Value>> {
        let campaign = self.campaign(id).await?;
        let terms = campaign.as_ref().and_then(Campaign::terms);
        let terms = terms.ok_or_else(|| anyhow::anyhow!("no campaign {id}"))?;
        Ok(Some(figures::campaign(terms, language)))
    }

    fn one_time_link(&self, entry: &Entry, is_preview: bool) -> anyhow::Result<String> {
        let (Some(purpose), Some(token_id)) = (entry.kind.purpose(), &entry.token_id) else {
            return Ok(String::new());
        };
        let token = match is_preview {
            true => HIDDEN.to_owned(),
            false => self.mail.key.token(purpose, token_id),
        };
        let page = match purpose {
            Purpose::ConfirmEmail => "confirm",
            Purpose::PasswordReset => "reset",
        };
        // Behind the #: browsers keep it to themselves, and no log on the way has it.
        self.link(&format!("/mail/{page}#{token}"))
    }

    fn letter(&self, to: String, entry: &Entry, profile: &Profile, says: Rendered) -> Letter {
        let Rendered { subject, text, html } = says;
        let language = profile.language.code();
        let is_campaign = matches!(entry.kind, Kind::Campaign | Kind::CampaignTest);
        let unsubscribe = is_campaign.then(|| self.way_out(entry, false)).flatten();
        Letter { to, language, subject, text, html, unsubscribe }
    }

    fn way_out(&self, entry: &Entry, is_preview: bool) -> Option<String> {
        let token = match is_preview {
            true => HIDDEN.to_owned(),
            false => self.mail.key.unsubscribe(entry.player),
        };
        self.mail.link(&format!("/api/mail/unsubscribe?token={token}"))
    }

    fn link(&self, path: &str) -> anyhow::Result<String> {
        self.mail.link(path).ok_or_else(|| anyhow::anyhow!("the club's address is not known yet"))
    }
}

/// The outward message of an error tells nothing that the log needs.
fn inner(error: ApiError) -> anyhow::Error {
    error.into_cause()
}
