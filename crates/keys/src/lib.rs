//! Master keys: wrap and unwrap the data key of a SOPS document.
//!
//! Put the identities and credentials at hand into a [`keyring::Keyring`], then let [`unlock::data_key`] recover the data
//! key of a document's metadata, or [`wrap::data_key`] wrap one for every master key it names:
//!
//! ```
//! # use sealfast_sops::{cipher::DataKey, master_key::MasterKey, metadata::{KeyGroup, Metadata}, time::Time};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use sealfast_keys::{age, keyring::Keyring, unlock, wrap};
//! use secrecy::ExposeSecret as _;
//!
//! let identity = age::generate();
//! let now = Time::parse("2026-01-02T03:04:05Z")?;
//! let group = KeyGroup { keys: MasterKey::age_list(identity.recipient()) };
//! let mut metadata = Metadata::new(vec![group], now);
//! let key = DataKey::generate(&mut rand08::rngs::OsRng);
//! wrap::data_key(&mut metadata, &key, &Keyring::empty(), now, &mut rand08::rngs::OsRng).await?;
//!
//! // Who is a file for?
//! let recipients: Vec<String> = metadata.master_keys().map(MasterKey::identity_string).collect();
//! assert_eq!(recipients, [identity.recipient()]);
//!
//! let mut keyring = Keyring::empty();
//! keyring.add_age_identities(identity.secret().expose_secret())?;
//! let found = unlock::data_key(&metadata, &keyring, &unlock::Options::default()).await?;
//! assert_eq!(found.expose(), key.expose());
//! # Ok(())
//! # }
//! ```
//!
//! Credentials of cloud services are given, as a controller does with those of a Secret, or left to the chain of the
//! service's SDK, as a command line does with those of a person:
//!
//! ```
//! use sealfast_keys::{aws_kms, keyring::Keyring, vault};
//! use secrecy::SecretString;
//!
//! let keys = aws_kms::Keys {
//!     access_key_id: "AKIAEXAMPLE".to_owned(),
//!     secret_access_key: SecretString::from("secret"),
//!     session_token: None,
//! };
//! let given = Keyring::empty()
//!     .with_aws_kms(aws_kms::Access { credentials: aws_kms::Credentials::Keys(keys), ..Default::default() })
//!     .with_vault_token(&SecretString::from("s.token"));
//! let found = Keyring::empty()
//!     .with_aws_kms(aws_kms::Access { credentials: aws_kms::Credentials::Chain, ..Default::default() });
//! assert_eq!(format!("{given:?} {found:?}"), "Keyring(hidden) Keyring(hidden)");
//! ```
//!
//! [`service`] has both sides of the remote key service.
//!
//! Nothing here reads the environment, the home directory or the clock, unless the keyring leaves it to an SDK with
//! `Credentials::Chain`: callers pass what they found. The network is used only for key services that a document names, a
//! program only when the keyring was given one. Calls go out side by side, a bounded number at a time; what was opened is
//! kept, wiped in the end, and not asked for again.
//!
//! The SDKs of AWS, Azure and Google Cloud stand behind the features `aws`, `azure` and `gcp`, which are on by default.
//! Without them keys of these services are refused with [`error::Error::Unsupported`].

pub mod age;
pub mod aws_kms;
pub mod azure_kv;
pub mod error;
#[doc(hidden)]
pub mod foreign;
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
