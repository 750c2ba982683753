//! Talks to a Kubernetes API server: apply, inventory, prune, health.
//!
//! - [`client`] sends requests and follows kinds; objects are JSON values.
//! - [`order`], [`switches`], [`fields`] know how objects want to be treated.
//! - [`inventory`] names what is owned.
//! - [`health`] judges one object, [`wait`] waits for many.
//! - [`error`] says what the server or the way to it refused.

pub mod client;
pub mod error;
pub mod fields;
pub mod health;
pub mod inventory;
pub mod order;
pub mod switches;
pub mod wait;
