//! What tests, load tool and benchmarks have in common: a client of the live feed, and load on it.

pub mod live;
pub mod load;
