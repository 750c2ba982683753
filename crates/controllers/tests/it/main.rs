//! The controllers against an embedded server: faults, tenants, elections, MACs.

#![expect(clippy::unwrap_used, reason = "tests")]

mod builds;
mod clocks;
mod clusters;
mod conditions;
mod election;
mod faults;
mod git_faults;
mod halves;
mod hearing;
mod house;
mod identities;
mod inventories;
mod kills;
mod macs;
mod originals;
mod providers;
mod relay;
mod remotes;
mod replica;
mod shapes;
mod sources;
mod substituting;
mod switches;
mod telling;
mod tenants;
mod tunnel;
