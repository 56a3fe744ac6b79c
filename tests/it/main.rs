//! The system from outside: one binary, real servers, a database each, no sleeps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so where it stands"
)]

mod app;
mod browser;
mod clickhouse;
mod contract;
mod database;
mod faults;
mod jobs;
mod kafka;
mod keys;
mod live_client;
mod log;
mod mailbox;
mod marked;
mod newcomers;
mod node;
mod olap;
mod openapi;
mod payments;
mod personal;
mod phone;
mod provider;
mod reconcile;
mod relay;
mod routes;
mod service;
mod services;
mod snapshots;
mod socket;
mod tidy;
mod unauthorized;
