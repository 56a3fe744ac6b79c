//! What was measured on. Figures of a server that may lose commits say nothing about one that may
//! not, so such a server is refused.

use std::fmt;
use std::fs;

use anyhow::{Result, bail};
use sqlx::PgConnection;

use crate::{cpu, database};

/// What makes a PostgreSQL lose commits when it is off.
const DURABILITY: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// What else explains a figure.
const WORTH_KNOWING: [&str; 4] =
    ["wal_sync_method", "shared_buffers", "max_wal_size", "checkpoint_timeout"];

/// The server and the machine.
#[derive(Debug)]
pub struct Settings {
    version: String,
    values: Vec<(&'static str, String)>,
    /// Roles or databases for which durability is set otherwise.
    overridden: Vec<String>,
    file_system: String,
    cores: usize,
    load_average: String,
    /// The process above all backends.
    pub postmaster: u32,
}

impl Settings {
    /// Asks the server and the machine.
    pub async fn read(server_url: &str) -> Result<Self> {
        let mut server = database::connect(server_url).await?;
        let mut values = Vec::new();
        for name in DURABILITY.into_iter().chain(WORTH_KNOWING) {
            values.push((name, show(&mut server, name).await?));
        }
        let backend =
            sqlx::query_scalar::<_, i32>("select pg_backend_pid()").fetch_one(&mut server).await?;
        let postmaster = cpu::parent_of(u32::try_from(backend)?)?;
        let data = show(&mut server, "data_directory").await?;
        Ok(Self {
            version: show(&mut server, "server_version").await?,
            values,
            overridden: overridden(&mut server).await?,
            file_system: file_system_of(&data)?,
            cores: std::thread::available_parallelism()?.get(),
            load_average: fs::read_to_string("/proc/loadavg")?.trim().to_owned(),
            postmaster,
        })
    }

    /// Whether a commit that was answered survives the loss of power.
    fn is_durable(&self) -> bool {
        let off = |name: &str| {
            DURABILITY.contains(&name)
                && self.values.iter().any(|(other, value)| *other == name && value == "off")
        };
        !DURABILITY.into_iter().any(off)
            && self.overridden.is_empty()
            && !["tmpfs", "ramfs"].contains(&self.file_system.as_str())
    }

    /// Refuses a server that may lose commits, or says loudly that it may.
    pub fn check(&self, allow_unsafe: bool) -> Result<()> {
        match (self.is_durable(), allow_unsafe) {
            (true, _) => Ok(()),
            (false, true) => {
                println!("UNSAFE: this server may lose commits; do not compare these figures\n");
                Ok(())
            }
            (false, false) => bail!(
                "this server may lose commits, so its figures would say nothing; \
                 make it durable, or pass --allow-unsafe"
            ),
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "PostgreSQL {} on {}", self.version, self.file_system)?;
        for (name, value) in &self.values {
            writeln!(f, "  {name} = {value}")?;
        }
        for other in &self.overridden {
            writeln!(f, "  but {other}")?;
        }
        writeln!(f, "cores {}, load average before {}", self.cores, self.load_average)
    }
}

async fn show(server: &mut PgConnection, name: &str) -> Result<String> {
    Ok(sqlx::query_scalar("select current_setting($1)").bind(name).fetch_one(server).await?)
}

/// `alter role … set synchronous_commit = off` and the like, which `show` does not show here.
async fn overridden(server: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select format('%s for role %s in database %s', setting,
                       coalesce(rolname, 'any'), coalesce(datname, 'any'))
           from pg_db_role_setting
          cross join unnest(setconfig) as setting
           left join pg_roles on pg_roles.oid = setrole
           left join pg_database on pg_database.oid = setdatabase
          where setting = 'synchronous_commit=off'",
    )
    .fetch_all(server)
    .await?)
}

/// The kind of file system that a folder lies on: that of the longest mount point above it.
fn file_system_of(folder: &str) -> Result<String> {
    let folder = fs::canonicalize(folder)?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mut best = (0, "unknown");
    for line in mounts.lines() {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if let (Some(point), Some(kind)) = (fields.next(), fields.next())
            && folder.starts_with(point)
            && point.len() >= best.0
        {
            best = (point.len(), kind);
        }
    }
    Ok(best.1.to_owned())
}
