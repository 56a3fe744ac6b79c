//! Whatever is fed from the log and lives outside, in one file each with its own folder. Which process runs one is
//! the `api`'s business, as are sinks that speak to people: mail, and the live feed.

pub mod clickhouse;
pub mod kafka;
