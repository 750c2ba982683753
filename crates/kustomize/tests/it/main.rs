//! Tests of the build engine beyond the recorded cases.

#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod files;
mod finer_points;
mod flux;
mod laws;
mod nodes;
mod odd_input;
mod patches;
mod references;
mod refusals;
mod replacements;
mod small_directory;
mod substitution;
