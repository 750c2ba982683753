//! Credentials for key services, from the places where people keep them.
//!
//! AWS and Google have an SDK that looks by itself; what `sops` adds to it, and everything of Azure, Huawei and Vault, is
//! read here.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealfast_keys::azure_kv::Login;
use sealfast_keys::error::Error;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::vault::{Allowed, Tls, Verify};
use sealfast_keys::{aws_kms, azure_kv, gcp_kms, huawei_kms, vault};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::env;
use crate::sops::{files, settings};

/// No certificate of an application with its chain and its key is larger.
const MOST_CERTIFICATE: u64 = 1 << 20;

/// Adds what opens and wraps keys of every service.
pub(super) fn add(keyring: Keyring) -> Keyring {
    keyring
        .with_vault(vault::Access { token: vault_token(), ..vault_way() })
        .with_aws_kms(aws_kms::Access {
            credentials: aws_kms::Credentials::Chain,
            endpoint: None,
            host: host(),
        })
        .with_gcp_kms(gcp())
        .with_azure_kv(azure())
        .with_huawei_kms(huawei())
}

/// How every Vault is reached; without a token.
pub(crate) fn vault_way() -> vault::Access {
    let usual = vault::Access::default();
    let read = |path: PathBuf| std::fs::read(path).ok();
    let identity = || {
        let [certificate, key] =
            [env::VAULT_CLIENT_CERT, env::VAULT_CLIENT_KEY].map(|file| secret_file(&file.path()?));
        Some(SecretString::from(format!("{}\n{}", *certificate?, *key?)))
    };
    let verify = match env::VAULT_SKIP_VERIFY.text().as_deref() {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Verify::Nothing,
        _ => Verify::Certificate,
    };
    vault::Access {
        namespace: env::VAULT_NAMESPACE.text(),
        // A list that does not read allows nothing.
        allowed: vault_allowed(None).unwrap_or(Allowed::Prefixes(Vec::new())),
        retries: number(env::VAULT_MAX_RETRIES)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(usual.retries),
        timeout: number(env::VAULT_CLIENT_TIMEOUT).map_or(usual.timeout, Duration::from_secs),
        tls: Tls { roots: env::VAULT_CACERT.path().and_then(read), identity: identity(), verify },
        ..usual
    }
}

/// Which Vaults may be asked: as given, or as the environment says.
pub(crate) fn vault_allowed(given: Option<&str>) -> Result<Allowed, Error> {
    match given {
        Some(list) => Allowed::parse(list),
        None => Allowed::parse(&env::SOPS_HC_VAULT_ALLOWLIST.text().unwrap_or_default()),
    }
}

/// A whole number; of seconds, an `s` may stand behind it.
fn number(variable: env::Variable) -> Option<u64> {
    variable.text()?.trim_end_matches('s').parse().ok()
}

/// The token that Vault is asked with: of the environment, else of the last login.
pub(crate) fn vault_token() -> Option<SecretString> {
    if let Some(token) = env::VAULT_TOKEN.text() {
        return Some(SecretString::from(token));
    }
    let text = secret_file(&env::HOME.path()?.join(".vault-token"))?;
    Some(SecretString::from(text.trim()))
}

fn gcp() -> gcp_kms::Access {
    let endpoint = env::SOPS_GCP_KMS_ENDPOINT.text();
    let is_emulator = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let given = env::GOOGLE_CREDENTIALS.text().map(Zeroizing::new).map(|given| {
        let text = secret_file(Path::new(given.as_str())).unwrap_or(given);
        gcp_kms::Credentials::Json(SecretString::from(text.as_str()))
    });
    let token = || {
        let token = env::GOOGLE_OAUTH_ACCESS_TOKEN.text()?;
        Some(gcp_kms::Credentials::Token(SecretString::from(token)))
    };
    let other = if is_emulator { gcp_kms::Credentials::None } else { gcp_kms::Credentials::Chain };
    gcp_kms::Access {
        credentials: given.or_else(token).unwrap_or(other),
        endpoint,
        universe_domain: env::SOPS_GCP_KMS_UNIVERSE_DOMAIN.text(),
    }
}

/// The logins of the SDK's default chain, in its order.
fn azure() -> azure_kv::Access {
    let (tenant, client) = (env::AZURE_TENANT_ID.text(), env::AZURE_CLIENT_ID.text());
    let mut logins = Vec::new();
    if let (Some(tenant), Some(client)) = (&tenant, &client) {
        let (tenant, client) = (tenant.clone(), client.clone());
        if let Some(secret) = env::AZURE_CLIENT_SECRET.text() {
            let secret = SecretString::from(secret);
            logins.push(Login::ClientSecret { tenant: tenant.clone(), client: client.clone(), secret });
        } else if let Some(path) = env::AZURE_CLIENT_CERTIFICATE_PATH.path() {
            logins.push(azure_certificate(tenant.clone(), client.clone(), &path));
        }
        if let Some(token_file) = env::AZURE_FEDERATED_TOKEN_FILE.path() {
            logins.push(Login::WorkloadIdentity { tenant, client, token_file });
        }
    }
    logins.push(Login::ManagedIdentity { client });
    logins.push(Login::AzureCli { tenant });
    azure_kv::Access { logins, authority: env::AZURE_AUTHORITY_HOST.text() }
}

/// Why a file cannot be read goes along, so that the report names this login, too.
fn azure_certificate(tenant: String, client: String, path: &Path) -> Login {
    let sends = env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN.text();
    let chain = match sends.as_deref() {
        Some("1" | "true" | "TRUE" | "True") => azure_kv::Chain::Sent,
        _ => azure_kv::Chain::Thumbprint,
    };
    Login::ClientCertificate {
        tenant,
        client,
        file: certificate_file(path).map_err(|reason| format!("open {}: {reason}", path.display())),
        password: env::AZURE_CLIENT_CERTIFICATE_PASSWORD.text().map(SecretString::from),
        chain,
    }
}

fn certificate_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut content = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(MOST_CERTIFICATE + 1).read_to_end(&mut content));
    match read.map_err(|wrong| files::reason(&wrong))? {
        size if size as u64 > MOST_CERTIFICATE => Err("it is larger than 1 MiB".to_owned()),
        _ => Ok(content),
    }
}

fn huawei() -> huawei_kms::Access {
    let given = env::HUAWEICLOUD_SDK_AK.text().zip(env::HUAWEICLOUD_SDK_SK.text());
    let of_variables = given.map(|(access_key, secret_key)| huawei_kms::Keys {
        access_key,
        secret_key: SecretString::from(secret_key),
        security_token: env::HUAWEICLOUD_SDK_SECURITY_TOKEN.text().map(SecretString::from),
    });
    let profile = huawei_profile();
    let field = |name: &str| {
        let line = |line: &str| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        profile.as_ref()?.lines().find_map(line)
    };
    let of_profile = || {
        Some(huawei_kms::Keys {
            access_key: field("ak")?,
            secret_key: SecretString::from(field("sk")?),
            security_token: field("security_token").map(SecretString::from),
        })
    };
    let keys = of_variables.or_else(of_profile);
    huawei_kms::Access {
        credentials: keys.map_or(huawei_kms::Credentials::Machine, huawei_kms::Credentials::Keys),
        project: env::HUAWEICLOUD_SDK_PROJECT_ID.text().or_else(|| field("project_id")),
        endpoints: None,
        clock: Some(settings::now),
    }
}

/// The `[basic]` section of the file that the cloud's own tools read.
fn huawei_profile() -> Option<Zeroizing<String>> {
    let usual = || Some(env::HOME.path()?.join(".huaweicloud/credentials"));
    let text = secret_file(&env::HUAWEICLOUD_SDK_CREDENTIALS_FILE.path().or_else(usual)?)?;
    let section = text.split_once("[basic]")?.1;
    Some(Zeroizing::new(section.split("\n[").next().unwrap_or_default().to_owned()))
}

fn secret_file(path: &Path) -> Option<Zeroizing<String>> {
    std::fs::read_to_string(path).ok().map(Zeroizing::new)
}

/// The name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}
