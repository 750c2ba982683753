//! Regular expressions in the syntax of Go, as people write them for the tools.
//!
//! [`compile`] is the front door; [`compile_bytes`] is the same for bytes, [`compile_sized`] tells how much room it takes,
//! and [`check`] only judges.

mod class;
mod translate;

pub use regex::Regex;
pub use translate::{check, compile, compile_bytes, compile_sized};
