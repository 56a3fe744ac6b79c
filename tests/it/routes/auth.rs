//! `/api/auth`.

mod sessions;
mod sign_in;
mod sign_up;
mod totp;
