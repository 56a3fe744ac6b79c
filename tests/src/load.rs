//! Load on the live feed: screens that only look on, players to whom things happen, and how long it
//! takes until they hear of it. The benchmarks `live_*` and the tool `live-load` share this.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "rates and ratios are estimates; no money is counted here"
)]
#![allow(clippy::disallowed_methods, reason = "what is measured is the machine's time")]

mod active;
mod bare;
mod club;
mod figures;
mod idle;
mod limits;
mod memory;
mod receipts;
mod source;

pub use active::{Active, Plan, Slow};
pub use bare::Bare;
pub use club::{Club, Member};
pub use figures::{ActiveFigures, IdleFigures, Quantiles};
pub use idle::Idle;
pub use limits::open_files;
pub use memory::{listener, resident};
