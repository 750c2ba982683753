//! Master keys: wrap and unwrap the data key of a SOPS document.
//!
//! Put the identities at hand into a [`keyring::Keyring`], then let [`unlock::data_key`] recover the data key of a
//! document's metadata, or [`wrap::data_key`] wrap one for every master key it names:
//!
//! ```
//! # async fn example(metadata: &sealfast_sops::metadata::Metadata, text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use sealfast_keys::{keyring::Keyring, unlock};
//!
//! let mut keyring = Keyring::empty();
//! keyring.add_age_identities(text)?;
//! let data_key = unlock::data_key(metadata, &keyring, &unlock::Options::default()).await?;
//! # drop(data_key);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here reads the environment, the home directory or the clock: callers pass what they found. The network is
//! used only for key services that a document names, a program only when the keyring was given one.

pub mod age;
pub mod aws_kms;
pub mod azure_kv;
pub mod error;
pub mod gcp_kms;
pub mod http;
pub mod huawei_kms;
pub mod keyring;
pub mod pgp;
pub mod service;
pub mod unlock;
pub mod vault;
pub mod wrap;

mod cache;
mod local;
mod place;
mod report;
mod run;
