//! The log in ClickHouse, for analytics: every event once, in the order of the log.
//!
//! Events go in by ranges of positions. A range is written down in PostgreSQL before it is tried
//! ([`books`]), is one insert with one token, and is tried unchanged until it is in; only then the place moves. The
//! place is ClickHouse's own last row, position and hash: whoever finds it missing in the log stands before a
//! restored database and stops ([`follower`]). What ClickHouse refuses for its content is set aside, event by event,
//! with the reason. [`check`] compares both sides, and [`mod@repair`] brings them
//! together; [`reports`] are what analysts ask for.

mod backfill;
mod books;
mod check;
mod follower;
mod insert;
mod migrations;
mod repair;
pub mod reports;
mod row;
mod server;

pub use books::{SetAside, set_aside};
pub use check::{Completeness, DayRange, Difference, Differences, compare, completeness};
pub(crate) use follower::Follower;
pub use follower::NAME;
pub use repair::{Repaired, repair, repair_positions};
pub use row::EventRow;
pub use server::{ClickHouse, ClickHouseConfig, ClickHouseError};

#[cfg(test)]
mod tests;
