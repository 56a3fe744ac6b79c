//! The live feed: what happens to a player's account, to the shop, to events and to the club itself,
//! pushed to whoever listens, with places in the log from which a client that was away goes on without
//! gap or repeat.

mod boards;
mod channel;
mod history;
mod hub;
mod messages;
mod outbox;
pub mod presence;
mod ring;
mod session;
mod showcase;
mod telling;
#[cfg(test)]
mod testing;
mod tickets;
mod topic;

pub use boards::run as keep_boards;
pub use hub::{Hub, LiveFeed};
pub use messages::document;
pub use presence::run as keep_presence;
pub use session::serve;
pub use telling::run as keep_telling;
pub use tickets::{LIFETIME_SECONDS, Tickets};

/// What both sides of the feed speak, as websockets name it.
pub const PROTOCOL: &str = "club.live.v1";
