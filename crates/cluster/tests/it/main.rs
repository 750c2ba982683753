//! The crate's front doors against an embedded server.

mod absence;
mod applying;
mod following;
mod house;
mod pausing;
mod scripted;
