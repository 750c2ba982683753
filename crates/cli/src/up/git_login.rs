//! The key with which a repository is fetched over SSH.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::objects::NAMESPACE;
use crate::diagnostic::Failure;
use crate::kustomize::disk::own_known_hosts;

/// Name of the Secret that holds the key.
pub(super) const NAME: &str = "sealfast-git";

/// Where the key lies.
#[derive(Args)]
pub(super) struct GitLogin {
    /// Private key for a repository over SSH.
    #[arg(long, value_name = "FILE")]
    ssh_identity: Option<PathBuf>,
    /// Keys of hosts that are trusted over SSH [default: ~/.ssh/known_hosts].
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,
}

impl GitLogin {
    /// Returns the Secret for an address; none when it is not reached over SSH.
    pub(super) fn secret(&self, url: &str) -> Result<Option<Value>, Failure> {
        if !url.starts_with("ssh://") {
            return Ok(None);
        }
        let identity = self.ssh_identity.as_deref().ok_or_else(|| {
            Failure::new(format!("`{url}` is fetched with a key, and none is given")).hint(
                "name it with `--ssh-identity FILE`, and the keys of the host with `--known-hosts FILE`",
            )
        })?;
        let hosts = self.known_hosts.clone().or_else(own_known_hosts).ok_or_else(|| {
            Failure::new("no home directory has a .ssh/known_hosts")
                .hint("name the file with `--known-hosts FILE`")
        })?;
        let data = json!({ "identity": encoded(identity)?, "known_hosts": encoded(&hosts)? });
        let metadata = json!({ "name": NAME, "namespace": NAMESPACE });
        Ok(Some(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data })))
    }
}

fn encoded(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map(Zeroizing::new);
    let bytes =
        bytes.map_err(|error| Failure::because(format!("failed to read `{}`", file.display()), &error))?;
    Ok(STANDARD.encode(bytes.as_slice()))
}
