//! Azure Key Vault: RSA-OAEP-256 under a key of a vault or a managed HSM, with the credentials of the official SDK.
//!
//! A key without a version is looked up when it wraps; the version it had then is part of the metadata.
//!
//! Follows: `azkv/keysource.go` of sops 3.13.2. Differs: a key without a version is looked up when it is used, not when it
//! is read.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

#[cfg(feature = "azure")]
mod call;

#[cfg(feature = "azure")]
pub(crate) use call::Clients;

/// What is needed to ask Azure Key Vault.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who asks, in the order in which they are tried; the next one is tried when one gets no token.
    pub logins: Vec<Login>,
    /// Where tokens are asked for instead of `https://login.microsoftonline.com`.
    pub authority: Option<String>,
}

/// A way to get tokens from Microsoft Entra.
#[derive(Clone)]
#[non_exhaustive]
pub enum Login {
    /// An application with its secret.
    ClientSecret {
        /// The directory.
        tenant: String,
        /// The application.
        client: String,
        /// Its secret.
        secret: SecretString,
    },
    /// A Kubernetes service account that an application trusts.
    WorkloadIdentity {
        /// The directory.
        tenant: String,
        /// The application.
        client: String,
        /// The file in which Kubernetes keeps the token of the service account.
        token_file: PathBuf,
    },
    /// The identity of the machine, or one of its user-assigned ones.
    ManagedIdentity {
        /// The client id of a user-assigned identity.
        client: Option<String>,
    },
    /// Whoever is logged in with the `az` program.
    AzureCli {
        /// The directory, when it is not the default one.
        tenant: Option<String>,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Login {
    /// As people name it.
    fn words(&self) -> &'static str {
        match self {
            Self::ClientSecret { .. } => "client secret",
            Self::WorkloadIdentity { .. } => "workload identity",
            Self::ManagedIdentity { .. } => "managed identity",
            Self::AzureCli { .. } => "Azure CLI",
        }
    }
}

/// A key as a document names it.
#[cfg_attr(not(feature = "azure"), expect(dead_code, reason = "only read where Azure is part of the build"))]
pub(crate) struct Key<'a> {
    pub(crate) vault: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

/// A wrapped data key, and the version of the key that wrapped it.
pub(crate) struct Wrapped {
    pub(crate) enc: String,
    pub(crate) version: String,
}
