//! The identities at hand, as the caller gives them.

use std::fmt;

use secrecy::SecretString;

use crate::age::{self, Identities};
use crate::error::Error;
use crate::pgp::{GpgProgram, Ring};
use crate::vault;

/// Identities and credentials that open master keys; it cannot be printed and is wiped on drop.
#[derive(Clone, Default)]
pub struct Keyring {
    pub(crate) age: Identities,
    pub(crate) pgp: Ring,
    pub(crate) gpg: Option<GpgProgram>,
    pub(crate) vault: vault::Access,
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

    /// Allows `age-plugin-NAME` programs on the search path for identities and recipients that need them.
    #[must_use]
    pub fn with_age_plugins(mut self) -> Self {
        self.age.allow_plugins();
        self
    }

    /// Adds the OpenPGP keys of a file, public and secret, armored (several blocks too) or binary.
    ///
    /// # Errors
    /// [`Error::PgpKeys`] when there is none or one cannot be read; nothing is added then.
    pub fn add_pgp_armored(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.pgp.add(bytes.as_ref())
    }

    /// Uses the person's own keyring through the `gpg` program, after the keys held here.
    #[must_use]
    pub fn with_gpg(mut self, program: GpgProgram) -> Self {
        self.gpg = Some(program);
        self
    }

    /// Uses a token for every Vault; white space around it is dropped.
    #[must_use]
    pub fn with_vault_token(mut self, token: &SecretString) -> Self {
        self.vault.set_token(token);
        self
    }

    /// Uses these settings for every Vault.
    #[must_use]
    pub fn with_vault(mut self, access: vault::Access) -> Self {
        self.vault = access;
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
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(hidden)")
    }
}
