//! `/api/admin`.

mod events;
mod grants;
mod invites;
mod missions;
mod packages;
mod products;
mod promos;
mod ranks;
mod stats;
mod transactions;
