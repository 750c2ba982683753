//! The one place that reads environment variables.
//!
//! A variable is named here once, with what it is for; the rest of the program asks these names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// An environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable(&'static str);

impl Variable {
    /// Returns the variable's name.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    /// Returns its value when it is set, not empty, and UTF-8.
    pub(crate) fn text(self) -> Option<String> {
        self.os().and_then(|value| value.into_string().ok())
    }

    /// Returns its value as a path when it is set and not empty.
    pub(crate) fn path(self) -> Option<PathBuf> {
        self.os().map(PathBuf::from)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn os(self) -> Option<OsString> {
        std::env::var_os(self.0).filter(|value| !value.is_empty())
    }
}

/// Returns the value of a variable that an env file names without a value.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn named(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns all variables whose names and values are UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn all() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The person's home directory.
pub(crate) const HOME: Variable = Variable("HOME");
/// Kubeconfig files, separated by colons.
pub(crate) const KUBECONFIG: Variable = Variable("KUBECONFIG");
/// Where configuration lies instead of `~/.config`.
pub(crate) const XDG_CONFIG_HOME: Variable = Variable("XDG_CONFIG_HOME");

/// age identities themselves.
pub(crate) const SOPS_AGE_KEY: Variable = Variable("SOPS_AGE_KEY");
/// A file of age identities.
pub(crate) const SOPS_AGE_KEY_FILE: Variable = Variable("SOPS_AGE_KEY_FILE");
/// A command that prints age identities.
pub(crate) const SOPS_AGE_KEY_CMD: Variable = Variable("SOPS_AGE_KEY_CMD");
/// A file with an SSH private key.
pub(crate) const SOPS_AGE_SSH_PRIVATE_KEY_FILE: Variable = Variable("SOPS_AGE_SSH_PRIVATE_KEY_FILE");
/// A command that prints an SSH private key.
pub(crate) const SOPS_AGE_SSH_PRIVATE_KEY_CMD: Variable = Variable("SOPS_AGE_SSH_PRIVATE_KEY_CMD");
/// The `gpg` program.
pub(crate) const SOPS_GPG_EXEC: Variable = Variable("SOPS_GPG_EXEC");
/// GnuPG's directory.
pub(crate) const GNUPGHOME: Variable = Variable("GNUPGHOME");
/// The terminal that the agent of GnuPG asks at.
pub(crate) const GPG_TTY: Variable = Variable("GPG_TTY");
/// Its kind.
pub(crate) const TERM: Variable = Variable("TERM");
/// The screen that the agent of GnuPG asks at.
pub(crate) const DISPLAY: Variable = Variable("DISPLAY");
/// The recipient at hand, for programs that print identities.
pub(crate) const SOPS_AGE_RECIPIENT: Variable = Variable("SOPS_AGE_RECIPIENT");
/// Vault addresses that may be asked.
pub(crate) const SOPS_HC_VAULT_ALLOWLIST: Variable = Variable("SOPS_HC_VAULT_ALLOWLIST");
/// Namespace in Vault.
pub(crate) const VAULT_NAMESPACE: Variable = Variable("VAULT_NAMESPACE");
/// Token for Vault.
pub(crate) const VAULT_TOKEN: Variable = Variable("VAULT_TOKEN");
/// A file of certificates to trust on the way to Vault.
pub(crate) const VAULT_CACERT: Variable = Variable("VAULT_CACERT");
/// A file with a certificate to show to Vault.
pub(crate) const VAULT_CLIENT_CERT: Variable = Variable("VAULT_CLIENT_CERT");
/// A file with the private key of that certificate.
pub(crate) const VAULT_CLIENT_KEY: Variable = Variable("VAULT_CLIENT_KEY");
/// Whether Vault need not show who it is.
pub(crate) const VAULT_SKIP_VERIFY: Variable = Variable("VAULT_SKIP_VERIFY");
/// How often a request to Vault is sent again.
pub(crate) const VAULT_MAX_RETRIES: Variable = Variable("VAULT_MAX_RETRIES");
/// How many seconds Vault has for an answer.
pub(crate) const VAULT_CLIENT_TIMEOUT: Variable = Variable("VAULT_CLIENT_TIMEOUT");

/// Credentials for Google Cloud, as JSON or as the name of a file with it.
pub(crate) const GOOGLE_CREDENTIALS: Variable = Variable("GOOGLE_CREDENTIALS");
/// An access token for Google Cloud.
pub(crate) const GOOGLE_OAUTH_ACCESS_TOKEN: Variable = Variable("GOOGLE_OAUTH_ACCESS_TOKEN");
/// Another endpoint of Google Cloud KMS.
pub(crate) const SOPS_GCP_KMS_ENDPOINT: Variable = Variable("SOPS_GCP_KMS_ENDPOINT");
/// Another universe of Google Cloud.
pub(crate) const SOPS_GCP_KMS_UNIVERSE_DOMAIN: Variable = Variable("SOPS_GCP_KMS_UNIVERSE_DOMAIN");

/// Directory in Microsoft Entra.
pub(crate) const AZURE_TENANT_ID: Variable = Variable("AZURE_TENANT_ID");
/// Application, or user-assigned identity of the machine, in Microsoft Entra.
pub(crate) const AZURE_CLIENT_ID: Variable = Variable("AZURE_CLIENT_ID");
/// Secret of the application.
pub(crate) const AZURE_CLIENT_SECRET: Variable = Variable("AZURE_CLIENT_SECRET");
/// The certificate of an application, with its private key.
pub(crate) const AZURE_CLIENT_CERTIFICATE_PATH: Variable = Variable("AZURE_CLIENT_CERTIFICATE_PATH");
/// What opens that private key.
pub(crate) const AZURE_CLIENT_CERTIFICATE_PASSWORD: Variable = Variable("AZURE_CLIENT_CERTIFICATE_PASSWORD");
/// Whether the certificates go along.
pub(crate) const AZURE_CLIENT_SEND_CERTIFICATE_CHAIN: Variable =
    Variable("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");
/// A file with the token of a Kubernetes service account that the application trusts.
pub(crate) const AZURE_FEDERATED_TOKEN_FILE: Variable = Variable("AZURE_FEDERATED_TOKEN_FILE");
/// Another login host than that of the public cloud.
pub(crate) const AZURE_AUTHORITY_HOST: Variable = Variable("AZURE_AUTHORITY_HOST");

/// Access key for Huawei Cloud.
pub(crate) const HUAWEICLOUD_SDK_AK: Variable = Variable("HUAWEICLOUD_SDK_AK");
/// Secret of the access key.
pub(crate) const HUAWEICLOUD_SDK_SK: Variable = Variable("HUAWEICLOUD_SDK_SK");
/// Token of a temporary access key.
pub(crate) const HUAWEICLOUD_SDK_SECURITY_TOKEN: Variable = Variable("HUAWEICLOUD_SDK_SECURITY_TOKEN");
/// Project in Huawei Cloud.
pub(crate) const HUAWEICLOUD_SDK_PROJECT_ID: Variable = Variable("HUAWEICLOUD_SDK_PROJECT_ID");
/// A file with an access key for Huawei Cloud.
pub(crate) const HUAWEICLOUD_SDK_CREDENTIALS_FILE: Variable = Variable("HUAWEICLOUD_SDK_CREDENTIALS_FILE");

/// Address of Vault where a destination rule names none.
pub(crate) const VAULT_ADDR: Variable = Variable("VAULT_ADDR");
/// Another store that speaks like S3.
pub(crate) const AWS_ENDPOINT_URL_S3: Variable = Variable("AWS_ENDPOINT_URL_S3");
/// Another endpoint for all services of AWS.
pub(crate) const AWS_ENDPOINT_URL: Variable = Variable("AWS_ENDPOINT_URL");
/// A stand-in for Google Cloud Storage.
pub(crate) const STORAGE_EMULATOR_HOST: Variable = Variable("STORAGE_EMULATOR_HOST");

// Recipients of new files, in the order of the flags.

/// AWS KMS ARNs of new files.
pub(crate) const SOPS_KMS_ARN: Variable = Variable("SOPS_KMS_ARN");
/// Google Cloud KMS resource ids of new files.
pub(crate) const SOPS_GCP_KMS_IDS: Variable = Variable("SOPS_GCP_KMS_IDS");
/// Huawei Cloud KMS key ids of new files.
pub(crate) const SOPS_HUAWEICLOUD_KMS_IDS: Variable = Variable("SOPS_HUAWEICLOUD_KMS_IDS");
/// Azure Key Vault URLs of new files.
pub(crate) const SOPS_AZURE_KEYVAULT_URLS: Variable = Variable("SOPS_AZURE_KEYVAULT_URLS");
/// Vault transit URLs of new files.
pub(crate) const SOPS_VAULT_URIS: Variable = Variable("SOPS_VAULT_URIS");
/// OpenPGP fingerprints of new files.
pub(crate) const SOPS_PGP_FP: Variable = Variable("SOPS_PGP_FP");
/// age recipients of new files.
pub(crate) const SOPS_AGE_RECIPIENTS: Variable = Variable("SOPS_AGE_RECIPIENTS");
/// The configuration file, instead of a search.
pub(crate) const SOPS_CONFIG: Variable = Variable("SOPS_CONFIG");
/// Key types in the order in which they are tried.
pub(crate) const SOPS_DECRYPTION_ORDER: Variable = Variable("SOPS_DECRYPTION_ORDER");
/// Accepted; this program never asks for newer versions.
pub(crate) const SOPS_DISABLE_VERSION_CHECK: Variable = Variable("SOPS_DISABLE_VERSION_CHECK");
/// Whether keys are used in this process.
pub(crate) const SOPS_ENABLE_LOCAL_KEYSERVICE: Variable = Variable("SOPS_ENABLE_LOCAL_KEYSERVICE");
/// Key services to ask.
pub(crate) const SOPS_KEYSERVICE: Variable = Variable("SOPS_KEYSERVICE");
/// The editor of `edit`, before `EDITOR`.
pub(crate) const SOPS_EDITOR: Variable = Variable("SOPS_EDITOR");
/// The person's editor.
pub(crate) const EDITOR: Variable = Variable("EDITOR");
/// Directories with programs.
pub(crate) const PATH: Variable = Variable("PATH");

/// Whether `kustomize build` labels every object with the tool's name: `on`.
pub(crate) const KUSTOMIZE_ENABLE_MANAGEDBY_LABEL: Variable = Variable("KUSTOMIZE_ENABLE_MANAGEDBY_LABEL");

/// Namespace of Flux's objects when no flag names one.
pub(crate) const FLUX_SYSTEM_NAMESPACE: Variable = Variable("FLUX_SYSTEM_NAMESPACE");
/// Any value: the namespace is that of the kubeconfig's context.
pub(crate) const FLUX_NS_FOLLOWS_KUBE_CONTEXT: Variable = Variable("FLUX_NS_FOLLOWS_KUBE_CONTEXT");

/// Address of the metrics of `run`.
pub(crate) const METRICS_ADDR: Variable = Variable("METRICS_ADDR");
/// Where `run` forwards events to.
pub(crate) const EVENTS_ADDR: Variable = Variable("EVENTS_ADDR");
/// Where `run` keeps artifacts.
pub(crate) const STORAGE_PATH: Variable = Variable("STORAGE_PATH");
/// Where `run` serves artifacts.
pub(crate) const STORAGE_ADDRESS: Variable = Variable("STORAGE_ADDRESS");
/// Under which host others find the artifacts of `run`.
pub(crate) const STORAGE_ADV_ADDR: Variable = Variable("STORAGE_ADV_ADDR");
/// Set in every pod: where its API server is.
pub(crate) const KUBERNETES_SERVICE_HOST: Variable = Variable("KUBERNETES_SERVICE_HOST");
/// The role that AWS binds to the pod's service account.
pub(crate) const AWS_ROLE_ARN: Variable = Variable("AWS_ROLE_ARN");
/// A file with the service account's token for that role.
pub(crate) const AWS_WEB_IDENTITY_TOKEN_FILE: Variable = Variable("AWS_WEB_IDENTITY_TOKEN_FILE");
/// The agent of EKS that gives pods credentials.
pub(crate) const AWS_CONTAINER_CREDENTIALS_FULL_URI: Variable =
    Variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
/// A file with the service account's token for that agent.
pub(crate) const AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: Variable =
    Variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
/// Another endpoint of STS.
pub(crate) const AWS_ENDPOINT_URL_STS: Variable = Variable("AWS_ENDPOINT_URL_STS");
/// Another endpoint of AWS KMS.
pub(crate) const AWS_ENDPOINT_URL_KMS: Variable = Variable("AWS_ENDPOINT_URL_KMS");
/// A URL instead of that of EKS.
pub(crate) const AWS_ENDPOINT_URL_EKS: Variable = Variable("AWS_ENDPOINT_URL_EKS");
/// Host and port of Google's metadata server.
pub(crate) const GCE_METADATA_HOST: Variable = Variable("GCE_METADATA_HOST");
/// Host and port that stand in for those of source-controller's artifacts.
pub(crate) const SOURCE_CONTROLLER_LOCALHOST: Variable = Variable("SOURCE_CONTROLLER_LOCALHOST");
/// Host and port that stand in for those of source-watcher's artifacts.
pub(crate) const SOURCE_WATCHER_LOCALHOST: Variable = Variable("SOURCE_WATCHER_LOCALHOST");
/// The namespace that `run` runs in.
pub(crate) const RUNTIME_NAMESPACE: Variable = Variable("RUNTIME_NAMESPACE");
/// The name of the machine or pod.
pub(crate) const HOSTNAME: Variable = Variable("HOSTNAME");
