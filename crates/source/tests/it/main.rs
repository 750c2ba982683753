//! Tests of the source crate through its front doors.

mod archive;
mod corpus;
mod curt;
mod deploy_key;
mod faults;
mod git;
mod github;
mod proxies;
mod ssh;
mod storage;
mod verify;
