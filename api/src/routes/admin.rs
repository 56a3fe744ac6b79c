//! What the staff does.

pub mod grants;
pub mod packages;
pub mod products;
pub mod promos;
pub mod ranks;
pub mod stats;
pub mod transactions;
