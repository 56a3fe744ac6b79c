//! The keys that sign access tokens: Ed25519, one after another, the same on every node.
//!
//! A new key is published before it signs, for as long as verifiers may keep what they have read; then it
//! signs, and the one before verifies until its last token has expired.

mod keeper;
mod key;
mod register;
mod ring;

use chrono::TimeDelta;

pub use keeper::Keeper;
pub use key::Key;
pub use register::{NotDone, Register, Rotation};
pub use ring::{Phase, Ring};

/// How long verifiers may keep the published keys, as `Cache-Control` tells them.
pub const PUBLISHED_MAX_AGE: TimeDelta = TimeDelta::minutes(5);
/// So long before it signs a key is published: the same, and what clocks differ by.
const AHEAD: TimeDelta = TimeDelta::minutes(6);
/// How long a key verifies after another one signs: its last token's life, and what clocks differ by.
const VERIFIES_AFTER: TimeDelta = TimeDelta::seconds(super::tokens::LIFETIME_SECONDS + 60);
