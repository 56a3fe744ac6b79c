//! Every address from outside, in the shape of the URL tree.

mod actions;
pub mod admin;
mod auth;
mod events;
mod health;
mod idempotency;
mod index;
mod inventory;
mod limits;
mod realtime;
mod shop;
mod streak;
pub mod users;
mod vip;
