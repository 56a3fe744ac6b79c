//! The identity table: names, phones, hashes. Personal data, so none of it ever enters the log.

pub mod by_staff;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::{InviteCode, PlayerId, RoleCode};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

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

    /// Its stored code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
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
    /// When they signed up.
    pub created_at: DateTime<Utc>,
    /// How a sign-up came about that has not come to its end.
    pub origin: Origin,
}

/// How somebody comes into the club.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// With an invite.
    Invite(InviteCode),
    /// Signed up by one of the staff.
    Staff {
        /// By whom.
        by: PlayerId,
        /// With a role other than a player's.
        role: Option<RoleCode>,
    },
    /// Of the club itself, or from before uses of invites were counted.
    Club,
}

/// Somebody as the staff sees them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The number of the account.
    pub id: PlayerId,
    /// The name to sign in with.
    pub site_id: String,
    /// The name that others see.
    pub nickname: String,
    /// Digits. Not for everybody of the staff.
    pub phone_number: String,
    /// The code of the language in which they are spoken to.
    pub language: String,
    /// Raised with each edit.
    pub version: u64,
    /// Whether the account has been opened in the log.
    pub is_active: bool,
    /// When they signed up.
    pub created_at: DateTime<Utc>,
}

/// Whom the staff looks for.
#[derive(Debug, Clone)]
pub struct Search {
    /// A part of a name, or a number; everybody if empty.
    pub text: String,
    /// From 1.
    pub page: u32,
    /// How many people a page has.
    pub page_size: u32,
    /// How many of them are shown.
    pub limit: u32,
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

const COLUMNS: &str =
    "id, site_id, nickname, password_hash, state, created_at, invite_code, made_by, role_wish";
/// What the staff sees.
const SHOWN: &str =
    "id, site_id, nickname, phone_number, language, profile_version, state, created_at";

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
                    (site_id, nickname, phone_number, password_hash, state, created_at, invite_code)
             values ($1, $2, $3, $4, 'pending', $5, $6)
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
        let activate = "update identity.users
                           set state = 'active', invite_code = null, role_wish = null where id = $1";
        sqlx::query(activate).bind(id.0).execute(&self.0).await?;
        Ok(())
    }

    /// Another hash for the one that is stored; false if it is not stored any more.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn replace_hash(&self, id: PlayerId, old: &str, new: &str) -> Result<bool, ApiError> {
        let update = "update identity.users set password_hash = $3
                       where id = $1 and password_hash = $2";
        let done = sqlx::query(update).bind(id.0).bind(old).bind(new).execute(&self.0).await?;
        Ok(done.rows_affected() > 0)
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

    /// People who are found by a part of a name or by their number, by number; and how many there are.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn search(&self, search: &Search) -> Result<(u64, Vec<Person>), ApiError> {
        let found = "where $1 = '' or site_id ilike $2 or nickname ilike $2 or id::text = $1";
        let like = format!("%{}%", escaped(&search.text));
        let count = format!("select count(*) from identity.users {found}");
        let count: i64 =
            sqlx::query_scalar(&count).bind(&search.text).bind(&like).fetch_one(&self.0).await?;
        let select =
            format!("select {SHOWN} from identity.users {found} order by id offset $3 limit $4");
        let before = i64::from(search.page - 1) * i64::from(search.page_size);
        let rows = sqlx::query(&select)
            .bind(&search.text)
            .bind(&like)
            .bind(before)
            .bind(i64::from(search.limit))
            .fetch_all(&self.0)
            .await?;
        let people = rows.iter().map(person).collect::<Result<_, _>>()?;
        Ok((u64::try_from(count).unwrap_or_default(), people))
    }

    /// Somebody by number, as the staff sees them.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn person(&self, id: PlayerId) -> Result<Option<Person>, ApiError> {
        let select = format!("select {SHOWN} from identity.users where id = $1");
        let row = sqlx::query(&select).bind(id.0).fetch_optional(&self.0).await?;
        row.map(|row| person(&row)).transpose()
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
    Ok(User {
        id: PlayerId(row.try_get("id")?),
        site_id: row.try_get("site_id")?,
        nickname: row.try_get("nickname")?,
        password_hash: row.try_get("password_hash")?,
        is_active: row.try_get::<&str, _>("state")? == "active",
        created_at: row.try_get("created_at")?,
        origin: origin(row)?,
    })
}

fn origin(row: &PgRow) -> Result<Origin, ApiError> {
    let invite: Option<&str> = row.try_get("invite_code")?;
    let by: Option<i64> = row.try_get("made_by")?;
    let role: Option<&str> = row.try_get("role_wish")?;
    let role = role.map(|role| role.parse().map_err(ApiError::internal)).transpose()?;
    Ok(match (invite, by) {
        (Some(invite), _) => Origin::Invite(invite_code(invite)?),
        (None, Some(by)) => Origin::Staff { by: PlayerId(by), role },
        (None, None) => Origin::Club,
    })
}

fn invite_code(stored: &str) -> Result<InviteCode, ApiError> {
    stored.parse().map_err(ApiError::internal)
}

fn person(row: &PgRow) -> Result<Person, ApiError> {
    Ok(Person {
        id: PlayerId(row.try_get("id")?),
        site_id: row.try_get("site_id")?,
        nickname: row.try_get("nickname")?,
        phone_number: row.try_get("phone_number")?,
        language: row.try_get("language")?,
        version: row.try_get::<i32, _>("profile_version")?.cast_unsigned().into(),
        is_active: row.try_get::<&str, _>("state")? == "active",
        created_at: row.try_get("created_at")?,
    })
}

/// What is looked for means itself, whatever LIKE makes of it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The constraint's name tells which name is taken.
pub(super) fn taken(error: &sqlx::Error) -> Option<ApiError> {
    let constraint = error.as_database_error()?.constraint()?;
    NAMES.iter().any(|(name, ..)| *name == constraint).then(|| name_taken(constraint))
}

/// The constraints that keep names unique, and what is said if one is taken.
const NAMES: [(&str, Reason, &str); 4] = [
    ("users_site_id_key", Reason::SiteIdTaken, "this site id is taken: choose another"),
    ("users_nickname_key", Reason::NicknameTaken, "this nickname is taken: choose another"),
    (
        "users_phone_number_key",
        Reason::PhoneNumberTaken,
        "this phone number has an account already: sign in",
    ),
    (
        "users_email_key",
        Reason::EmailTaken,
        "this address belongs to another account: use another address",
    ),
];

fn name_taken(constraint: &str) -> ApiError {
    let known = NAMES.iter().find(|(name, ..)| *name == constraint);
    let (_, reason, detail) = known.unwrap_or(&NAMES[0]);
    ApiError::new(*reason, *detail)
}
