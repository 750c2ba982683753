//! A small in-process Kubernetes API server, on loopback only.
//!
//! [`server::start`] is the front door. A request goes through `server/listen.rs` (TLS, limits, login), `http.rs`
//! (path, query, accepted types), `auth.rs` (may the user?), then to `request.rs` and one module per verb below it;
//! `call.rs` is what they share. Writes pass `objects.rs` (decode, patch, check) and `admit.rs` (what the server decides
//! for single kinds) on their way into `storage.rs`, and `follow_ups.rs` does what a write leads to at once. `gc.rs`
//! follows the store's change log to do what nobody asks for: collect dependents, empty namespaces, mark workloads
//! ready. `kinds.rs` knows what is served; `discovery.rs`, `openapi.rs` and `table.rs` show it.
//!
//! From below, and never back (a test of the house reads it from the imports): words, texts and refusals
//! (`grammar.rs`, `fields.rs`, `status_error.rs`, `keys.rs`); the wire, the store and the rules of schemas (`http.rs`,
//! `storage.rs`, `validate.rs`); what is known of kinds (`shape.rs` and `kinds.rs`, on them `checks.rs`, `owners.rs` and
//! `select.rs`); `auth.rs`; `app.rs`, which holds all of these together and knows nothing of requests. On it stand
//! `definitions.rs`, `namespaces.rs`, `follow_ups.rs` and `deletion.rs` on one side, `call.rs`, `admit.rs` and
//! `objects.rs` on the other, `workloads.rs` on both; above them `request.rs` and `gc.rs`, and `server.rs` on all.

mod addresses;
mod admit;
mod app;
mod auth;
mod autoscaler;
mod body;
mod bootstrap;
mod call;
mod causes;
mod certificates;
mod checks;
mod clock;
mod conditions;
mod convert;
mod crds;
mod defaults;
mod definitions;
mod deletion;
mod discovery;
mod doubled;
pub mod engine;
pub mod error;
mod escapes;
mod expiry;
mod fields;
mod follow_ups;
mod gates;
mod gathered;
mod gc;
mod go_text;
mod grammar;
mod http;
mod json_fault;
mod keys;
mod kin;
mod kinds;
mod managed_fields;
mod metrics;
mod namespaces;
mod objects;
mod openapi;
mod options;
mod owners;
mod patch;
mod path;
mod protobuf;
mod quality;
mod quantity;
mod request;
mod room;
mod seats;
mod select;
pub mod server;
mod shape;
mod show;
mod status_error;
mod storage;
mod table;
mod typed;
mod user;
mod validate;
mod workloads;

pub use grammar::{label_value, qualified as label_key};
