//! The whole trip, driven as a person drives it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod advice;
mod agent;
mod as_sops;
mod careful;
mod cloud;
mod codes;
mod completion;
mod flux_cluster;
mod flux_faults;
mod flux_kinds;
mod flux_open;
mod flux_secrets;
mod flux_views;
mod full_disk;
mod guide;
mod keys;
mod kill;
mod kill_between;
mod kustomize;
mod large;
mod lease;
mod local;
mod local_limits;
mod local_secrets;
mod many;
mod nearest;
mod person;
mod plugin;
mod remote;
mod render;
mod render_landing;
mod render_source;
mod rules_told;
mod run;
mod sops;
mod stage;
mod together;
mod up;
mod up_state;
mod words;
