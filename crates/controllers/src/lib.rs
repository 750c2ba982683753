//! Reconcilers compatible with Flux.
//!
//! - [`run`] starts the controllers: `follow` feeds a [`queue`] from watches, [`workers`] empty it; [`index`] knows
//!   whom a change concerns; [`options`] says how.
//! - [`kustomization`] is the trip of one Kustomization: gather, decrypt, build, substitute, apply.
//! - [`source`] is the trip of one GitRepository: gather, fetch; [`artifacts`] serves what it keeps;
//!   [`offer`] makes a directory a source, too.
//! - [`report`] turns outcomes into conditions and retry delays, `status` brings them to the server, [`events`] tells people.
//! - [`lease`] lets one replica work while others wait; [`metrics`] counts, [`probes`] answers those who look after us.
//! - [`gates`] names what can be switched; [`expression`] evaluates CEL; [`error`] is what can keep us from starting.

pub mod artifacts;
pub mod clock;
pub mod error;
pub mod events;
pub mod expression;
pub mod fair;
mod finalizer;
mod follow;
pub mod gates;
pub mod identity;
pub mod index;
mod keeper;
pub mod kustomization;
pub mod lease;
pub mod metrics;
pub mod offer;
pub mod options;
pub mod probes;
pub mod queue;
pub mod report;
pub mod run;
pub mod series;
mod serving;
mod shape;
pub mod source;
#[cfg(test)]
mod stand_in;
mod status;
mod wiped;
pub mod workers;
