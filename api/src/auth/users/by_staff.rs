//! What the staff does with rows of the identity table: signs people up, and edits what is known of them.

use chrono::{DateTime, Utc};
use domain::id::{PlayerId, RoleCode};
use domain::identity::Details;
use sqlx::Row;

use super::{Person, Users, taken};
use crate::error::ApiError;

/// Somebody whom one of the staff signs up.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The name to sign in with.
    pub site_id: String,
    /// The name that others see.
    pub nickname: String,
    /// Digits.
    pub phone_number: String,
    /// The hash of the password.
    pub password_hash: String,
    /// The code of the language.
    pub language: &'static str,
    /// A role other than a player's.
    pub role: Option<RoleCode>,
}

/// A row for somebody whom one of the staff signs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// The number of the account.
    pub player: PlayerId,
    /// Whether the sign-up had come to its end before.
    pub was_active: bool,
}

/// What is known about somebody, as it shall be; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The name that others see.
    pub nickname: Option<String>,
    /// Digits.
    pub phone_number: Option<String>,
    /// The code of the language.
    pub language: Option<&'static str>,
}

impl Edit {
    /// Which details this changes of somebody.
    #[must_use]
    pub fn changes(&self, person: &Person) -> Details {
        let differs = |wanted: Option<&str>, has: &str| wanted.is_some_and(|it| it != has);
        Details {
            nickname: differs(self.nickname.as_deref(), &person.nickname),
            phone_number: differs(self.phone_number.as_deref(), &person.phone_number),
            language: differs(self.language, &person.language),
        }
    }
}

impl Users {
    /// Reserves the names for an account that `by` makes. If the same one has reserved the same names
    /// before, it is that row: whoever was cut off goes on.
    ///
    /// # Errors
    /// If one of the names is taken, by a code that names it.
    pub async fn reserve_by_staff(
        &self,
        by: PlayerId,
        person: &NewPerson,
        now: DateTime<Utc>,
    ) -> Result<Reserved, ApiError> {
        let row = sqlx::query(
            "insert into identity.users as has (site_id, nickname, phone_number, password_hash,
                                                state, created_at, language, made_by, role_wish)
             values ($1, $2, $3, $4, 'pending', $5, $6, $7, $8)
             on conflict (site_id) do update set
                -- Of an account that is open nothing changes.
                password_hash = case has.state when 'pending' then excluded.password_hash
                                                              else has.password_hash end,
                language = case has.state when 'pending' then excluded.language
                                                         else has.language end,
                role_wish = case has.state when 'pending' then excluded.role_wish end
              where has.made_by = $7 and has.nickname = $2 and has.phone_number = $3
             returning id, state",
        )
        .bind(&person.site_id)
        .bind(&person.nickname)
        .bind(&person.phone_number)
        .bind(&person.password_hash)
        .bind(now)
        .bind(person.language)
        .bind(by.0)
        .bind(person.role.map(|role| role.to_string()))
        .fetch_optional(&self.0)
        .await
        .map_err(|error| taken(&error).unwrap_or_else(|| error.into()))?;
        let row = row.ok_or_else(|| super::name_taken("users_site_id_key"))?;
        let was_active = row.try_get::<&str, _>("state")? == "active";
        Ok(Reserved { player: PlayerId(row.try_get("id")?), was_active })
    }

    /// Whether there is a row under these names that `by` has made.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn is_made_by(&self, by: PlayerId, person: &NewPerson) -> Result<bool, ApiError> {
        let select = "select exists (select from identity.users where made_by = $1
                         and site_id = $2 and nickname = $3 and phone_number = $4)";
        let query = sqlx::query_scalar(select).bind(by.0).bind(&person.site_id);
        let query = query.bind(&person.nickname).bind(&person.phone_number);
        Ok(query.fetch_one(&self.0).await?)
    }

    /// A number that nobody has, and nobody will have: for trying what an account would be.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn spare_number(&self) -> Result<PlayerId, ApiError> {
        let draw = "select nextval(pg_get_serial_sequence('identity.users', 'id'))";
        Ok(PlayerId(sqlx::query_scalar(draw).fetch_one(&self.0).await?))
    }

    /// Insists that nobody but `but` has one of these names.
    ///
    /// # Errors
    /// If somebody has, by a code that names it.
    pub async fn insist_on_free(
        &self,
        but: Option<PlayerId>,
        (site_id, nickname, phone_number): (Option<&str>, Option<&str>, Option<&str>),
    ) -> Result<(), ApiError> {
        let found: Option<String> = sqlx::query_scalar(
            "select case when site_id = $2 then 'users_site_id_key'
                         when lower(nickname) = lower($3) then 'users_nickname_key'
                         else 'users_phone_number_key' end
               from identity.users
              where (site_id = $2 or lower(nickname) = lower($3) or phone_number = $4)
                and id is distinct from $1 limit 1",
        )
        .bind(but.map(|but| but.0))
        .bind(site_id)
        .bind(nickname)
        .bind(phone_number)
        .fetch_optional(&self.0)
        .await?;
        found.map_or(Ok(()), |constraint| Err(super::name_taken(&constraint)))
    }

    /// Edits what is known about somebody, if it is still at the version that was seen; the version
    /// after it.
    ///
    /// # Errors
    /// If a name is taken, by a code that names it.
    pub async fn edit(
        &self,
        player: PlayerId,
        version: u64,
        edit: &Edit,
    ) -> Result<Option<u64>, ApiError> {
        let edited: Option<i32> = sqlx::query_scalar(
            "update identity.users
                set nickname = coalesce($3, nickname), phone_number = coalesce($4, phone_number),
                    language = coalesce($5, language), profile_version = profile_version + 1
              where id = $1 and profile_version = $2 returning profile_version",
        )
        .bind(player.0)
        .bind(version.cast_signed())
        .bind(&edit.nickname)
        .bind(&edit.phone_number)
        .bind(edit.language)
        .fetch_optional(&self.0)
        .await
        .map_err(|error| taken(&error).unwrap_or_else(|| error.into()))?;
        Ok(edited.map(|version| version.cast_unsigned().into()))
    }
}
