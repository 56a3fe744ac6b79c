//! `/api/admin`.

mod announcements;
mod approvals;
mod audit;
mod bans;
pub mod campaigns;
mod dry_runs;
mod events;
mod grants;
mod invites;
mod jobs;
mod mails;
mod missions;
mod packages;
mod products;
mod promos;
mod ranks;
mod roles;
mod second_factors;
mod stats;
mod transactions;
mod users;
