//! What the cluster gave to our own pod, as the edge of the program read it.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Where every pod finds the token of its own service account.
pub const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The identities of our own pod.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// To AWS.
    pub aws: Option<Aws>,
    /// To Azure.
    pub azure: Option<Azure>,
    /// To Google Cloud.
    pub google: Google,
    /// Namespace and name of our own service account.
    pub account: Option<(String, String)>,
}

/// How AWS knows our pod.
#[derive(Clone, Debug)]
pub enum Aws {
    /// A role for the service account (IRSA).
    Role {
        /// ARN of the role.
        role: String,
        /// File with the account's token.
        token_file: PathBuf,
    },
    /// An agent on the machine (EKS Pod Identity).
    Agent {
        /// URL of the agent.
        address: String,
        /// File with the account's token.
        token_file: PathBuf,
    },
}

/// How Azure knows our pod.
#[derive(Clone, Debug)]
pub enum Azure {
    /// A federated credential for the service account.
    Workload {
        /// The directory.
        tenant: String,
        /// The application.
        client: String,
        /// File with the account's token.
        token_file: PathBuf,
    },
    /// The identity of the machine.
    Machine {
        /// A user-assigned one, when it is not the machine's own.
        client: Option<String>,
    },
}

/// Whether Google Cloud knows our pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Google {
    /// Nobody is asked.
    #[default]
    Unknown,
    /// The metadata server of the machine gives tokens.
    Machine,
}

/// Reads a token that the kubelet keeps fresh.
pub(super) async fn token(file: &Path) -> Result<SecretString, String> {
    // The path is of our own disk and stays out of messages.
    let text = tokio::fs::read_to_string(file).await.map_err(|_| "the pod's own token cannot be read")?;
    Ok(text.trim().to_owned().into())
}
