//! Tests of the source crate through its front doors.

mod archive;
mod git;
mod storage;
