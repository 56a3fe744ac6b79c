//! When this happened, ask for that.

pub mod checkout;
pub mod deeds;
