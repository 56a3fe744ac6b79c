//! What the staff does.

pub mod analytics;
pub mod announcements;
pub mod approvals;
pub mod audit;
pub mod campaigns;
pub mod events;
pub mod grants;
pub mod invites;
pub mod jobs;
pub mod mails;
pub mod missions;
pub mod packages;
pub mod products;
pub mod promos;
pub mod rewards;
pub mod roles;
pub mod sessions;
pub mod stats;
pub mod transactions;
pub mod users;
