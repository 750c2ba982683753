//! Time zones for `chrono`: what CEL calls of the crate `chrono-tz`.
//!
//! It stands in for that crate (`[patch.crates-io]` in the workspace), whose tables are a megabyte of pointers: in a
//! position-independent program each of them is written anew at every start, whether anybody asks for a time zone or not. Here a
//! zone is parsed from its TZif bytes (RFC 8536) when it is named.

mod zone;

pub use zone::{ParseError, Tz, TzOffset, UTC};
