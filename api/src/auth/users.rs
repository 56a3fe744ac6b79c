//! The identity table: names, phones, hashes. Personal data, so none of it ever enters the log.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::{InviteCode, PlayerId};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::role::Role;
use crate::error::{ApiError, Reason};

/// The language in which somebody is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Korean, the default.
    Korean,
    /// English.
    English,
}

impl Language {
    /// From its stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        if code == "en" { Self::English } else { Self::Korean }
    }
}

/// Somebody as the identity table knows them.
#[derive(Debug, Clone)]
pub struct User {
    /// The number of the account.
    pub id: PlayerId,
    /// The name to sign in with.
    pub site_id: String,
    /// The name that others see.
    pub nickname: String,
    /// How the password is known again.
    pub password_hash: String,
    /// Whether the account has been opened in the log.
    pub is_active: bool,
    /// What they may do.
    pub role: Role,
    /// When they signed up.
    pub created_at: DateTime<Utc>,
    /// The invite that a sign-up came with that has not come to its end.
    pub invite: Option<InviteCode>,
}

/// Somebody who signs up.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name to sign in with.
    pub site_id: String,
    /// The name that others see.
    pub nickname: String,
    /// Digits.
    pub phone_number: String,
    /// The hash of the password.
    pub password_hash: String,
    /// What they came with.
    pub invite: InviteCode,
}

/// Reads and writes the identity table.
#[derive(Debug, Clone)]
pub struct Users(PgPool);

const COLUMNS: &str = "id, site_id, nickname, password_hash, state, role, created_at, invite_code";

impl Users {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Reserves the names: the row is pending until the account has been opened.
    ///
    /// # Errors
    /// If one of them is taken, by a code that names it.
    pub async fn reserve(&self, user: &NewUser, now: DateTime<Utc>) -> Result<PlayerId, ApiError> {
        let id = sqlx::query_scalar(
            "insert into identity.users
                    (site_id, nickname, phone_number, password_hash, state, role, created_at,
                     invite_code)
             values ($1, $2, $3, $4, 'pending', 'player', $5, $6)
             returning id",
        )
        .bind(&user.site_id)
        .bind(&user.nickname)
        .bind(&user.phone_number)
        .bind(&user.password_hash)
        .bind(now)
        .bind(user.invite.as_str())
        .fetch_one(&self.0)
        .await
        .map_err(|error| taken(&error).unwrap_or_else(|| error.into()))?;
        Ok(PlayerId(id))
    }

    /// Sign-ups from before a moment that hold one of these names and have not come to their end.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn stale_namesakes(
        &self,
        user: &NewUser,
        before: DateTime<Utc>,
    ) -> Result<Vec<(PlayerId, InviteCode)>, ApiError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "select id, invite_code from identity.users
              where (site_id = $1 or lower(nickname) = lower($2) or phone_number = $3)
                and state = 'pending' and invite_code is not null and created_at < $4",
        )
        .bind(&user.site_id)
        .bind(&user.nickname)
        .bind(&user.phone_number)
        .bind(before)
        .fetch_all(&self.0)
        .await?;
        let stale = rows.iter().map(|(id, code)| Ok((PlayerId(*id), invite_code(code)?)));
        stale.collect()
    }

    /// The names of a sign-up that was given up are free again.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn release(&self, id: PlayerId) -> Result<(), ApiError> {
        sqlx::query("delete from identity.users where id = $1 and state = 'pending'")
            .bind(id.0)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// The names by which others see these users; whoever is gone has none.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn nicknames(&self, ids: &[PlayerId]) -> Result<HashMap<PlayerId, String>, ApiError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<(i64, String)> =
            sqlx::query_as("select id, nickname from identity.users where id = any($1)")
                .bind(ids)
                .fetch_all(&self.0)
                .await?;
        Ok(rows.into_iter().map(|(id, nickname)| (PlayerId(id), nickname)).collect())
    }

    /// The account has been opened; with which invite stands in the log.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn activate(&self, id: PlayerId) -> Result<(), ApiError> {
        let activate =
            "update identity.users set state = 'active', invite_code = null where id = $1";
        sqlx::query(activate).bind(id.0).execute(&self.0).await?;
        Ok(())
    }

    /// Somebody by the name they sign in with: the site id, or else the nickname in any case.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn by_name(&self, name: &str) -> Result<Option<User>, ApiError> {
        let select = format!(
            "select {COLUMNS} from identity.users
              where site_id = $1 or lower(nickname) = lower($1)
              order by (site_id = $1) desc limit 1"
        );
        let row = sqlx::query(&select).bind(name).fetch_optional(&self.0).await?;
        row.map(|row| user(&row)).transpose()
    }

    /// Somebody by number.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn by_id(&self, id: PlayerId) -> Result<Option<User>, ApiError> {
        let select = format!("select {COLUMNS} from identity.users where id = $1");
        let row = sqlx::query(&select).bind(id.0).fetch_optional(&self.0).await?;
        row.map(|row| user(&row)).transpose()
    }

    /// The language of somebody; the default if nobody is there.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn language(&self, id: PlayerId) -> Result<Language, ApiError> {
        let code: Option<String> =
            sqlx::query_scalar("select language from identity.users where id = $1")
                .bind(id.0)
                .fetch_optional(&self.0)
                .await?;
        Ok(code.map_or(Language::Korean, |code| Language::from_code(&code)))
    }
}

fn user(row: &PgRow) -> Result<User, ApiError> {
    let role: &str = row.try_get("role")?;
    let invite: Option<&str> = row.try_get("invite_code")?;
    Ok(User {
        id: PlayerId(row.try_get("id")?),
        site_id: row.try_get("site_id")?,
        nickname: row.try_get("nickname")?,
        password_hash: row.try_get("password_hash")?,
        is_active: row.try_get::<&str, _>("state")? == "active",
        role: role.parse().map_err(ApiError::internal)?,
        created_at: row.try_get("created_at")?,
        invite: invite.map(invite_code).transpose()?,
    })
}

fn invite_code(stored: &str) -> Result<InviteCode, ApiError> {
    stored.parse().map_err(ApiError::internal)
}

/// The constraint's name tells which name is taken.
fn taken(error: &sqlx::Error) -> Option<ApiError> {
    let (reason, detail) = match error.as_database_error()?.constraint()? {
        "users_site_id_key" => (Reason::SiteIdTaken, "this site id is taken: choose another"),
        "users_nickname_key" => (Reason::NicknameTaken, "this nickname is taken: choose another"),
        "users_phone_number_key" => {
            (Reason::PhoneNumberTaken, "this phone number has an account already: sign in")
        }
        _ => return None,
    };
    Some(ApiError::new(reason, detail))
}
