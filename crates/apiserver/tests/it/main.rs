//! Races, restarts and what is on the disk.

mod bounds;
mod client;
mod definitions;
mod killed;
mod load;
mod refusals;
mod state;
mod watching;
