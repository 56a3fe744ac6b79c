//! `/api/shop`.

mod benefits;
mod buy;
mod buy_limited;
mod catalog;
mod hostile;
mod limits;
mod payments;
mod receipts;
mod webhook;
