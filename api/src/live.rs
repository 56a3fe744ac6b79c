//! The live feed: what happens to a player's account, pushed to the player's screens, with places
//! in the log from which a screen that was away goes on without gap or repeat.

mod history;
mod hub;
mod messages;
mod session;
mod tickets;

pub use hub::{Hub, LiveFeed};
pub use session::serve;
pub use tickets::{LIFETIME_SECONDS, Tickets};
