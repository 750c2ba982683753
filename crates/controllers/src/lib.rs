//! Reconcilers compatible with Flux.
//!
//! - [`run`] starts the controllers: watches feed a [`queue`], workers empty it; [`index`] knows
//!   whom a change concerns; [`options`] says how.
//! - [`kustomization`] is the trip of one Kustomization: gather, decrypt, build, substitute, apply.
//! - [`source`] is the trip of one GitRepository: gather, fetch; [`artifacts`] serves what it keeps.
//! - [`report`] turns outcomes into conditions and retry delays, [`events`] tells people.
//! - [`expression`] evaluates CEL; [`error`] is what can keep us from starting.

pub mod artifacts;
pub mod error;
pub mod events;
pub mod expression;
pub mod index;
pub mod kustomization;
pub mod options;
pub mod queue;
pub mod report;
pub mod run;
pub mod source;
