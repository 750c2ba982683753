//! Races, restarts and what is on the disk.

mod client;
mod state;
mod watching;
