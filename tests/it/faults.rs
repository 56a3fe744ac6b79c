//! What can go wrong, made to go wrong.

mod append_only;
mod appenders;
mod crashes;
mod hang_ups;
mod load;
mod paused;
mod restores;
mod screen;
mod services;
mod stock;
mod wire;
