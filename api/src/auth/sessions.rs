//! Sessions: a sign-in and the refresh tokens that follow from it, one after another. Tokens are opaque,
//! stored as hashes, changed at every use.
//!
//! An answer may be lost on its way, so a token may be used once more for a short while and gives the same
//! successor again. After that, or once the successor was used, whoever comes with it has stolen it from
//! its owner, or the owner's was stolen: the session ends for both.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{PlayerId, SessionId};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use crate::error::{ApiError, Reason};

/// How long a session lives unused.
const LIFETIME: TimeDelta = TimeDelta::days(30);
/// How long a used token gives the same successor again.
pub const GRACE: TimeDelta = TimeDelta::seconds(10);
/// The most of a browser's name that is kept.
const LONGEST_AGENT: usize = 200;

/// A session, as its tokens name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionKey {
    /// Whose.
    pub player: PlayerId,
    /// Which.
    pub id: SessionId,
    /// When it began, by the club's clock.
    pub began_at: DateTime<Utc>,
}

/// A session with the refresh token that is to be used next.
#[derive(Debug)]
pub struct Issued {
    /// Which.
    pub session: SessionKey,
    /// Whether it began with a code, besides the password.
    pub second_factor: bool,
    /// The token.
    pub refresh_token: String,
}

/// What became of a refresh token.
#[derive(Debug)]
pub enum Rotated {
    /// There is a next one.
    Next(Issued),
    /// It was used before, so its session has to end.
    Reused(SessionKey),
}

/// A session as its owner sees it.
#[derive(Debug)]
pub struct Shown {
    /// Which.
    pub id: SessionId,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When a token of it was last changed.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself, if it is not used.
    pub expires_at: DateTime<Utc>,
    /// What the browser said it is.
    pub user_agent: Option<String>,
}

/// A session as the staff sees it.
#[derive(Debug)]
pub struct Live {
    /// Whose.
    pub player: PlayerId,
    /// What its owner sees of it.
    pub shown: Shown,
}

/// Where a page of sessions ends: the latest come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    began_at: DateTime<Utc>,
    id: SessionId,
}

impl Live {
    /// The page after it.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { began_at: self.shown.began_at, id: self.shown.id }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.began_at.timestamp_micros(), self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('-').ok_or(())?;
        let began_at = DateTime::from_timestamp_micros(micros.parse().map_err(|_| ())?);
        Ok(Self { began_at: began_at.ok_or(())?, id: id.parse().map_err(|_| ())? })
    }
}

/// Begins, continues and ends.
#[derive(Debug, Clone)]
pub struct Sessions(PgPool);

impl Sessions {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Begins one. Sweeps up some that nobody has used for long.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn begin(
        &self,
        player: PlayerId,
        second_factor: bool,
        user_agent: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Issued, ApiError> {
        let id = SessionId::from_bits(rand::random());
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let agent = user_agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect::<String>());
        sqlx::query(
            "with swept as (
                 delete from identity.sessions where id in
                    (select id from identity.sessions where expires_at < $3
                      limit 10 for update skip locked)),
             begun as (
                 insert into identity.sessions
                        (id, user_id, began_at, last_used_at, expires_at, user_agent, successor_key,
                         second_factor)
                 values ($1, $2, $3, $3, $4, $5, $6, $8))
             insert into identity.refresh_tokens (token_hash, session_id) values ($7, $1)",
        )
        .bind(id.to_string())
        .bind(player.0)
        .bind(now)
        .bind(now + LIFETIME)
        .bind(agent)
        .bind(&rand::random::<[u8; 32]>()[..])
        .bind(hash(&token))
        .bind(second_factor)
        .execute(&self.0)
        .await
        .map_err(owner_gone)?;
        let session = SessionKey { player, id, began_at: now };
        Ok(Issued { session, second_factor, refresh_token: token })
    }

    /// Takes a refresh token and gives the next.
    ///
    /// # Errors
    /// If it is unknown or expired, or its session has ended.
    pub async fn rotate(&self, token: &str, now: DateTime<Utc>) -> Result<Rotated, ApiError> {
        let found = look(&self.0, token, now).await?.ok_or_else(invalid)?;
        let next = successor(&found.successor_key, token);
        if found.used_at.is_none() && replace(&self.0, &found, (token, &next), now).await? {
            let Found { session, second_factor, .. } = found;
            return Ok(Rotated::Next(Issued { session, second_factor, refresh_token: next }));
        }
        self.rotate_used(token, now).await
    }

    /// The same for a token that was used before, or is used by somebody else this moment: what has come of
    /// it is looked at while nobody changes it.
    async fn rotate_used(&self, token: &str, now: DateTime<Utc>) -> Result<Rotated, ApiError> {
        let mut transaction = self.0.begin().await?;
        let found = find(&mut transaction, token, now).await?.ok_or_else(invalid)?;
        let next = successor(&found.successor_key, token);
        // One that is not used after all could have been used: its session has just come to its end.
        let used_at = found.used_at.ok_or_else(invalid)?;
        let is_lost_answer = now - used_at <= GRACE && !is_used(&mut transaction, &next).await?;
        transaction.commit().await?;
        if !is_lost_answer {
            return Ok(Rotated::Reused(found.session));
        }
        let Found { session, second_factor, .. } = found;
        Ok(Rotated::Next(Issued { session, second_factor, refresh_token: next }))
    }

    /// Somebody's sessions, the latest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn of(&self, player: PlayerId, now: DateTime<Utc>) -> Result<Vec<Shown>, ApiError> {
        let rows = sqlx::query(
            "select id, began_at, last_used_at, expires_at, user_agent from identity.sessions
              where user_id = $1 and expires_at > $2 order by last_used_at desc, id",
        )
        .bind(player.0)
        .bind(now)
        .fetch_all(&self.0)
        .await?;
        rows.iter().map(shown).collect()
    }

    /// Sessions that have not run out, of somebody or of everybody, the latest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn page(
        &self,
        player: Option<PlayerId>,
        after: Option<Cursor>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<Live>, ApiError> {
        let rows = sqlx::query(
            "select id, user_id, began_at, last_used_at, expires_at, user_agent
               from identity.sessions
              where expires_at > $1 and ($2::bigint is null or user_id = $2)
                and ($3::timestamptz is null or (began_at, id) < ($3, $4))
              order by began_at desc, id desc limit $5",
        )
        .persistent(false)
        .bind(now)
        .bind(player.map(|player| player.0))
        .bind(after.map(|after| after.began_at))
        .bind(after.map(|after| after.id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(&self.0)
        .await?;
        let live = |row: &PgRow| {
            Ok(Live { player: PlayerId(row.try_get("user_id")?), shown: shown(row)? })
        };
        rows.iter().map(live).collect()
    }

    /// Whose session it is, if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn owner(&self, id: SessionId) -> Result<Option<PlayerId>, ApiError> {
        let select = "select user_id from identity.sessions where id = $1";
        let owner: Option<i64> =
            sqlx::query_scalar(select).bind(id.to_string()).fetch_optional(&self.0).await?;
        Ok(owner.map(PlayerId))
    }

    /// Forgets one of somebody's sessions, and with it its tokens; false if there is none.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn forget(&self, player: PlayerId, id: SessionId) -> Result<bool, ApiError> {
        let delete = "delete from identity.sessions where id = $1 and user_id = $2";
        let done = sqlx::query(delete).bind(id.to_string()).bind(player.0).execute(&self.0).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets all of somebody's sessions, or all but one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn forget_all(
        &self,
        player: PlayerId,
        but: Option<SessionId>,
    ) -> Result<(), ApiError> {
        let delete = "delete from identity.sessions where user_id = $1 and id is distinct from $2";
        let but = but.map(|id| id.to_string());
        sqlx::query(delete).bind(player.0).bind(but).execute(&self.0).await?;
        Ok(())
    }
}

/// A refresh token that is known.
struct Found {
    session: SessionKey,
    second_factor: bool,
    successor_key: Vec<u8>,
    used_at: Option<DateTime<Utc>>,
}

/// As it is this moment.
async fn look(pool: &PgPool, token: &str, now: DateTime<Utc>) -> Result<Option<Found>, ApiError> {
    let row = sqlx::query(
        "select it.id, it.user_id, it.began_at, it.successor_key, it.second_factor, token.used_at
           from identity.refresh_tokens token
           join identity.sessions it on it.id = token.session_id
          where token.token_hash = $1 and it.expires_at > $2",
    )
    .bind(hash(token))
    .bind(now)
    .fetch_optional(pool)
    .await?;
    row.map(|row| found(&row, row.try_get("used_at")?)).transpose()
}

fn found(row: &PgRow, used_at: Option<DateTime<Utc>>) -> Result<Found, ApiError> {
    let session = SessionKey {
        player: PlayerId(row.try_get("user_id")?),
        id: parse(row)?,
        began_at: row.try_get("began_at")?,
    };
    let (second_factor, successor_key) =
        (row.try_get("second_factor")?, row.try_get("successor_key")?);
    Ok(Found { session, second_factor, successor_key, used_at })
}

/// Its session's row is held until the end of the transaction: of two who come at once with the same
/// token, the second sees what the first has done.
async fn find(
    connection: &mut PgConnection,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Option<Found>, ApiError> {
    let row = sqlx::query(
        "select id, user_id, began_at, successor_key, second_factor from identity.sessions
          where expires_at > $2
            and id = (select session_id from identity.refresh_tokens where token_hash = $1)
            for update",
    )
    .bind(hash(token))
    .bind(now)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let used_at =
        sqlx::query_scalar("select used_at from identity.refresh_tokens where token_hash = $1")
            .bind(hash(token))
            .fetch_one(connection)
            .await?;
    found(&row, used_at).map(Some)
}

async fn is_used(connection: &mut PgConnection, token: &str) -> Result<bool, ApiError> {
    let select = "select used_at is not null from identity.refresh_tokens where token_hash = $1";
    let used: Option<bool> =
        sqlx::query_scalar(select).bind(hash(token)).fetch_optional(connection).await?;
    // Tokens are kept as long as their session, so it is there.
    Ok(used.unwrap_or(true))
}

/// Uses a token, unless somebody has, and puts the next in its place; whether it did. Used tokens are kept
/// as long as their session: one that comes again tells of a theft.
///
/// The session's row is held before anything else is changed, as by everybody who ends it: in another order
/// two of them might wait for each other.
async fn replace(
    pool: &PgPool,
    found: &Found,
    (token, next): (&str, &str),
    now: DateTime<Utc>,
) -> Result<bool, ApiError> {
    let id = found.session.id.to_string();
    let replaced = sqlx::query(
        "with held as (
             select id from identity.sessions where id = $1 and expires_at > $4 for update),
         used as (
             update identity.refresh_tokens set used_at = $4
              where token_hash = $2 and used_at is null and session_id = (select id from held)
             returning session_id),
         continued as (
             update identity.sessions set last_used_at = $4, expires_at = $5
              where id = (select session_id from used))
         insert into identity.refresh_tokens (token_hash, session_id)
         select $3, session_id from used",
    )
    .bind(id)
    .bind(hash(token))
    .bind(hash(next))
    .bind(now)
    .bind(now + LIFETIME)
    .execute(pool)
    .await?;
    Ok(replaced.rows_affected() > 0)
}

fn successor(key: &[u8], token: &str) -> String {
    // HMAC takes keys of any length.
    let mac = Hmac::<Sha256>::new_from_slice(key).ok().map(|mut mac| {
        mac.update(token.as_bytes());
        mac.finalize().into_bytes()
    });
    URL_SAFE_NO_PAD.encode(mac.unwrap_or_default())
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

fn parse(row: &PgRow) -> Result<SessionId, ApiError> {
    row.try_get::<&str, _>("id")?.parse().map_err(ApiError::internal)
}

fn shown(row: &PgRow) -> Result<Shown, ApiError> {
    Ok(Shown {
        id: parse(row)?,
        began_at: row.try_get("began_at")?,
        last_used_at: row.try_get("last_used_at")?,
        expires_at: row.try_get("expires_at")?,
        user_agent: row.try_get("user_agent")?,
    })
}

/// Whoever was erased while they signed in is nobody.
fn owner_gone(error: sqlx::Error) -> ApiError {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint == Some("sessions_user_id_fkey") {
        let detail = "there is no such user with this password: check both";
        return ApiError::new(Reason::InvalidCredentials, detail);
    }
    error.into()
}

/// Whoever comes with such a token has to sign in again.
#[must_use]
pub fn invalid() -> ApiError {
    let detail = "the refresh token is unknown, used or expired: sign in again";
    ApiError::new(Reason::InvalidRefreshToken, detail)
}
