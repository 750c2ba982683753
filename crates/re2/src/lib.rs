//! Regular expressions in the syntax of Go, as people write them for the tools.
//!
//! [`compile`] is the front door; [`compile_bytes`] is the same for bytes.

mod class;
mod translate;

pub use translate::{compile, compile_bytes};
