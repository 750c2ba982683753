//! Master keys as plain data: what wraps a data key, and the wrapped form.
//!
//! Nothing here talks to a key service; the texts in which people name keys (ARNs, resource ids, URLs, fingerprints,
//! recipients) become values of [`MasterKey`].
//!
//! Follows: the `keysource.go` files of sops 3.13.2. Differs: an Azure key without version is kept without one, to be
//! looked up when it is first used.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::time::Time;

/// One master key and the data key (or share of it) it wraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKey {
    /// An age recipient.
    Age {
        /// `age1…` or an SSH public key.
        recipient: String,
        /// Armored age file.
        enc: String,
    },
    /// An OpenPGP key.
    Pgp {
        /// Fingerprint without blanks.
        fingerprint: String,
        /// When it wrapped the data key.
        created_at: Time,
        /// Armored OpenPGP message.
        enc: String,
    },
    /// A key of AWS KMS.
    Kms {
        /// The key's or alias' ARN.
        arn: String,
        /// ARN of a role to take on; empty for none.
        role: String,
        /// Encryption context.
        context: BTreeMap<String, String>,
        /// Named profile; empty for none.
        aws_profile: String,
        /// When it wrapped the data key.
        created_at: Time,
        /// Ciphertext blob, base64.
        enc: String,
    },
    /// A key of Google Cloud KMS.
    GcpKms {
        /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
        resource_id: String,
        /// When it wrapped the data key.
        created_at: Time,
        /// Ciphertext, base64.
        enc: String,
    },
    /// A key of Huawei Cloud KMS.
    HuaweiKms {
        /// `region:uuid`.
        key_id: String,
        /// When it wrapped the data key.
        created_at: Time,
        /// The service's text.
        enc: String,
    },
    /// A key of Azure Key Vault.
    AzureKv {
        /// `https://NAME.vault.azure.net`.
        vault_url: String,
        /// The key's name.
        name: String,
        /// The key's version; empty until it was looked up.
        version: String,
        /// When it wrapped the data key.
        created_at: Time,
        /// Ciphertext, base64url without padding.
        enc: String,
    },
    /// A transit key of HashiCorp Vault or OpenBao.
    Vault {
        /// `scheme://host[:port]`.
        vault_address: String,
        /// Mount path of the engine.
        engine_path: String,
        /// The key's name.
        key_name: String,
        /// When it wrapped the data key.
        created_at: Time,
        /// `vault:v1:…`.
        enc: String,
    },
}

impl MasterKey {
    /// Returns the name that metadata and `--decryption-order` use for the service.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Age { .. } => "age",
            Self::Pgp { .. } => "pgp",
            Self::Kms { .. } => "kms",
            Self::GcpKms { .. } => "gcp_kms",
            Self::HuaweiKms { .. } => "hckms",
            Self::AzureKv { .. } => "azure_kv",
            Self::Vault { .. } => "hc_vault",
        }
    }

    /// Returns what tells two keys of one service apart; reports and differences show it.
    #[must_use]
    pub fn identity_string(&self) -> String {
        match self {
            Self::Age { recipient, .. } => recipient.clone(),
            Self::Pgp { fingerprint, .. } => fingerprint.clone(),
            Self::Kms { arn, role, context, aws_profile, .. } => {
                let mut text = arn.clone();
                if !role.is_empty() {
                    text = format!("{text}+{role}");
                }
                let context: Vec<_> = context.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                match (aws_profile.as_str(), context.join(",")) {
                    ("", context) if context.is_empty() => text,
                    ("", context) => format!("{text}|{context}"),
                    (profile, context) => format!("{text}|{context}|{profile}"),
                }
            }
            Self::GcpKms { resource_id, .. } => resource_id.clone(),
            Self::HuaweiKms { key_id, .. } => key_id.clone(),
            Self::AzureKv { vault_url, name, version, .. } => format!("{vault_url}/keys/{name}/{version}"),
            Self::Vault { vault_address, engine_path, key_name, .. } => {
                format!("{}/v1/{engine_path}/keys/{key_name}", without_user(vault_address))
            }
        }
    }

    /// Names the key together with what it wraps, for who keeps opened data keys: SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [self.type_name(), &self.identity_string(), self.enc()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Returns the wrapped data key or share; empty before it was wrapped.
    #[must_use]
    pub fn enc(&self) -> &str {
        match self {
            Self::Age { enc, .. }
            | Self::Pgp { enc, .. }
            | Self::Kms { enc, .. }
            | Self::GcpKms { enc, .. }
            | Self::HuaweiKms { enc, .. }
            | Self::AzureKv { enc, .. }
            | Self::Vault { enc, .. } => enc,
        }
    }

    /// Stores a freshly wrapped data key or share and the time of wrapping.
    pub fn set_enc(&mut self, wrapped: String, now: Time) {
        match self {
            Self::Age { enc, .. } => *enc = wrapped,
            Self::Pgp { enc, created_at, .. }
            | Self::Kms { enc, created_at, .. }
            | Self::GcpKms { enc, created_at, .. }
            | Self::HuaweiKms { enc, created_at, .. }
            | Self::AzureKv { enc, created_at, .. }
            | Self::Vault { enc, created_at, .. } => {
                *enc = wrapped;
                *created_at = now;
            }
        }
    }

    /// Returns true when both are the same key of the same service.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.type_name() == other.type_name() && self.identity_string() == other.identity_string()
    }

    /// Reads a comma-separated list of age recipients; whether they are valid shows when they are used.
    #[must_use]
    pub fn age_list(text: &str) -> Vec<Self> {
        let key = |recipient: &str| Self::Age { recipient: recipient.trim().to_owned(), enc: String::new() };
        items(text).map(key).collect()
    }

    /// Reads a comma-separated list of OpenPGP fingerprints; blanks in them do not count.
    #[must_use]
    pub fn pgp_list(text: &str, now: Time) -> Vec<Self> {
        items(text)
            .map(|item| Self::Pgp { fingerprint: item.replace(' ', ""), created_at: now, enc: String::new() })
            .collect()
    }

    /// Reads a comma-separated list of AWS KMS ARNs, each with an optional `+ROLE_ARN`.
    #[must_use]
    pub fn kms_list(
        text: &str,
        context: &BTreeMap<String, String>,
        aws_profile: &str,
        now: Time,
    ) -> Vec<Self> {
        let key = |item: &str| {
            let item = item.replace(' ', "");
            let (arn, role) = match item.find("+arn:") {
                Some(at) if at > 0 => (item[..at].to_owned(), item[at + 1..].to_owned()),
                _ => (item, String::new()),
            };
            let (context, aws_profile) = (context.clone(), aws_profile.to_owned());
            Self::Kms { arn, role, context, aws_profile, created_at: now, enc: String::new() }
        };
        items(text).map(key).collect()
    }

    /// Reads a comma-separated list of Google Cloud KMS resource ids.
    #[must_use]
    pub fn gcp_kms_list(text: &str, now: Time) -> Vec<Self> {
        items(text)
            .map(|item| Self::GcpKms {
                resource_id: item.replace(' ', ""),
                created_at: now,
                enc: String::new(),
            })
            .collect()
    }

    /// Reads a comma-separated list of Huawei Cloud KMS key ids.
    ///
    /// # Errors
    /// [`Error::Rules`] for an item that is not `region:uuid`.
    pub fn huawei_list(text: &str, now: Time) -> Result<Vec<Self>, Error> {
        items(text)
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| {
                let whole = item
                    .split_once(':')
                    .is_some_and(|(region, uuid)| !region.trim().is_empty() && !uuid.trim().is_empty());
                if !whole {
                    let message =
                        format!("invalid key ID format: expected 'region:key-uuid', got \"{item}\"");
                    return Err(Error::Rules { message });
                }
                Ok(Self::HuaweiKms { key_id: item.to_owned(), created_at: now, enc: String::new() })
            })
            .collect()
    }

    /// Reads a comma-separated list of Azure Key Vault key URLs, the version optional.
    ///
    /// # Errors
    /// [`Error::Rules`] for an item that is no such URL.
    pub fn azure_list(text: &str, now: Time) -> Result<Vec<Self>, Error> {
        items(text).map(|item| azure(item.trim(), now)).collect()
    }

    /// Reads a comma-separated list of URLs of Vault transit keys.
    ///
    /// # Errors
    /// [`Error::Rules`] for an item without scheme, with a prefix before `/v1`, or without engine and key.
    pub fn vault_list(text: &str, now: Time) -> Result<Vec<Self>, Error> {
        items(text).filter(|item| !item.is_empty()).map(|item| vault(item.trim(), now)).collect()
    }
}

/// Items of a comma-separated list; the empty text has none.
/// Returns an address without the user and the password in front of its host, so that it may be told.
#[must_use]
pub fn without_user(address: &str) -> String {
    let start = address.find("://").map_or(0, |colon| colon + "://".len());
    let end = address.rfind('@').map_or(start, |at| start.max(at + 1));
    format!("{}{}", &address[..start], &address[end..])
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}

fn azure(url: &str, now: Time) -> Result<MasterKey, Error> {
    let parts = || {
        let host_end = "https://".len() + url.strip_prefix("https://")?.find('/')?;
        let rest = url[host_end..].strip_prefix("/keys/")?;
        let (name, version) = rest.split_once('/').unwrap_or((rest, ""));
        let whole = host_end > "https://".len() && !name.is_empty() && !version.contains('/');
        whole.then(|| (url[..host_end].to_owned(), name.to_owned(), version.to_owned()))
    };
    let Some((vault_url, name, version)) = parts() else {
        let message = format!("could not parse \"{url}\" into a valid Azure Key Vault MasterKey []");
        return Err(Error::Rules { message });
    };
    Ok(MasterKey::AzureKv { vault_url, name, version, created_at: now, enc: String::new() })
}

fn vault(url: &str, now: Time) -> Result<MasterKey, Error> {
    const SHAPE: &str = "https://vault.example.com:8200/v1/transit/keys/keyName";
    let refuse = |message| Err(Error::Rules { message });
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| !scheme.is_empty()) else {
        return refuse(format!("missing scheme in Vault URL (should be like this: +{SHAPE}), got: {url}"));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is_version = |step: &&str| {
        step.len() > 1 && step.starts_with('v') && step[1..].bytes().all(|b| b.is_ascii_digit())
    };
    match steps.iter().position(is_version) {
        Some(at) if steps.len() - at < 4 => {
            refuse(format!("vault path does not seem to be formatted correctly: (eg. {SHAPE})"))
        }
        Some(0) => {
            let (engine, key) = (&steps[1..steps.len() - 2], steps[steps.len() - 1]);
            Ok(MasterKey::Vault {
                vault_address: format!("{scheme}://{host}"),
                engine_path: engine.join("/"),
                key_name: key.to_owned(),
                created_at: now,
                enc: String::new(),
            })
        }
        Some(_) => refuse(format!(
            "running Vault with a prefixed URL is not supported! (Format has to be like {SHAPE})"
        )),
        None => refuse(format!("vault path does not seem to be formatted correctly: (eg. {SHAPE})")),
    }
}

#[cfg(test)]
mod tests {
    use super::MasterKey;
    use crate::time::Time;

    fn now() -> Time {
        Time::from(jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn kms_identity_holds_role_context_and_profile() {
        let context = [("k".to_owned(), "v".to_owned())].into();
        let keys = MasterKey::kms_list("arn:aws:kms:a:1:key/x+arn:aws:iam::1:role/r", &context, "p", now());
        let names: Vec<_> = keys.iter().map(MasterKey::identity_string).collect();
        assert_eq!(names, ["arn:aws:kms:a:1:key/x+arn:aws:iam::1:role/r|k:v|p"]);
    }

    #[test]
    fn urls_are_taken_apart() {
        let vault = MasterKey::vault_list("https://v:8200/v1/a/b/keys/k", now()).unwrap_or_default();
        assert_eq!(vault[0].identity_string(), "https://v:8200/v1/a/b/keys/k");
        assert!(MasterKey::vault_list("https://v/prefix/v1/transit/keys/k", now()).is_err());
        assert!(MasterKey::vault_list("https://v/v1/keys/k", now()).is_err());
        let azure = MasterKey::azure_list("https://v.vault.azure.net/keys/n/1,https://w/keys/m", now());
        let names: Vec<_> = azure.unwrap_or_default().iter().map(MasterKey::identity_string).collect();
        assert_eq!(names, ["https://v.vault.azure.net/keys/n/1", "https://w/keys/m/"]);
        assert!(MasterKey::azure_list("http://v/keys/n", now()).is_err());
    }
}
