//! Azure Key Vault: RSA-OAEP-256 under a key of a vault or a managed HSM.
//!
//! A key without a version is looked up when it wraps; the version it had then is part of the metadata.
//!
//! Follows: `azkv/keysource.go` of sops 3.13.2. Differs: a key without a version is looked up when it is used, not when it
//! is read.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::Error;

#[cfg(feature = "azure")]
mod call;
#[cfg(feature = "azure")]
mod certificate;
#[cfg(feature = "azure")]
mod pkcs12;

#[cfg(feature = "azure")]
pub(crate) use call::Clients;

/// As people name the service.
const SERVICE: &str = "Azure Key Vault";

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
    /// An application with its certificate.
    ClientCertificate {
        /// The directory.
        tenant: String,
        /// The application.
        client: String,
        /// The certificate and its RSA key, PEM; others of its chain may follow. Or why it cannot be read.
        file: Result<Zeroizing<Vec<u8>>, String>,
        /// What opens the private key, when it is encrypted (PKCS#8).
        password: Option<SecretString>,
        /// Whether the certificates go along.
        chain: Chain,
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
    /// A token that somebody got already. It is shown to one vault, and only when that asks for its scope.
    Token {
        /// The vault, as documents name it.
        vault: String,
        /// What the token is for.
        scope: String,
        /// The token.
        token: SecretString,
    },
    /// A login that may not be used, and why.
    Refused(&'static str),
}

/// Whether an application shows its certificates, or their thumbprint alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chain {
    /// The thumbprint, of a certificate that the directory knows.
    #[default]
    Thumbprint,
    /// All certificates, for directories that know issuer and subject.
    Sent,
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
            Self::ClientCertificate { .. } => "client certificate",
            Self::WorkloadIdentity { .. } => "workload identity",
            Self::ManagedIdentity { .. } => "managed identity",
            Self::AzureCli { .. } => "Azure CLI",
            Self::Token { .. } => "token",
            Self::Refused(_) => "refused",
        }
    }
}

impl Access {
    /// Reads the fields that Flux's Secrets have, in the forms of the Azure SDK (`tenantId`, `clientId`, and `clientSecret` or
    /// `clientCertificate` with `clientCertificatePassword` and `clientCertificateSendChain`) and of the `az` program
    /// (`tenant`, `appId`, `password`); `clientId` alone is a managed identity. `authorityHost` is the login host.
    ///
    /// # Errors
    /// [`Error::Credentials`] when the fields are none of these forms.
    pub fn from_fields(fields: &Value) -> Result<Self, Error> {
        let text = |name: &str| {
            fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let secret = |[tenant, client, secret]: [&str; 3]| {
            let (tenant, client, secret) = (text(tenant)?, text(client)?, SecretString::from(text(secret)?));
            Some(Login::ClientSecret { tenant, client, secret })
        };
        let certificate = || {
            let sends = fields.get("clientCertificateSendChain");
            Some(Login::ClientCertificate {
                tenant: text("tenantId")?,
                client: text("clientId")?,
                file: Ok(Zeroizing::new(text("clientCertificate")?.into_bytes())),
                password: text("clientCertificatePassword").map(SecretString::from),
                chain: if sends.and_then(Value::as_bool) == Some(true) {
                    Chain::Sent
                } else {
                    Chain::Thumbprint
                },
            })
        };
        let machine = || Some(Login::ManagedIdentity { client: Some(text("clientId")?) });
        let login = secret(["tenantId", "clientId", "clientSecret"])
            .or_else(certificate)
            .or_else(|| secret(["tenant", "appId", "password"]))
            .or_else(machine)
            .ok_or_else(|| Error::Credentials {
                service: SERVICE,
                reason: "there is neither a secret of an application nor a `clientId`".to_owned(),
            })?;
        Ok(Self { logins: vec![login], authority: text("authorityHost") })
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
#[cfg(feature = "azure")]
pub(crate) struct Wrapped {
    pub(crate) enc: String,
    pub(crate) version: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Access, Chain, Login};

    #[test]
    fn fields_of_every_form_are_read() {
        let read = |fields| Access::from_fields(&fields).map(|access| access.logins);
        let sdk = json!({ "tenantId": "t", "clientId": "c", "clientSecret": "s", "tenant": "x" });
        let az = json!({ "tenant": "t", "appId": "c", "password": "s", "displayName": "d" });
        for fields in [sdk, az] {
            let logins = read(fields).unwrap_or_default();
            let is_right = |login: &Login| matches!(login, Login::ClientSecret { tenant, client, .. } if tenant == "t" && client == "c");
            assert!(logins.len() == 1 && logins.iter().all(is_right), "{logins:?}");
        }
        let machine = read(json!({ "clientId": "c" })).unwrap_or_default();
        assert!(
            matches!(machine.as_slice(), [Login::ManagedIdentity { client: Some(client) }] if client == "c")
        );
        let mut fields = json!({ "tenantId": "t", "clientId": "c", "clientCertificate": "-----BEGIN" });
        for chain in [Chain::Thumbprint, Chain::Sent] {
            fields["clientCertificateSendChain"] = (chain == Chain::Sent).into();
            let logins = read(fields.clone()).unwrap_or_default();
            let is_right = |login: &Login| matches!(login, Login::ClientCertificate { chain: found, password: None, .. } if *found == chain);
            assert!(logins.iter().all(is_right) && logins.len() == 1, "{logins:?}");
        }
        for fields in [json!({ "tenantId": "t" }), json!([]), json!(null)] {
            assert!(read(fields.clone()).is_err(), "{fields}");
        }
        let host = Access::from_fields(&json!({ "clientId": "c", "authorityHost": "https://login.example" }));
        assert!(host.is_ok_and(|access| access.authority.as_deref() == Some("https://login.example")));
    }
}
