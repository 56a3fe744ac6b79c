//! What people may change about themselves: nickname, language, address, whether they want news. A new
//! address is used once a link that was mailed to it comes back.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::PlayerId;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::users::{Language, taken};
use crate::error::{ApiError, Reason};
use crate::mail::{Due, Kind, Mail, Purpose};

/// So many links to confirm an address are mailed to one person within an hour.
const MOST_LINKS: i64 = 5;

/// Somebody's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whose.
    pub id: PlayerId,
    /// The name to sign in with.
    pub site_id: String,
    /// The name that others see.
    pub nickname: String,
    /// The language in which they are spoken to.
    pub language: Language,
    /// The address, confirmed.
    pub email: Option<String>,
    /// The address that is still to be confirmed.
    pub pending_email: Option<String>,
    /// Whether they want news and offers by mail.
    pub marketing_mail: bool,
    /// Raised by every change.
    pub version: u32,
}

/// What is to be changed; what is not told stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The name that others see.
    pub nickname: Option<String>,
    /// The language.
    pub language: Option<Language>,
    /// The address; `None` within takes it away.
    pub email: Option<Option<String>>,
    /// Whether they want news.
    pub marketing_mail: Option<bool>,
}

/// Reads and changes profiles.
#[derive(Clone)]
pub struct Profiles {
    pool: PgPool,
    mail: Mail,
}

const SELECT: &str = "select id, site_id, nickname, language, users.email, marketing_mail,
        profile_version, link.email as pending_email
   from identity.users left join identity.mail_tokens link
     on link.user_id = id and link.purpose = 'confirm_email' and link.expires_at > $2
  where id = $1";

impl Profiles {
    /// In this database; links go out by this mail.
    #[must_use]
    pub fn new(pool: PgPool, mail: Mail) -> Self {
        Self { pool, mail }
    }

    /// Somebody's, as of a moment.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn of(&self, id: PlayerId, now: DateTime<Utc>) -> Result<Option<Profile>, ApiError> {
        let row = sqlx::query(SELECT).bind(id.0).bind(now).fetch_optional(&self.pool).await?;
        Ok(row.as_ref().map(profile).transpose()?)
    }

    /// Changes a profile; answers whether anything is another than before. `seen` are the versions that
    /// the caller knows, if it matters.
    ///
    /// # Errors
    /// If it is at another version, the nickname is taken, or too many links were mailed lately.
    pub async fn change(
        &self,
        id: PlayerId,
        (change, seen): (&Change, Option<&[u32]>),
        now: DateTime<Utc>,
    ) -> Result<bool, ApiError> {
        let mut transaction = self.pool.begin().await?;
        let locked = format!("{SELECT} for update of users");
        let row = sqlx::query(&locked).bind(id.0).bind(now).fetch_optional(&mut *transaction);
        let gone = || ApiError::new(Reason::Unauthenticated, "this account is gone");
        let before = profile(&row.await?.ok_or_else(gone)?)?;
        if seen.is_some_and(|seen| !seen.contains(&before.version)) {
            let detail = format!("the profile is at version {} by now", before.version);
            return Err(ApiError::new(Reason::PreconditionFailed, detail));
        }
        let is_new = self.apply(&mut transaction, &before, change, now).await?;
        transaction.commit().await?;
        if is_new {
            self.mail.is_due();
        }
        Ok(is_new)
    }

    async fn apply(
        &self,
        connection: &mut PgConnection,
        before: &Profile,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Result<bool, ApiError> {
        let nickname = change.nickname.as_deref().unwrap_or(&before.nickname);
        let language = change.language.unwrap_or(before.language);
        let marketing = change.marketing_mail.unwrap_or(before.marketing_mail);
        let has_new_address = self.change_address(connection, before, change, now).await?;
        let is_new = (nickname, language, marketing)
            != (&before.nickname, before.language, before.marketing_mail);
        if !is_new && !has_new_address {
            return Ok(false);
        }
        let update = "update identity.users set nickname = $2, language = $3, marketing_mail = $4,
                             profile_version = profile_version + 1 where id = $1";
        sqlx::query(update)
            .bind(before.id.0)
            .bind(nickname)
            .bind(language.code())
            .bind(marketing)
            .execute(connection)
            .await
            .map_err(|error| taken(&error).unwrap_or_else(|| error.into()))?;
        Ok(true)
    }

    async fn change_address(
        &self,
        connection: &mut PgConnection,
        before: &Profile,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Result<bool, ApiError> {
        match &change.email {
            None => Ok(false),
            // Back to the one that is confirmed: whatever else was to be, is not.
            Some(email) if *email == before.email => {
                self.mail.tokens.withdraw(connection, before.id, Purpose::ConfirmEmail).await?;
                Ok(before.pending_email.is_some())
            }
            Some(None) => {
                self.mail.tokens.withdraw(connection, before.id, Purpose::ConfirmEmail).await?;
                let remove = "update identity.users set email = null where id = $1";
                sqlx::query(remove).bind(before.id.0).execute(connection).await?;
                Ok(true)
            }
            Some(Some(email)) => {
                self.ask_to_confirm(connection, before.id, email, now).await?;
                Ok(true)
            }
        }
    }

    /// Mails a link to an address that somebody says is theirs.
    ///
    /// # Errors
    /// If too many were mailed lately: nobody's letter box is filled through the club.
    pub async fn ask_to_confirm(
        &self,
        connection: &mut PgConnection,
        id: PlayerId,
        email: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let kind = Kind::ConfirmEmail;
        let since = now - TimeDelta::hours(1);
        let mailed = self.mail.outbox.count_since(connection, (id, kind), since).await?;
        if mailed >= MOST_LINKS {
            let detail = "too many addresses were to be confirmed lately: try again in an hour";
            let error = ApiError::new(Reason::RateLimit, detail);
            return Err(error.by_limit(
                "email_confirmations",
                Some(now + TimeDelta::hours(1)),
                None,
            ));
        }
        let purpose = (Purpose::ConfirmEmail, Some(email));
        let token_id = self.mail.tokens.issue(connection, id, purpose, now).await?;
        let due = Due {
            key: format!("{kind}/{token_id}"),
            kind,
            player: id,
            position: None,
            token_id: Some(token_id),
            campaign: None,
        };
        Ok(self.mail.outbox.put(connection, &[due], now).await?)
    }

    /// The same for somebody who has just signed up.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn has_address(
        &self,
        id: PlayerId,
        email: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let mut connection = self.pool.begin().await?;
        self.ask_to_confirm(&mut connection, id, email, now).await?;
        connection.commit().await?;
        self.mail.is_due();
        Ok(())
    }

    /// A link came back: its address is its owner's from now on.
    ///
    /// # Errors
    /// If the link works no more, or somebody else has confirmed the same address.
    pub async fn confirm(&self, token: &str, now: DateTime<Utc>) -> Result<PlayerId, ApiError> {
        let mut transaction = self.pool.begin().await?;
        let purpose = Purpose::ConfirmEmail;
        let taken_up = self.mail.tokens.take(&mut transaction, purpose, token, now).await?;
        let update = "update identity.users set email = $2, profile_version = profile_version + 1
                       where id = $1";
        sqlx::query(update)
            .bind(taken_up.player.0)
            .bind(taken_up.email)
            .execute(&mut *transaction)
            .await
            .map_err(|error| taken(&error).unwrap_or_else(|| error.into()))?;
        self.mail.outbox.address_is_known(&mut transaction, taken_up.player, now).await?;
        transaction.commit().await?;
        self.mail.is_due();
        Ok(taken_up.player)
    }

    /// Somebody wants no news any more, by the link in a mail; asking again does nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn unsubscribe(&self, id: PlayerId) -> Result<bool, ApiError> {
        let update = "update identity.users
                         set marketing_mail = false, profile_version = profile_version + 1
                       where id = $1 and marketing_mail";
        let done = sqlx::query(update).bind(id.0).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn profile(row: &PgRow) -> Result<Profile, sqlx::Error> {
    let version: i32 = row.try_get("profile_version")?;
    Ok(Profile {
        id: PlayerId(row.try_get("id")?),
        site_id: row.try_get("site_id")?,
        nickname: row.try_get("nickname")?,
        language: Language::from_code(row.try_get("language")?),
        email: row.try_get("email")?,
        pending_email: row.try_get("pending_email")?,
        marketing_mail: row.try_get("marketing_mail")?,
        version: u32::try_from(version).unwrap_or_default(),
    })
}
