//! Talks to a Kubernetes API server: apply, inventory, prune, health.
//!
//! - [`client`] sends requests and follows kinds; objects are JSON values.
//! - [`order`], [`normalize`], [`switches`] prepare objects; [`fields`], [`drift`], [`known`]
//!   tell what would change; [`apply`] does it, [`preview`] only looks.
//! - [`inventory`] names what is owned, [`prune`] deletes what left.
//! - [`health`] judges one object, [`wait`] waits for many.
//! - [`certificate`] judges what is given as an authority; [`error`] says what the server or the way to it refused.

pub mod apply;
pub mod certificate;
pub mod client;
pub mod drift;
pub mod error;
pub mod fields;
pub mod health;
pub mod inventory;
pub mod known;
pub mod normalize;
pub mod order;
pub mod preview;
pub mod prune;
pub mod switches;
pub mod wait;
