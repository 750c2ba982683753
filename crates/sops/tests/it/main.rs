//! Tests of the format through its front door.

mod identity;
mod laws;
mod recorded;
mod rules;
mod splice;
mod stores;
