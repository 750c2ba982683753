//! `flux create secret githubapp`: the key of a GitHub App and its installation.

use super::required;
use crate::flux::Failed;
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::{self, Secret};

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("app-id", Kind::Text),
    Flag::long("app-installation-owner", Kind::Text),
    Flag::long("app-installation-id", Kind::Text),
    Flag::long("app-private-key", Kind::Text),
    Flag::long("app-base-url", Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret for access as a GitHub App.

Usage:
  flux create secret githubapp NAME --app-id ID --app-private-key FILE
    (--app-installation-owner OWNER|--app-installation-id ID) [flags]

Flags:
      --app-id ID
      --app-installation-owner OWNER   person or organization that installed the app
      --app-installation-id ID         number of the installation
      --app-private-key FILE           key of the app, in PEM
      --app-base-url URL               of a GitHub Enterprise Server, as https://github.example.com/api/v3
      --export                         print the Secret instead of creating it

Examples:
  flux create secret githubapp my-app --app-id=1 --app-installation-id=2 --app-private-key=key.pem --export > app.yaml
";

pub(super) fn make(args: &Args, mut secret: Secret) -> Result<Secret, Failed> {
    const UNREADABLE: &str = "unable to read private key file";
    let path = args.filled("app-private-key");
    let path = path.ok_or_else(|| format!("{UNREADABLE}: name it with --app-private-key"))?;
    let key = secret::file(path, UNREADABLE)?;
    secret.set("githubAppID", required(args, "app-id", "githubAppID is required")?);
    secret.set("githubAppPrivateKey", &key.ok_or("githubAppPrivateKey is required")?);
    let (owner, id) = (args.filled("app-installation-owner"), args.filled("app-installation-id"));
    if owner.is_some() == id.is_some() {
        return Err(
            "exactly one of githubAppInstallationOwner or githubAppInstallationID must be provided".into()
        );
    }
    secret.set_some("githubAppInstallationOwner", owner);
    secret.set_some("githubAppInstallationID", id);
    secret.set_some("githubAppBaseURL", args.filled("app-base-url"));
    Ok(secret.typed("Opaque"))
}
