//! `/api/shop`.

mod buy;
mod catalog;
mod hostile;
