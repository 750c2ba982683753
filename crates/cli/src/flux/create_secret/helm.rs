//! `flux create secret helm`: credentials of a Helm repository.

use super::tls::Files;
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::Secret;
use crate::flux::{Failed, labels};

pub(super) const FLAGS: &[Flag] = &[
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
    Flag::long("tls-crt-file", Kind::Text),
    Flag::long("tls-key-file", Kind::Text),
    Flag::long("ca-crt-file", Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret with the credentials of a Helm repository.

Usage:
  flux create secret helm NAME [flags]

A certificate wins over user and password. Nothing at all makes an empty Secret.

Flags:
  -u, --username, -p, --password
      --password-file FILE, --password-stdin
                                            read the password from there
      --tls-crt-file, --tls-key-file FILE   certificate of the client and its key, in PEM
      --ca-crt-file FILE                    certificate authority of the repository
      --label KEY=VALUE
      --export                              print the Secret instead of creating it

Examples:
  flux create secret helm repo-auth --username=my-user --password=my-password --export > repo-auth.yaml
";

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    let mut secret = secret.labelled(labels(args)?);
    let files = Files::read(args)?;
    let (username, password) = (args.filled("username"), args.filled("password"));
    if files.has_client() {
        return files.into_secret(secret);
    }
    if username.or(password).is_some() {
        secret.set("username", username.ok_or("username is required")?);
        secret.set("password", password.ok_or("password is required")?);
        secret.set_some("ca.crt", files.authority());
        return Ok(secret.typed("kubernetes.io/basic-auth"));
    }
    match files.authority() {
        Some(_) => files.into_secret(secret),
        None => Ok(secret),
    }
}
