//! All migrations, embedded: the program carries the tables it needs.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType};

/// Every file of `migrations/`, in order.
const ALL: &[(&str, &str)] = &[
    ("0001_log", include_str!("../../../migrations/0001_log.sql")),
    ("0002_identity", include_str!("../../../migrations/0002_identity.sql")),
    ("0003_followers", include_str!("../../../migrations/0003_followers.sql")),
    ("0004_sandbox", include_str!("../../../migrations/0004_sandbox.sql")),
    ("0005_sandbox_books", include_str!("../../../migrations/0005_sandbox_books.sql")),
    ("0006_stripe", include_str!("../../../migrations/0006_stripe.sql")),
    ("0007_webhooks", include_str!("../../../migrations/0007_webhooks.sql")),
    ("0008_snapshots", include_str!("../../../migrations/0008_snapshots.sql")),
    ("0009_services", include_str!("../../../migrations/0009_services.sql")),
    ("0010_invites", include_str!("../../../migrations/0010_invites.sql")),
    ("0011_sign_in_failures", include_str!("../../../migrations/0011_sign_in_failures.sql")),
    ("0012_sessions", include_str!("../../../migrations/0012_sessions.sql")),
    ("0013_presence", include_str!("../../../migrations/0013_presence.sql")),
    ("0014_second_factors", include_str!("../../../migrations/0014_second_factors.sql")),
    ("0015_signing_keys", include_str!("../../../migrations/0015_signing_keys.sql")),
    ("0016_mail", include_str!("../../../migrations/0016_mail.sql")),
    ("0017_people", include_str!("../../../migrations/0017_people.sql")),
    ("0018_olap", include_str!("../../../migrations/0018_olap.sql")),
    ("0019_append_by_row", include_str!("../../../migrations/0019_append_by_row.sql")),
];

/// The files above, as sqlx takes them.
#[derive(Debug)]
pub(super) struct Embedded;

impl MigrationSource<'static> for Embedded {
    fn resolve(self) -> BoxFuture<'static, Result<Vec<Migration>, BoxDynError>> {
        async { ALL.iter().map(|(name, sql)| migration(name, sql)).collect() }.boxed()
    }
}

/// Named as sqlx names a file of a folder, so that both find the same migrations in a database.
fn migration(name: &'static str, sql: &'static str) -> Result<Migration, BoxDynError> {
    let (version, description) = name.split_once('_').ok_or("a migration without a number")?;
    let description = description.replace('_', " ").into();
    Ok(Migration::new(version.parse()?, description, MigrationType::Simple, sql.into(), false))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::migrate::Migrator;

    use super::*;

    #[tokio::test]
    async fn every_file_of_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let in_folder = Migrator::new(folder).await.unwrap();
        let embedded = Migrator::new(Embedded).await.unwrap();
        let told = |migrator: &Migrator| -> Vec<_> {
            let told = |m: &Migration| (m.version, m.description.clone(), m.checksum.clone());
            migrator.iter().map(told).collect()
        };
        assert_eq!(
            told(&embedded),
            told(&in_folder),
            "list every file in api/src/database/migrations.rs"
        );
    }
}
