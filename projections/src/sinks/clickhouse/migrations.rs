//! The tables in ClickHouse, brought up to this program by whoever feeds them.

use super::{ClickHouse, ClickHouseError};

/// Every file of `migrations/clickhouse/`, in order.
const ALL: &[(&str, &str)] = &[
    ("0001_events", include_str!("../../../../migrations/clickhouse/0001_events.sql")),
    ("0002_typed", include_str!("../../../../migrations/clickhouse/0002_typed.sql")),
    ("0003_figures", include_str!("../../../../migrations/clickhouse/0003_figures.sql")),
];

/// Makes the database and runs what has not run.
pub(super) async fn migrate(clickhouse: &ClickHouse) -> Result<(), ClickHouseError> {
    let database = &clickhouse.config.database;
    clickhouse.ask_server(&format!("create database if not exists `{database}`")).done().await?;
    clickhouse
        .ask(
            "create table if not exists migrations (name String, ran_at DateTime default now())
             engine = ReplacingMergeTree order by name",
        )
        .done()
        .await?;
    let ran: Vec<String> = clickhouse.ask("select distinct name from migrations").rows().await?;
    for (name, sql) in ALL.iter().filter(|(name, _)| !ran.iter().any(|ran| ran == name)) {
        for statement in statements(sql) {
            clickhouse.ask(&statement).done().await?;
        }
        clickhouse.ask("insert into migrations (name) values (?)").bind(*name).done().await?;
        tracing::info!(migration = name, "a migration of clickhouse has run");
    }
    keep_raw(clickhouse).await
}

/// How long payloads are kept is a setting, which may change.
async fn keep_raw(clickhouse: &ClickHouse) -> Result<(), ClickHouseError> {
    let now: String = clickhouse
        .ask("select create_table_query from system.tables where database = currentDatabase() and name = 'events'")
        .row()
        .await?;
    let wanted = clickhouse.config.raw_days.map(|days| format!("toIntervalDay({days})"));
    let is_so = match &wanted {
        Some(interval) => now.matches(interval.as_str()).count() == 2,
        None => !now.contains("toIntervalDay"),
    };
    if is_so {
        return Ok(());
    }
    for column in ["payload", "metadata"] {
        let change = match &wanted {
            Some(interval) => format!(
                "alter table events modify column {column} String codec(ZSTD(1))
                 ttl toDateTime(recorded_at) + {interval}"
            ),
            None => format!("alter table events modify column {column} remove ttl"),
        };
        clickhouse.ask(&change).done().await?;
    }
    Ok(())
}

/// Each ends with a semicolon at the end of a line. Question marks are the client's.
fn statements(sql: &str) -> Vec<String> {
    let lines: Vec<&str> =
        sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let statements = lines.join("\n");
    let statements = statements.split(";\n").map(|one| one.trim().trim_end_matches(';'));
    statements.filter(|one| !one.is_empty()).map(|one| one.replace('?', "??")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/clickhouse");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
            .collect();
        files.sort();
        let embedded: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(embedded, files, "list every file in migrations.rs");
    }

    #[test]
    fn a_file_is_cut_into_its_statements() {
        assert_eq!(
            statements("-- why;\nselect 1;\n-- and\nselect\n 2;\n"),
            ["select 1", "select\n 2"]
        );
    }
}
