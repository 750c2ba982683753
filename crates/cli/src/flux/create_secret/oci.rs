//! `flux create secret oci`: credentials of a container registry.

use super::required;
use crate::docker_config::{self, Layout, Login};
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::Secret;
use crate::flux::{Failed, image};

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("url", Kind::Text),
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret with the credentials of a container registry.

Usage:
  flux create secret oci NAME --url HOST[/REPOSITORY] --username USER --password PASSWORD [flags]

Flags:
      --url ADDRESS    registry or repository, without oci://
  -u, --username, -p, --password
      --password-file FILE, --password-stdin   read the password from there
      --export         print the Secret instead of creating it

Examples:
  flux create secret oci registry-auth --url=ghcr.io --username=my-user --password=TOKEN --export > auth.yaml
";

pub(super) fn make(args: &Args, mut secret: Secret) -> Result<Secret, Failed> {
    let url = required(args, "url", "--url is required")?;
    let username = required(args, "username", "--username is required")?;
    let password = required(args, "password", "--password is required")?;
    image::reference(url).map_err(|why| format!("error parsing url: '{why}'"))?;
    let login = Login { server: url, username, password, email: None };
    secret.set(".dockerconfigjson", &docker_config::text(&login, Layout::Indented));
    Ok(secret.typed("kubernetes.io/dockerconfigjson"))
}
