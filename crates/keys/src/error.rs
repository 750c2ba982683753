//! What can go wrong with one master key or one identity.

/// A service whose keys have names of a shape of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudService {
    /// AWS KMS, by ARN.
    Aws,
    /// Google Cloud KMS, by resource id.
    Google,
    /// Huawei Cloud KMS, by region and id.
    Huawei,
}

/// An error of one key service or one identity.
///
/// No message contains key material; identities that do not parse are named by their line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a recipient of any known kind.
    #[error("failed to parse input, unknown recipient type: {recipient:?}")]
    UnknownRecipient {
        /// The text.
        recipient: String,
    },
    /// The text is what opens, where what is encrypted to belongs. It is not repeated.
    #[error("failed to parse input, a secret key stands where a recipient belongs")]
    IdentityForRecipient,
    /// The text starts as a recipient of this kind, but is none.
    #[error("failed to parse input as {kind}: {reason}")]
    Recipient {
        /// What it looks like, in the words of the reference.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of an identity file is no identity.
    #[error("line {line} is no age identity: {reason}")]
    Identity {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The SSH private key cannot be read.
    #[error("malformed SSH identity: {reason}")]
    SshIdentity {
        /// What is wrong with it.
        reason: String,
    },
    /// The identity is protected by a passphrase that was not given or is wrong.
    #[error("{what} is protected by a passphrase, and {reason}")]
    Passphrase {
        /// Which identity.
        what: String,
        /// Whether the passphrase is missing or wrong.
        reason: &'static str,
    },
    /// There is no age identity to try.
    #[error("failed to load age identities{notes}")]
    NoAgeIdentity {
        /// Where was looked and what went wrong there, as the caller told the keyring.
        notes: String,
    },
    /// No identity opens the age file that holds the data key.
    #[error("failed to create reader for decrypting sops data key with age: {reason}{notes}")]
    Age {
        /// Why.
        reason: String,
        /// Where was looked and what went wrong there, as the caller told the keyring.
        notes: String,
    },
    /// The content of the age file that holds the data key is damaged.
    #[error("failed to copy age decrypted data into bytes.Buffer: {reason}")]
    AgeContent {
        /// What is wrong with it.
        reason: String,
    },
    /// The data key could not be encrypted to an age recipient.
    #[error("failed to encrypt sops data key with age: {reason}")]
    AgeWrap {
        /// Why.
        reason: String,
    },
    /// The bytes are no OpenPGP keys.
    #[error("no OpenPGP keys: {reason}")]
    PgpKeys {
        /// Why.
        reason: String,
    },
    /// The OpenPGP key cannot be used for encryption.
    #[error("the OpenPGP key {fingerprint} {reason}")]
    PgpKey {
        /// Its fingerprint.
        fingerprint: String,
        /// `can only sign`, `expired on …`, `is revoked`.
        reason: String,
    },
    /// The wrapped data key is no OpenPGP message, or not for a key at hand.
    #[error("could not decrypt data key with PGP key: {reason}")]
    PgpOpen {
        /// Why, from each way that was tried.
        reason: String,
    },
    /// The data key could not be encrypted to an OpenPGP key.
    #[error("could not encrypt data key with PGP key: {reason}")]
    PgpWrap {
        /// Why, from each way that was tried.
        reason: String,
    },
    /// An OpenPGP key could not be made.
    #[error("no OpenPGP key could be made: {reason}")]
    PgpGenerate {
        /// Why.
        reason: String,
    },
    /// The list of allowed Vault addresses has an empty entry.
    #[error("entry {index} of the list of allowed Vault addresses is empty")]
    VaultAllowList {
        /// The entry, from 1.
        index: usize,
    },
    /// The address of a Vault is not allowed.
    #[error("Allowlist does not allow {address}")]
    VaultAddress {
        /// The address.
        address: String,
    },
    /// A part of the name of a Vault key would lead elsewhere.
    #[error("the {part} of the Vault key, {text:?}, {reason}")]
    VaultKey {
        /// `address`, `engine path` or `key name`.
        part: &'static str,
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Vault was not reached or refused.
    #[error("{}: {reason}", vault_words(.action, .engine, .key))]
    Vault {
        /// `encrypt` or `decrypt`.
        action: &'static str,
        /// The path of the engine.
        engine: String,
        /// The name of the key.
        key: String,
        /// What it answered.
        reason: String,
    },
    /// The name of a cloud key has not the shape that its service asks for.
    #[error("{}", key_id_words(*.service, .text))]
    KeyId {
        /// The service.
        service: CloudService,
        /// What was given.
        text: String,
    },
    /// There are no credentials for a cloud key service, or none of them was taken.
    #[error("no credentials for {service}: {reason}")]
    Credentials {
        /// The service as people name it.
        service: &'static str,
        /// Where was looked and what happened there.
        reason: String,
    },
    /// A cloud key service was not reached or refused.
    #[error("failed to {action} sops data key with {service}: {reason}")]
    Cloud {
        /// `encrypt`, `decrypt` or `find`.
        action: &'static str,
        /// The service, and for some the key, as people name them.
        service: String,
        /// What it answered.
        reason: String,
    },
    /// The certificates that were given for the way to a service cannot be used.
    #[error("no service can be reached: {reason}")]
    Network {
        /// Why.
        reason: String,
    },
    /// The address of a remote key service is none.
    #[error("`{address}` is no address of a key service: {reason}")]
    ServiceAddress {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A remote key service was not reached or refused.
    #[error("key service {address}: {reason}")]
    Service {
        /// Its address.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// The keyring neither uses keys in this process nor knows a remote key service.
    #[error("keys are not used in this process, and no key service is given")]
    NoService,
    /// Key services of this type are not part of this build.
    #[error("keys of type {service} are not supported by this build")]
    Unsupported {
        /// The type as metadata name it.
        service: &'static str,
    },
    /// The recovered shares do not make a data key.
    #[error("the recovered parts do not make a data key")]
    Combine(#[source] sealfast_sops::error::Error),
    /// The data key could not be split.
    #[error("could not split data key into parts for Shamir")]
    Split(#[source] sealfast_sops::error::Error),
}

/// In the words of the reference.
fn vault_words(action: &str, engine: &str, key: &str) -> String {
    let side = if action == "encrypt" { "to" } else { "from" };
    format!("failed to {action} sops data key {side} Vault transit backend '{engine}/{action}/{key}'")
}

/// In the words of the reference, which has others for each service.
fn key_id_words(service: CloudService, text: &str) -> String {
    match service {
        CloudService::Aws => format!("no valid ARN found in '{text}'"),
        CloudService::Google => {
            format!("cannot create GCP KMS service: no valid resource ID found in {text:?}")
        }
        CloudService::Huawei => format!("no valid key ID found in {text:?}"),
    }
}

impl Error {
    /// Returns the message followed by those of its causes.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
