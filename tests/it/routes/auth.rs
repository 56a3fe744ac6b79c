//! `/api/auth`.

mod sign_in;
mod sign_up;
