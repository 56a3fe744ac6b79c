//! `/api/auth`.

mod reset;
mod sessions;
mod sign_in;
mod sign_up;
mod totp;
