//! What the staff does.

pub mod events;
pub mod grants;
pub mod invites;
pub mod missions;
pub mod packages;
pub mod products;
pub mod promos;
pub mod ranks;
pub mod rewards;
pub mod stats;
pub mod transactions;
