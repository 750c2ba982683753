//! Tests of the build engine beyond the recorded cases.

#![expect(clippy::unwrap_used, reason = "tests")]

mod files;
mod flux;
mod laws;
mod substitution;
