//! The entries of a decryption Secret -> a keyring.
//!
//! Follows: the key import of kustomize-controller 1.9.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::object;
use sealfast_keys::azure_kv::Login;
use sealfast_keys::error::Error as KeysError;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{aws_kms, azure_kv, gcp_kms, vault};
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::identity::Clouds;
use crate::kustomization::lending::Service;
use crate::kustomization::report::{Failure, Reason};

/// Which entries of a Secret hold keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// Those of every kind.
    All,
    /// age identities alone.
    Age,
}

/// What helps who has not the right keys in a Secret.
pub fn advice(secret: &Value, entries: Entries) -> String {
    let id = format!("{}/{}", object::namespace(secret), object::name(secret));
    let names = secret["data"].as_object().into_iter().flatten().map(|(entry, _)| entry.as_str());
    let passed: Vec<String> = names.filter(|name| !is_key(name, entries)).map(|n| format!("`{n}`")).collect();
    let more = match &passed[..] {
        [] => String::new(),
        passed => format!(
            " (by their names these of its entries are no keys: {}; that of an age key ends in `.agekey`, that of an OpenPGP key in `.asc`)",
            passed.join(", ")
        ),
    };
    format!("add a private key or credentials for it to the Secret `{id}`{more}")
}

fn is_key(entry: &str, entries: Entries) -> bool {
    entry.ends_with(".agekey")
        || entries == Entries::All
            && (entry.ends_with(".asc")
                || matches!(entry, "sops.vault-token" | "sops.aws-kms" | "sops.azure-kv" | "sops.gcp-kms"))
}

/// Reads the keys of a decryption Secret. Entries with other names mean nothing to us.
///
/// # Errors
/// The first entry that cannot be read.
pub fn keyring(
    secret: &Value,
    entries: Entries,
    clouds: &Clouds,
) -> Result<(Keyring, BTreeSet<Service>), Failure> {
    let mut keyring = empty(clouds);
    let mut given = BTreeSet::new();
    let id = format!("{}/{}", object::namespace(secret), object::name(secret));
    for (entry, value) in secret["data"].as_object().into_iter().flatten() {
        let Ok(bytes) = STANDARD.decode(value.as_str().unwrap_or_default()).map(Zeroizing::new) else {
            continue;
        };
        if entries == Entries::Age && !entry.ends_with(".agekey") {
            continue;
        }
        let (with, service) = with_entry(keyring, entry, bytes.as_slice(), clouds).map_err(|error| {
            let why = match &error {
                KeysError::Identity { reason, .. } => format!("failed to parse and add to age identities: {reason}"),
                other => other.with_causes(),
            };
            Failure::new(Reason::BuildFailed, format!("failed to import '{entry}' data from sops decryption Secret '{id}': {why}"))
                .hint(format!("the entry `{entry}` of Secret `{id}` is not a usable private key; an age key is the text of a file from `sealfast keys generate age`"))
        })?;
        keyring = with;
        given.extend(service);
    }
    if !keyring.has_age_identities() {
        keyring.note_age_place(format!("Secret {id}"));
    }
    Ok((keyring, given))
}

/// A keyring without keys.
pub fn empty(clouds: &Clouds) -> Keyring {
    Keyring::empty().with_network(clouds.network.clone())
}

/// The keyring with one more entry of a Secret.
fn with_entry(
    mut keyring: Keyring,
    entry: &str,
    bytes: &[u8],
    clouds: &Clouds,
) -> Result<(Keyring, Option<Service>), KeysError> {
    if entry.ends_with(".asc") {
        keyring.add_pgp_armored(bytes)?;
        return Ok((keyring, None));
    }
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    if entry.ends_with(".agekey") {
        keyring.add_age_identities(&text)?;
        return Ok((keyring, None));
    }
    Ok(match entry {
        "sops.vault-token" => {
            let token = Some(SecretString::from(text.trim()));
            let access = vault::Access { token, ..clouds.vault.clone() };
            (keyring.with_vault(access), Some(Service::Vault))
        }
        "sops.aws-kms" => {
            let access = aws(bytes, clouds)?;
            (keyring.with_aws_kms(access), Some(Service::Aws))
        }
        "sops.azure-kv" => {
            let access = azure(bytes, clouds)?;
            (keyring.with_azure_kv(access), Some(Service::Azure))
        }
        "sops.gcp-kms" => {
            let access = google(bytes, clouds)?;
            (keyring.with_gcp_kms(access), Some(Service::Google))
        }
        _ => (keyring, None),
    })
}

/// Who asks AWS.
fn aws(bytes: &[u8], clouds: &Clouds) -> Result<aws_kms::Access, KeysError> {
    let keys = aws_kms::Keys::from_fields(&fields("AWS KMS", bytes)?)?;
    Ok(aws_kms::Access {
        credentials: aws_kms::Credentials::Keys(keys),
        endpoint: clouds.aws_kms.clone(),
        ..aws_kms::Access::default()
    })
}

/// Who asks Google.
fn google(bytes: &[u8], clouds: &Clouds) -> Result<gcp_kms::Access, KeysError> {
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|_| KeysError::Credentials {
        service: "GCP KMS",
        reason: "the entry is not JSON".to_owned(),
    })?;
    let text = String::from_utf8_lossy(bytes).into_owned();
    Ok(gcp_kms::Access {
        credentials: gcp_kms::Credentials::ServiceAccount(SecretString::from(text)),
        endpoint: clouds.google_kms.clone(),
        ..gcp_kms::Access::default()
    })
}

/// Who asks Azure. Where no identity of Azure is our own, the machine is not asked for one of its: whoever may write a Secret
/// would act as any of them.
fn azure(bytes: &[u8], clouds: &Clouds) -> Result<azure_kv::Access, KeysError> {
    let mut access = azure_kv::Access::from_fields(&fields("Azure Key Vault", bytes)?)?;
    let is_machine = |login: &&mut Login| matches!(login, Login::ManagedIdentity { .. });
    for login in access.logins.iter_mut().filter(is_machine).filter(|_| clouds.own.azure.is_none()) {
        *login = Login::Refused("the identities of the machine are not to be used by this controller");
    }
    Ok(access)
}

/// The fields of credentials that are written as YAML or JSON, in UTF-8 or in UTF-16 with its mark.
fn fields(service: &'static str, bytes: &[u8]) -> Result<Value, KeysError> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        Zeroizing::new(String::from_utf16_lossy(&units))
    };
    let text = match bytes {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        _ => Zeroizing::new(String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_owned()),
    };
    // The parser's own words could show a part of the text.
    sealfast_yaml::json::from_yaml(text.as_bytes()).map_err(|_| KeysError::Credentials {
        service,
        reason: "the entry is neither YAML nor JSON".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::own::{Azure, Own};
    use serde_json::json;

    fn read(entry: &str, content: &[u8]) -> Result<Keyring, Failure> {
        let secret = json!({"metadata": {"namespace": "ns", "name": "keys"}, "data": {entry: STANDARD.encode(content)}});
        keyring(&secret, Entries::All, &Clouds::default()).map(|(keyring, _)| keyring)
    }

    #[test]
    fn credentials_of_clouds_are_read_in_the_forms_that_flux_reads() {
        assert!(read("sops.aws-kms", b"aws_access_key_id: a\naws_secret_access_key: b\n").is_ok());
        assert!(read("sops.gcp-kms", b"{\"type\": \"service_account\"}").is_ok());
        let azure = "{\"tenantId\": \"t\", \"clientId\": \"c\", \"clientSecret\": \"s\"}";
        assert!(read("sops.azure-kv", azure.as_bytes()).is_ok());
        let wide: Vec<u8> =
            [0xFEFF].into_iter().chain(azure.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert!(read("sops.azure-kv", &wide).is_ok());
        assert!(read("other", b"anything").is_ok());
    }

    #[test]
    fn a_secret_names_no_identity_of_a_machine_that_is_not_ours_to_use() {
        let login = |own| {
            let clouds = Clouds { own, ..Clouds::default() };
            azure(b"{\"clientId\": \"c\"}", &clouds).map(|access| format!("{access:?}"))
        };
        let ours = Own { azure: Some(Azure::Machine { client: None }), ..Own::default() };
        assert!(login(Own::default()).is_ok_and(|shown| shown.contains("refused")));
        assert!(login(ours).is_ok_and(|shown| shown.contains("managed identity")));
    }

    #[test]
    fn entries_that_are_no_keys_by_their_names_are_told() {
        let secret =
            json!({"metadata": {"namespace": "ns", "name": "keys"}, "data": {"age.key": "", "a.agekey": ""}});
        let advice = advice(&secret, Entries::All);
        assert!(advice.contains("`ns/keys`") && advice.contains("are no keys: `age.key`;"), "{advice}");
    }

    #[test]
    fn one_bad_entry_is_named_without_its_content() {
        for (entry, content) in [
            ("sops.aws-kms", "aws_access_key_id: hunter2"),
            ("sops.azure-kv", "{hunter2"),
            ("sops.gcp-kms", "{\"hunter2\""),
            ("k.agekey", "hunter2"),
        ] {
            let failure =
                read(entry, content.as_bytes()).err().map(|failure| failure.message).unwrap_or_default();
            let start = format!("failed to import '{entry}' data from sops decryption Secret 'ns/keys': ");
            assert!(failure.starts_with(&start) && !failure.contains("hunter2"), "{failure}");
            let told = format!("{start}failed to parse and add to age identities: unknown identity type");
            assert!(entry != "k.agekey" || failure == told, "{failure}");
        }
    }
}
