//! Whatever follows the log.
//!
//! The log is read by position ([`feed`]); one [`engine`] moves every follower along it: tables
//! ([`read_models`]), reactions and sinks ([`follower`]). What follows can be thrown away and is
//! made again from the log ([`mod@rebuild`]); [`mod@verify`] proves that log and read models are
//! right.
//!
//! Depends on `domain` only: the write side is not needed to read, and must not be.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests may"))]

pub mod checkpoint;
mod copy;
pub mod engine;
pub mod feed;
pub mod follower;
mod lease;
pub mod personal;
pub mod play_in_log;
pub mod position;
pub mod purchases_in_log;
pub mod read_models;
pub mod rebuild;
mod scan;
pub mod sinks;
pub mod statement;
mod tables;
pub mod verify;

#[cfg(test)]
mod testing;
