//! What can go wrong, made to go wrong.

mod append_only;
mod appenders;
mod approvals;
mod claims;
mod crashes;
mod erasure;
mod hang_ups;
mod jobs;
mod live;
mod load;
mod mail;
mod nodes;
mod olap;
mod past_play;
mod paused;
mod payout;
mod play;
mod relay;
mod reporters;
mod restores;
mod screen;
mod services;
mod sign_up;
mod sinks;
mod stock;
mod wire;
