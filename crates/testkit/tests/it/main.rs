//! Tests of the test kit itself, and of the recorded cases it walks.

mod git;
mod recordings;
