//! A git reference to a verified, content-addressed archive.
//!
//! - [`git`] resolves a reference of a remote and fetches the commit; [`url`] is an address that hides its credentials.
//! - [`provider`] makes credentials of services that have their own ways.
//! - [`tree`] is what an archive is made from: a commit, a directory, or files in memory. [`ignore`] says what stays out,
//!   [`lookup`] finds one file of many.
//! - [`archive`] packs a tree into a `.tar.gz` and unpacks one into memory, bounded.
//! - [`storage`] keeps archives by content ([`digest`]), serves their paths, and collects old ones.
//! - [`verify`] checks signatures of commits and tags.
//! - [`version`] reads version ranges over tags.
//!
//! Everything here blocks; a caller with an event loop gives it a thread.

pub mod archive;
pub mod digest;
pub mod error;
pub mod git;
pub mod ignore;
pub mod lookup;
pub mod provider;
pub mod storage;
pub mod tree;
pub mod url;
pub mod verify;
pub mod version;
mod work_tree;
