//! `/api/admin`.

mod approvals;
mod audit;
mod bans;
mod dry_runs;
mod events;
mod grants;
mod invites;
mod missions;
mod packages;
mod products;
mod promos;
mod ranks;
mod roles;
mod stats;
mod transactions;
mod users;
