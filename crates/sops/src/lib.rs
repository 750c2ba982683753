//! The SOPS file format: values, MAC, metadata, creation rules, stores.
//!
//! Start at [`document`]: load a plain document and encrypt it, or load an encrypted one and decrypt it with a
//! [`cipher::DataKey`]. Where the data key comes from is not known here: [`metadata`] holds the master keys as plain
//! data, and another crate unwraps them. [`rules`] reads `.sops.yaml`, [`shamir`] splits data keys for key groups.
//!
//! Setting one value of an encrypted file changes the line of that value and the metadata:
//!
//! ```
//! # use sealfast_sops::cipher::DataKey;
//! # use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
//! # use sealfast_sops::error::Error;
//! # use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
//! # use sealfast_sops::store::{EmitOptions, Format};
//! # use sealfast_sops::{path, time::Time};
//! fn set(file: &[u8], key: &DataKey, now: Time) -> Result<Vec<u8>, Error> {
//!     let (document, original) = Encrypted::read(file, Format::Yaml)?;
//!     let metadata = document.metadata().clone();
//!     let (mut opened, nonces) = document.decrypt_to_change(key, MacCheck::Verify)?;
//!     opened.plain.set(&path::parse(r#"["password"]"#)?, "hunter3".into())?;
//!     let mut rng = rand08::thread_rng();
//!     let context = Context { now, rng: &mut rng, reuse: Some(&nonces) };
//!     let document = opened.plain.encrypt(metadata, key, context)?;
//!     document.update(&original, key, &mut rng, &EmitOptions::default())
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let now = Time::parse("2026-01-02T03:04:05Z")?;
//! # let mut rng = rand08::thread_rng();
//! # let key = DataKey::generate(&mut rng);
//! # let groups = vec![KeyGroup { keys: MasterKey::age_list("age1example") }];
//! # let text = b"user: admin # a person\npassword: hunter2\n";
//! # let context = Context { now, rng: &mut rng, reuse: None };
//! # let (plain, original) = Plain::read(text, Format::Yaml)?;
//! # let document = plain.encrypt(Metadata::new(groups, now), &key, context)?;
//! # let file = document.seal(&original, None, &key, &mut rng, &EmitOptions::default())?;
//! let changed = set(&file, &key, now)?;
//! let lines = |file: &[u8]| -> Vec<String> { String::from_utf8_lossy(file).lines().map(str::to_owned).collect() };
//! assert_eq!(lines(&file)[0], lines(&changed)[0]);
//! assert_ne!(lines(&file)[1], lines(&changed)[1]);
//!
//! let recipients: Vec<String> =
//!     Encrypted::load(&changed, Format::Yaml)?.metadata().master_keys().map(MasterKey::identity_string).collect();
//! assert_eq!(recipients, ["age1example"]);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here reads files, the clock, the environment or the network.

pub mod cipher;
pub mod document;
pub mod error;
pub mod master_key;
pub mod metadata;
pub mod path;
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
