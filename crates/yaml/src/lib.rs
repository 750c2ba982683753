//! Lossless YAML: bytes <-> a tree with comments, styles, positions.
//!
//! - [`parse::documents`] reads a stream into [`node::Node`] trees.
//! - [`emit::documents`] writes trees as the library of `sops` and `kustomize` writes them.
//! - [`json`] goes to and from JSON values, by the rules of Kubernetes' own YAML reader and printer.
//! - [`decode`] gives plain values: aliases expanded, merge keys applied.
//! - [`scalar::resolve`] says what a plain scalar means.

mod chars;
pub mod decode;
pub mod emit;
pub mod error;
pub mod json;
pub mod node;
pub mod parse;
mod read;
pub mod scalar;
mod scan;
pub mod trace;
