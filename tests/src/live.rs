//! A client of the live feed (`/api/realtime/sync`), as a program has one that must not miss anything:
//! it takes a ticket, connects, subscribes, and comes back after every cut with its last cursors.
//! What it hands out is, channel by channel, everything once and in order, or a state that replaces
//! all there was.
//!
//! ```no_run
//! # async fn example() {
//! use tests::live::{Change, Client, Mirror, Options, Plain};
//!
//! let door = Plain::new("http://127.0.0.1:8000".to_owned(), "access token".to_owned());
//! let mut feed = Client::new(door, Options::default(), ["me"]);
//! let mut account = Mirror::default();
//! loop {
//!     let change = feed.next().await;
//!     account.apply(&change);
//!     match change {
//!         Change::Mark { position, .. } => println!("{:?} at {position}", account.wallet()),
//!         Change::Ended(why) => break println!("{why}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! A client is a value that is polled: no thread, no task and no queue of its own, and buffers of a few
//! kilobytes, so thousands fit into one process.

mod channel;
mod client;
mod connection;
mod door;
mod ending;
mod messages;
mod mirror;
mod pause;

pub use channel::Counts;
pub use client::{Change, Client, Options};
pub use door::{Door, NoTicket, Plain};
pub use ending::{Cut, End};
pub use messages::{
    EventProgress, Item, MissionProgress, Purchase, Reward, RewardItem, State, Streak, Update,
    Wallet,
};
pub use mirror::Mirror;
