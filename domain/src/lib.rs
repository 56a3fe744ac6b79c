//! What the club decides.
//!
//! Aggregates decide (`decide`) and remember (`evolve`); everything here is pure: no I/O, no clock,
//! no ids made, no async. Time and ids arrive inside commands. The stored form of the log (hash
//! chain, decoding, upcasters) lives here too, because auditors need it without the write side.

pub mod account;
pub mod activity;
pub mod aggregate;
pub mod announcement;
pub mod approval;
pub mod audit;
pub mod campaign;
pub mod encoding;
pub mod event;
pub mod id;
pub mod identity;
pub mod invite;
pub mod job;
mod layered;
pub mod limit;
pub mod live_event;
pub mod mission;
pub mod money;
pub mod offer;
pub mod package;
pub mod product;
pub mod promo;
pub mod quota;
pub mod reward;
pub mod role;
pub mod schedule;
pub mod schema;
pub mod stored;
pub mod testing;
