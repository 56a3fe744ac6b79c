//! `/api/admin`.

mod grants;
mod packages;
mod products;
mod promos;
mod ranks;
mod stats;
mod transactions;
