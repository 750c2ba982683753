//! Races, restarts and what is on the disk.

mod bounds;
mod client;
mod killed;
mod refusals;
mod state;
mod watching;
