//! A small in-process Kubernetes API server, on loopback only.
//!
//! [`server::start`] is the front door. A request goes through `server/listen.rs` (TLS, limits, login), `http.rs`
//! (path, query, accepted types), `auth.rs` (may the user?), then to `request.rs` and one module per verb below it.
//! Writes pass `objects.rs` (decode, default, check, managed fields) and `admit.rs` (what the server decides for
//! single kinds) on their way into `storage.rs`; `watch.rs` replays the store's change log, and `gc.rs` follows it
//! to do what nobody asks for: collect dependents, empty namespaces, mark workloads ready.
//! `kinds.rs` knows what is served; `discovery.rs`, `openapi.rs` and `table.rs` show it.

mod addresses;
mod admit;
mod auth;
mod body;
mod bootstrap;
mod causes;
mod certificates;
mod checks;
mod clock;
mod conditions;
mod convert;
mod crds;
mod defaults;
mod discovery;
mod doubled;
pub mod engine;
pub mod error;
mod expiry;
mod fields;
mod gates;
mod gathered;
mod gc;
mod go_text;
mod http;
mod json_fault;
mod kinds;
mod managed_fields;
mod namespaces;
mod objects;
mod openapi;
mod patch;
mod protobuf;
mod quantity;
mod request;
mod reviews;
mod select;
pub mod server;
mod status_error;
mod storage;
mod table;
mod typed;
mod validate;
mod watch;
mod workloads;

pub use checks::{label_key, label_value};
