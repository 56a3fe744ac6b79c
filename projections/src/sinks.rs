//! Whatever is fed from the log and lives outside, in one file each with its own folder.

pub mod clickhouse;
