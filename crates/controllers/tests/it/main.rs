//! The controllers against an embedded server: faults, tenants, elections, MACs.

#![expect(clippy::unwrap_used, reason = "tests")]

mod conditions;
mod election;
mod faults;
mod house;
mod identities;
mod kills;
mod macs;
mod relay;
mod replica;
mod tenants;
