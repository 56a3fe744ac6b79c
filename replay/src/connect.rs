//! Finding the database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Written by `ops/postgres start`.
const URL_FILE: &str = ".local/postgres/url";
/// Whose the read models are, whatever the login is called: the service has to go on with them.
const SERVICE_ROLE: &str = "club_service";
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to the database at `url`, or to the local one that is found from here upwards; in order
/// to write, as the service.
pub async fn connect(url: Option<&str>, to_write: bool) -> anyhow::Result<PgPool> {
    let (url, from) = match url {
        Some(url) => (url.to_owned(), "--database-url or DATABASE_URL".to_owned()),
        None => {
            let file = url_file(&std::env::current_dir()?)?;
            let url = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            (url.trim().to_owned(), file.display().to_string())
        }
    };
    let mut options: PgConnectOptions = url.parse().with_context(|| {
        format!("{from} is not a PostgreSQL address; it looks like postgres://user@host/database")
    })?;
    if to_write {
        options = options.options([("role", SERVICE_ROLE)]);
    }
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
    pool.connect_with(options.application_name("replay")).await.with_context(|| {
        format!("the database of {from} cannot be reached; start it, or name another one")
    })
}

fn url_file(from: &Path) -> anyhow::Result<PathBuf> {
    let found = from.ancestors().map(|folder| folder.join(URL_FILE)).find(|file| file.is_file());
    let Some(file) = found else {
        bail!(
            "no database is named and there is no {URL_FILE} here or above; start one with \
             `ops/postgres start`, or give --database-url"
        );
    };
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_database_is_found_from_below() {
        let top = std::env::temp_dir().join(format!("replay-{}", std::process::id()));
        let below = top.join("frontend/src");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::create_dir_all(top.join(".local/postgres")).unwrap();
        let error = url_file(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("ops/postgres start"), "{error}");
        std::fs::write(top.join(URL_FILE), "postgres://club@localhost/club\n").unwrap();
        assert_eq!(url_file(&below).unwrap(), top.join(URL_FILE));
        std::fs::remove_dir_all(top).unwrap();
    }
}
