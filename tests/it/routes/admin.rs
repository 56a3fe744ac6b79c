//! `/api/admin`.

mod approvals;
mod events;
mod grants;
mod missions;
mod packages;
mod products;
mod promos;
mod ranks;
mod stats;
mod transactions;
