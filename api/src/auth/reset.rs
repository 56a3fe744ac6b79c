//! A forgotten password: a link goes to the confirmed address, works once, and ends all sessions. Nobody
//! learns from any answer who is in the club.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::PlayerId;
use sqlx::{PgConnection, PgPool};

use crate::error::{ApiError, Reason};
use crate::mail::{Due, Kind, Mail, Purpose};

/// So many links are mailed to one person within an hour; more are asked for in vain.
const MOST_LINKS: i64 = 3;

/// See the module.
#[derive(Clone)]
pub struct Resets {
    pool: PgPool,
    mail: Mail,
}

impl Resets {
    /// In this database; links go out by this mail.
    #[must_use]
    pub fn new(pool: PgPool, mail: Mail) -> Self {
        Self { pool, mail }
    }

    /// Mails a link to whoever has this name or confirmed address, if anybody has. A newer link takes the
    /// place of the one before.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn ask(&self, name: &str, now: DateTime<Utc>) -> Result<(), ApiError> {
        let mut transaction = self.pool.begin().await?;
        let Some(player) = find(&mut transaction, name).await? else { return Ok(()) };
        let kind = Kind::PasswordReset;
        let since = now - TimeDelta::hours(1);
        let mailed = self.mail.outbox.count_since(&mut transaction, (player, kind), since).await?;
        if mailed >= MOST_LINKS {
            return Ok(());
        }
        let purpose = (Purpose::PasswordReset, None);
        let token_id = self.mail.tokens.issue(&mut transaction, player, purpose, now).await?;
        let key = format!("{kind}/{token_id}");
        let due = due(key, kind, player, Some(token_id));
        self.mail.outbox.put(&mut transaction, &[due], now).await?;
        transaction.commit().await?;
        self.mail.is_due();
        Ok(())
    }

    /// Whose link it is, if it still works.
    ///
    /// # Errors
    /// If it does not.
    pub async fn look_up(&self, token: &str, now: DateTime<Utc>) -> Result<PlayerId, ApiError> {
        let found = self.mail.tokens.look_up(Purpose::PasswordReset, token, now).await?;
        Ok(found.player)
    }

    /// Uses the link up and stores the new password's hash, or neither.
    ///
    /// # Errors
    /// If the link works no more.
    pub async fn finish(
        &self,
        token: &str,
        hash: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let mut transaction = self.pool.begin().await?;
        let purpose = Purpose::PasswordReset;
        let taken = self.mail.tokens.take(&mut transaction, purpose, token, now).await?;
        let update = "update identity.users set password_hash = $2 where id = $1";
        sqlx::query(update).bind(taken.player.0).bind(hash).execute(&mut *transaction).await?;
        self.has_changed(&mut transaction, taken.player, now).await?;
        transaction.commit().await?;
        self.mail.is_due();
        Ok(())
    }

    /// Another hash for the one that is stored, at its owner's wish; false if that is not stored any more.
    /// A link that is out works no more.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn change(
        &self,
        player: PlayerId,
        (old, new): (&str, &str),
        now: DateTime<Utc>,
    ) -> Result<bool, ApiError> {
        let mut transaction = self.pool.begin().await?;
        let update = "update identity.users set password_hash = $3
                       where id = $1 and password_hash = $2";
        let query = sqlx::query(update).bind(player.0).bind(old).bind(new);
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let purpose = Purpose::PasswordReset;
        self.mail.tokens.withdraw(&mut transaction, player, purpose).await?;
        self.has_changed(&mut transaction, player, now).await?;
        transaction.commit().await?;
        self.mail.is_due();
        Ok(true)
    }

    async fn has_changed(
        &self,
        connection: &mut PgConnection,
        player: PlayerId,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let kind = Kind::PasswordChanged;
        let key = format!("{kind}/{:032x}", rand::random::<u128>());
        let due = due(key, kind, player, None);
        Ok(self.mail.outbox.put(connection, &[due], now).await?)
    }
}

fn due(key: String, kind: Kind, player: PlayerId, token_id: Option<String>) -> Due {
    Due { key, kind, player, position: None, token_id, campaign: None }
}

/// The site id before the confirmed address before the nickname, so that nobody gets between an address
/// and its owner by a nickname. Who has no address gets no link.
async fn find(connection: &mut PgConnection, name: &str) -> Result<Option<PlayerId>, ApiError> {
    let select = "select id from identity.users
                   where (site_id = $1 or lower(nickname) = lower($1) or lower(email) = lower($1))
                     and state = 'active' and email is not null
                   order by (site_id = $1) desc, (lower(email) = lower($1)) desc limit 1
                     for update";
    let id: Option<i64> = sqlx::query_scalar(select).bind(name).fetch_optional(connection).await?;
    Ok(id.map(PlayerId))
}

/// Nobody who only has a name learns more than this.
#[must_use]
pub fn nobody() -> ApiError {
    ApiError::new(Reason::LinkExpired, "this account is gone: sign up again")
}
