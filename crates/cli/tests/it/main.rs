//! The whole trip, driven as a person drives it.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod guide;
mod keys;
mod kill;
mod person;
mod sops;
