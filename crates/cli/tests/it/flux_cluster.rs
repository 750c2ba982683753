//! `flux` against a cluster that stands in for a real one.

use std::process::{Command, Output};

use anyhow::Result;
use sealfast_testkit::cluster::Cluster;
use serde_json::Value;
use tempfile::TempDir;

use crate::person::SEALFAST;

/// A folder with a kubeconfig, and the cluster that it names.
pub(crate) struct Desk {
    folder: TempDir,
    cluster: Cluster,
}

impl Desk {
    /// Starts a cluster with these objects.
    pub(crate) fn new(objects: Vec<Value>) -> Result<Self> {
        let folder = TempDir::with_prefix("sealfast-it-")?;
        let cluster = Cluster::start(objects)?;
        std::fs::create_dir(folder.path().join(".kube"))?;
        std::fs::write(folder.path().join(".kube/config"), cluster.kubeconfig().to_string())?;
        Ok(Self { folder, cluster })
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join(name), text)?)
    }

    /// Makes a folder in the folder.
    pub(crate) fn folder(&self, name: &str) -> Result<()> {
        Ok(std::fs::create_dir(self.folder.path().join(name))?)
    }

    /// Makes an age identity.
    pub(crate) fn keygen(&self) -> Result<String> {
        let mut command = Command::new(SEALFAST);
        command.args(["keys", "generate", "age"]).env_clear().current_dir(self.folder.path());
        Ok(String::from_utf8(command.output()?.stdout)?)
    }

    /// Forbids to read a kind, by its plural.
    pub(crate) fn forbid(&self, plural: &str) {
        self.cluster.refuse("GET", plural, 403, &format!("{plural} is forbidden: nobody may"));
    }

    /// Returns `flux` with arguments, about to run there.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(SEALFAST);
        command.arg("flux").args(args).env_clear().current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env("TZ", "UTC").env("NO_COLOR", "1");
        command
    }

    /// Runs `flux` there.
    pub(crate) fn flux(&self, args: &[&str]) -> Result<Output> {
        Ok(self.command(args).output()?)
    }

    /// Runs `flux`, which must succeed; returns what it printed.
    pub(crate) fn told(&self, args: &[&str]) -> Result<String> {
        let output = self.flux(args)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{args:?}: {stderr}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `flux`, which must fail; returns its last words.
    pub(crate) fn refusal(&self, args: &[&str]) -> Result<String> {
        let output = self.flux(args)?;
        anyhow::ensure!(!output.status.success(), "{args:?} must fail");
        Ok(String::from_utf8(output.stderr)?)
    }

    /// An object as it is now.
    pub(crate) fn object(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Value {
        let place = (group.to_owned(), plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.cluster.objects().get(&place).cloned().unwrap_or_default()
    }
}
