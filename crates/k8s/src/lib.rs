//! Kubernetes words as plain data: ids, objects, schema facts, Flux types.
//!
//! - [`id`] names kinds and objects; [`object`] reads and writes the common fields of a JSON object.
//! - [`schema`] knows the built-in kinds: scope, merge keys, columns, protobuf fields.
//! - [`flux`] holds Flux's kinds as Rust types and as CustomResourceDefinitions.
//! - [`expression`] is what CEL needs around it: bounds before and while it runs.
//! - [`condition`] and [`duration`] follow the conventions that all of these share.

pub mod condition;
pub mod duration;
pub mod error;
pub mod expression;
pub mod flux;
pub mod id;
pub mod object;
pub mod schema;
