//! The table of programs: who they are and what they may do, and nothing secret.

use chrono::{DateTime, TimeDelta, Utc};
use commands::secret::Secret;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::id::ServiceId;
use super::scopes::Scopes;
use super::signature::ServiceKey;

/// For how long the secret before the present one counts, so that servers can change over.
pub const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// A program, as the table knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub id: ServiceId,
    /// What it may do.
    pub scopes: Scopes,
    /// The version of its present secret.
    pub version: i32,
    /// Since when it is known, or known again.
    pub created_at: DateTime<Utc>,
    /// When its secret was changed over.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Since when it is not believed any more.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Registered {
    /// Until when the secret before the present one counts, if it still does.
    #[must_use]
    pub fn overlaps_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.rotated_at? + OVERLAP;
        (self.revoked_at.is_none() && now < until).then_some(until)
    }

    /// The versions whose secrets count now, the present one first.
    #[must_use]
    pub fn versions(&self, now: DateTime<Utc>) -> Vec<i32> {
        if self.revoked_at.is_some() {
            return vec![];
        }
        let before = self.overlaps_until(now).and_then(|_| self.version.checked_sub(1));
        std::iter::once(self.version).chain(before).collect()
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Somebody has this name.
    #[error("there is a service {0} already: rotate its secret, or revoke it first")]
    NameTaken(ServiceId),
    /// Nobody has this name.
    #[error("there is no service {0}: 'club services list' shows all")]
    Unknown(ServiceId),
    /// It is not believed any more.
    #[error("the service {0} is revoked: 'club services add' lets it in again, with a new secret")]
    Revoked(ServiceId),
    /// The database did not do it.
    #[error("the table of services cannot be used")]
    Database(#[from] sqlx::Error),
}

/// Reads and writes the table.
#[derive(Debug, Clone)]
pub struct Register(PgPool);

const COLUMNS: &str = "id, scopes, version, created_at, rotated_at, revoked_at";

impl Register {
    /// In this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Lets a program in. One that was revoked comes back with a secret that it never had.
    ///
    /// # Errors
    /// If somebody has its name.
    pub async fn add(
        &self,
        id: &ServiceId,
        scopes: &Scopes,
        now: DateTime<Utc>,
    ) -> Result<Registered, NotDone> {
        let insert = format!(
            "insert into identity.services as known (id, scopes, created_at) values ($1, $2, $3)
             on conflict (id) do update
                set scopes = excluded.scopes, version = known.version + 1,
                    created_at = excluded.created_at, rotated_at = null, revoked_at = null
              where known.revoked_at is not null
             returning {COLUMNS}"
        );
        let query = sqlx::query(&insert).bind(id.as_str()).bind(scopes.texts()).bind(now);
        let added = query.fetch_optional(&self.0).await?;
        added.map_or_else(|| Err(NotDone::NameTaken(id.clone())), |row| registered(&row))
    }

    /// Gives a program its next secret. The one before counts for a while longer, unless it is to
    /// end at once; what came before that ends.
    ///
    /// # Errors
    /// If it is unknown or revoked.
    pub async fn rotate(
        &self,
        id: &ServiceId,
        at_once: bool,
        now: DateTime<Utc>,
    ) -> Result<Registered, NotDone> {
        let update = format!(
            "update identity.services set version = version + 1, rotated_at = $2
              where id = $1 and revoked_at is null returning {COLUMNS}"
        );
        let rotated_at = (!at_once).then_some(now);
        let query = sqlx::query(&update).bind(id.as_str()).bind(rotated_at);
        match query.fetch_optional(&self.0).await? {
            Some(row) => registered(&row),
            None => Err(self.why_not(id).await),
        }
    }

    /// Changes what a program may do.
    ///
    /// # Errors
    /// If it is unknown or revoked.
    pub async fn allow(&self, id: &ServiceId, scopes: &Scopes) -> Result<Registered, NotDone> {
        let update = format!(
            "update identity.services set scopes = $2
              where id = $1 and revoked_at is null returning {COLUMNS}"
        );
        let query = sqlx::query(&update).bind(id.as_str()).bind(scopes.texts());
        match query.fetch_optional(&self.0).await? {
            Some(row) => registered(&row),
            None => Err(self.why_not(id).await),
        }
    }

    /// Believes a program no more. One that is revoked stays as it is.
    ///
    /// # Errors
    /// If it is unknown.
    pub async fn revoke(&self, id: &ServiceId, now: DateTime<Utc>) -> Result<Registered, NotDone> {
        let update = format!(
            "update identity.services set revoked_at = coalesce(revoked_at, $2)
              where id = $1 returning {COLUMNS}"
        );
        let query = sqlx::query(&update).bind(id.as_str()).bind(now);
        let revoked = query.fetch_optional(&self.0).await?;
        revoked.map_or_else(|| Err(NotDone::Unknown(id.clone())), |row| registered(&row))
    }

    /// A program that is believed.
    ///
    /// # Errors
    /// If it is unknown or revoked.
    pub async fn one(&self, id: &ServiceId) -> Result<Registered, NotDone> {
        let select = format!("select {COLUMNS} from identity.services where id = $1");
        let row = sqlx::query(&select).bind(id.as_str()).fetch_optional(&self.0).await?;
        let found = row.map(|row| registered(&row)).transpose()?;
        let found = found.ok_or_else(|| NotDone::Unknown(id.clone()))?;
        if found.revoked_at.is_some() {
            return Err(NotDone::Revoked(id.clone()));
        }
        Ok(found)
    }

    /// The present secret of a program, for a role of this very program that speaks as it, and for
    /// whoever sets a program up.
    ///
    /// # Errors
    /// If it is unknown or revoked.
    pub async fn secret(&self, id: &ServiceId, key: &ServiceKey) -> Result<Secret, NotDone> {
        Ok(key.secret_of(id, self.one(id).await?.version))
    }

    /// Everybody, also the revoked.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn all(&self) -> Result<Vec<Registered>, NotDone> {
        let select = format!("select {COLUMNS} from identity.services order by id");
        let rows = sqlx::query(&select).fetch_all(&self.0).await?;
        rows.iter().map(registered).collect()
    }

    async fn why_not(&self, id: &ServiceId) -> NotDone {
        // Somebody let it in meanwhile: as good as not found.
        self.one(id).await.err().unwrap_or_else(|| NotDone::Unknown(id.clone()))
    }
}

fn registered(row: &PgRow) -> Result<Registered, NotDone> {
    let id: String = row.try_get("id")?;
    let scopes: Vec<String> = row.try_get("scopes")?;
    Ok(Registered {
        id: id.parse().map_err(|wrong| sqlx::Error::Decode(Box::new(wrong)))?,
        scopes: Scopes::from_stored(&scopes),
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        rotated_at: row.try_get("rotated_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_before_counts_for_a_day_after_it_was_changed_over() {
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let mut service = Registered {
            id: "game".parse().unwrap(),
            scopes: Scopes::from_stored(&[]),
            version: 3,
            created_at: at(0),
            rotated_at: None,
            revoked_at: None,
        };
        assert_eq!(service.versions(at(0)), [3]);
        service.rotated_at = Some(at(100));
        let end = 100 + OVERLAP.num_seconds();
        assert_eq!(service.versions(at(100)), [3, 2]);
        assert_eq!(service.overlaps_until(at(end - 1)), Some(at(end)));
        assert_eq!(service.versions(at(end - 1)), [3, 2]);
        assert_eq!(service.versions(at(end)), [3]);
        service.revoked_at = Some(at(200));
        assert_eq!(service.versions(at(200)), [0; 0]);
    }
}
