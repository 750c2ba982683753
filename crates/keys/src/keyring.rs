//! The identities at hand, as the caller gives them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use crate::age::{self, Identities};
use crate::error::Error;
use crate::http::Network;
use crate::pgp::{self, GpgProgram, Ring};
use crate::run::Run;
use crate::service::Service;
use crate::{aws_kms, azure_kv, gcp_kms, huawei_kms, vault};

/// Identities and credentials that open master keys; it cannot be printed and is wiped on drop.
///
/// Its clones share what was opened, so that a data key is asked for once however many documents have it. The network is
/// used from the runtime in which a question is asked first: keep to one.
#[derive(Clone, Default)]
pub struct Keyring {
    pub(crate) age: Identities,
    pub(crate) pgp: Ring,
    pub(crate) gpg: Option<GpgProgram>,
    pub(crate) vault: vault::Access,
    pub(crate) aws: aws_kms::Access,
    pub(crate) gcp: gcp_kms::Access,
    pub(crate) azure: azure_kv::Access,
    pub(crate) huawei: huawei_kms::Access,
    pub(crate) network: Network,
    pub(crate) services: Vec<Service>,
    pub(crate) own: Own,
    pub(crate) run: Arc<Run>,
}

/// Whether keys are used in this process, or by remote key services alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Own {
    /// In this process first, then by the key services.
    #[default]
    Used,
    /// By key services alone.
    Unused,
}

impl Keyring {
    /// Returns a keyring without anything in it: it wraps for age recipients and opens nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds the identities of a text: one or more a line, `#` begins a comment line.
    ///
    /// # Errors
    /// [`Error::Identity`] with the number of the first line that is none; nothing is added then.
    pub fn add_age_identities(&mut self, text: &str) -> Result<(), Error> {
        self.age.add(text)
    }

    /// Adds the identities of a file that is itself encrypted with age under a passphrase, armored or not.
    /// [`age::is_encrypted`] tells such a file.
    ///
    /// # Errors
    /// [`Error::Passphrase`] when the passphrase is wrong, [`Error::Identity`] when its content is no identity file.
    pub fn add_encrypted_age_identities(
        &mut self,
        file: &[u8],
        passphrase: SecretString,
    ) -> Result<(), Error> {
        let text = age::open_identity_file(file, passphrase)?;
        self.age.add(&text)
    }

    /// Adds an SSH private key (ed25519 or RSA) as an age identity; the passphrase is for an encrypted one.
    ///
    /// # Errors
    /// [`Error::SshIdentity`] when it is no key of these kinds, [`Error::Passphrase`] when the passphrase is missing or
    /// wrong.
    pub fn add_ssh_identity(&mut self, pem: &[u8], passphrase: Option<SecretString>) -> Result<(), Error> {
        self.age.add_ssh(pem, passphrase)
    }

    /// Notes a place in which identities were looked for and not found; reports for people name it.
    pub fn note_age_place(&mut self, place: impl Into<String>) {
        self.age.note_place(place.into());
    }

    /// Notes what went wrong while identities were gathered; reports for people show it.
    pub fn note_age_problem(&mut self, problem: impl Into<String>) {
        self.age.note_problem(problem.into());
    }

    /// Allows `age-plugin-NAME` programs on the search path for identities and recipients that need them; their questions go
    /// to `prompts`, or to [`age::Nobody`].
    #[must_use]
    pub fn with_age_plugins(mut self, prompts: Arc<dyn age::Prompts>) -> Self {
        self.age.allow_plugins(prompts);
        self
    }

    /// Adds the OpenPGP keys of a file, public and secret, armored (several blocks too) or binary.
    ///
    /// # Errors
    /// [`Error::PgpKeys`] when there is none or one cannot be read; nothing is added then.
    pub fn add_pgp_armored(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.pgp.add(bytes.as_ref())
    }

    /// Asks for the passphrases of OpenPGP secret keys held here that are locked.
    #[must_use]
    pub fn with_pgp_passphrases(mut self, passphrases: Arc<dyn pgp::Passphrases>) -> Self {
        self.pgp.ask(passphrases);
        self
    }

    /// Uses the person's own keyring through the `gpg` program, after the keys held here.
    #[must_use]
    pub fn with_gpg(mut self, program: GpgProgram) -> Self {
        self.gpg = Some(program);
        self
    }

    /// Names a keyring of old GnuPG versions that is not there, as `sops` looks for one first and says so in failures.
    pub fn note_missing_pgp_ring(&mut self, path: PathBuf) {
        self.pgp.note_missing(path);
    }

    /// Uses a token for every Vault; white space around it is dropped.
    #[must_use]
    pub fn with_vault_token(mut self, token: &SecretString) -> Self {
        self.vault.set_token(token);
        self.begin_again()
    }

    /// Uses these settings for every Vault.
    #[must_use]
    pub fn with_vault(mut self, access: vault::Access) -> Self {
        self.vault = access;
        self.begin_again()
    }

    /// Uses these settings for keys of AWS KMS.
    #[must_use]
    pub fn with_aws_kms(mut self, access: aws_kms::Access) -> Self {
        self.aws = access;
        self.begin_again()
    }

    /// Uses these settings for keys of Google Cloud KMS.
    #[must_use]
    pub fn with_gcp_kms(mut self, access: gcp_kms::Access) -> Self {
        self.gcp = access;
        self.begin_again()
    }

    /// Uses these settings for keys of Azure Key Vault.
    #[must_use]
    pub fn with_azure_kv(mut self, access: azure_kv::Access) -> Self {
        self.azure = access;
        self.begin_again()
    }

    /// Uses these settings for keys of Huawei Cloud KMS.
    #[must_use]
    pub fn with_huawei_kms(mut self, access: huawei_kms::Access) -> Self {
        self.huawei = access;
        self.begin_again()
    }

    /// Reaches Vault, Google, Azure and Huawei in this way.
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        self.network = network;
        self.begin_again()
    }

    /// Asks remote key services, in this order, for what this process cannot do; with [`Own::Unused`] they do everything.
    #[must_use]
    pub fn with_services(mut self, services: Vec<Service>, own: Own) -> Self {
        self.services = services;
        self.own = own;
        self
    }

    /// Clients that were made for other settings are not used again.
    fn begin_again(mut self) -> Self {
        self.run = Arc::default();
        self
    }

    /// Tells whether there is any age identity.
    #[must_use]
    pub fn has_age_identities(&self) -> bool {
        !self.age.is_empty()
    }

    /// Returns the recipients of the X25519 identities, for telling a person which keys are at hand.
    #[must_use]
    pub fn age_recipients(&self) -> Vec<String> {
        self.age.recipients()
    }

    /// Returns the fingerprints of the OpenPGP secret keys held here, in capitals.
    #[must_use]
    pub fn pgp_fingerprints(&self) -> Vec<String> {
        self.pgp.secret_fingerprints()
    }

    /// Returns the fingerprints of those OpenPGP secret keys held here that decrypt nothing without a passphrase, or at all.
    #[must_use]
    pub fn locked_pgp_fingerprints(&self) -> Vec<String> {
        self.pgp.locked_fingerprints()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(hidden)")
    }
}
