//! Google Cloud KMS: two calls of its REST interface.
//!
//! Credentials are those of the official SDK.
//!
//! Follows: `gcpkms/keysource.go` of sops 3.13.2. Differs: REST alone, no gRPC; an endpoint that begins with `http://` is
//! an emulator and is asked without credentials unless some were given.

use std::fmt;

use secrecy::SecretString;

use crate::error::{CloudService, Error};

#[cfg(feature = "gcp")]
mod call;
#[cfg(feature = "gcp")]
mod token;

#[cfg(feature = "gcp")]
pub(crate) use call::{unwrap, wrap};
#[cfg(feature = "gcp")]
pub(crate) use token::Tokens;

/// As people name the service.
#[cfg(feature = "gcp")]
const SERVICE: &str = "GCP KMS";

/// What is needed to ask Google Cloud KMS.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who asks.
    pub credentials: Credentials,
    /// Another endpoint than Google's own: a URL, or `host:port` for HTTPS.
    pub endpoint: Option<String>,
    /// Another universe than `googleapis.com`.
    pub universe_domain: Option<String>,
}

/// Who asks Google Cloud KMS.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody: only an emulator is asked.
    #[default]
    None,
    /// A service account by the JSON of its key. JSON of other kinds, which may name files, programs and addresses, is
    /// refused: this is for credentials that come from somebody else.
    ServiceAccount(SecretString),
    /// Whatever the JSON of a credentials file says: service account, authorized user, external account (workload
    /// identity federation), impersonation.
    Json(SecretString),
    /// An access token.
    Token(SecretString),
    /// Whoever the SDK's application default credentials find: `GOOGLE_APPLICATION_CREDENTIALS`, the file that `gcloud`
    /// writes, the metadata server.
    Chain,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::ServiceAccount(_) => "ServiceAccount(hidden)",
            Self::Json(_) => "Json(hidden)",
            Self::Token(_) => "Token(hidden)",
            Self::Chain => "Chain",
        })
    }
}

/// Checks that a text is the resource id of a key.
///
/// # Errors
/// [`Error::KeyId`] when it is not `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
pub fn check_resource_id(text: &str) -> Result<(), Error> {
    let steps: Vec<&str> = text.split('/').collect();
    let names = ["projects", "locations", "keyRings", "cryptoKeys"];
    let is_name = |name: &str| !name.is_empty() && !name.chars().any(|char| "?#%\\ ".contains(char));
    let is_id = steps.len() == 2 * names.len()
        && steps
            .chunks(2)
            .zip(names)
            .all(|(step, name)| step[0] == name && is_name(step[1]) && step[1] != "..");
    is_id.then_some(()).ok_or_else(|| Error::KeyId { service: CloudService::Google, text: text.to_owned() })
}

impl Access {
    /// The URL in front of `/v1`.
    #[cfg_attr(not(feature = "gcp"), expect(dead_code, reason = "only read where GCP is part of the build"))]
    fn base(&self) -> String {
        let domain = self.universe_domain.as_deref().unwrap_or("googleapis.com");
        match self.endpoint.as_deref().map(|endpoint| endpoint.trim_end_matches('/')) {
            None => format!("https://cloudkms.{domain}"),
            Some(url) if url.contains("://") => url.to_owned(),
            Some(host) => format!("https://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, check_resource_id};

    #[test]
    fn resource_ids_have_eight_steps() {
        assert!(check_resource_id("projects/p/locations/global/keyRings/r/cryptoKeys/k").is_ok());
        for wrong in [
            "",
            "projects/p/locations/global/keyRings/r/cryptoKeys/",
            "projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "projects/p/locations/../keyRings/r/cryptoKeys/k",
            "projects/p/locations/global/keyRings/r/cryptoKeys/k?x",
            "/projects/p/locations/global/keyRings/r/cryptoKeys/k",
        ] {
            assert!(check_resource_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn endpoints_are_hosts_or_urls() {
        let base = |endpoint: Option<&str>, domain: Option<&str>| {
            let owned = |text: &str| text.to_owned();
            let (endpoint, universe_domain) = (endpoint.map(owned), domain.map(owned));
            Access { endpoint, universe_domain, ..Access::default() }.base()
        };
        assert_eq!(base(None, None), "https://cloudkms.googleapis.com");
        assert_eq!(base(None, Some("u.example")), "https://cloudkms.u.example");
        assert_eq!(base(Some("kms.example:443"), None), "https://kms.example:443");
        assert_eq!(base(Some("http://127.0.0.1:1/"), None), "http://127.0.0.1:1");
    }
}
