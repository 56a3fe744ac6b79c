//! What can go wrong, made to go wrong.

mod appenders;
