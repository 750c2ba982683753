//! Tests of the format through its front door.

mod corpus;
mod corrupt;
mod hostile;
mod identity;
mod kept;
mod laws;
mod looks;
mod metadata;
mod recorded;
mod rules;
mod shares;
mod splice;
mod state;
mod stores;
