//! `/api/admin`.

mod analytics;
mod announcements;
mod approvals;
mod audit;
mod bans;
pub mod campaigns;
mod details;
mod dry_runs;
mod events;
mod grants;
mod invites;
mod jobs;
mod mails;
mod making;
mod missions;
mod notes;
mod packages;
mod products;
mod promos;
mod ranks;
mod roles;
mod second_factors;
mod sessions;
mod stats;
mod transactions;
mod users;
