//! The SOPS file format: values, MAC, metadata, creation rules, stores.
//!
//! Start at [`document`]: load a plain document and encrypt it, or load an encrypted one and decrypt it with a
//! [`cipher::DataKey`]. Where the data key comes from is not known here: [`metadata`] holds the master keys as plain
//! data, and another crate unwraps them. [`rules`] reads `.sops.yaml`, [`shamir`] splits data keys for key groups.
//!
//! Nothing here reads files, the clock, the environment or the network.

pub mod cipher;
pub mod document;
pub mod error;
pub mod master_key;
pub mod metadata;
pub mod path;
pub mod re2;
pub mod rules;
pub mod select;
pub mod shamir;
pub mod store;
pub mod time;
pub mod tree;

mod layout;
mod mac;
mod number;
mod walk;
