//! `flux create secret git`: credentials of a Git server.

use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::{self, Secret};
use crate::flux::{Failed, address, deploy_key, labels};

use super::required;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("url", Kind::Text),
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
    Flag::long("bearer-token", Kind::Text),
    Flag::long("ca-crt-file", Kind::Text),
    Flag::long("private-key-file", Kind::Text),
    Flag::long("ssh-key-algorithm", Kind::Checked(deploy_key::algorithm)),
    Flag::long("ssh-rsa-bits", Kind::Checked(deploy_key::rsa_bits)),
    Flag::long("ssh-ecdsa-curve", Kind::Checked(deploy_key::curve)),
];

pub(super) const HELP: &str = "\
Create a Secret with the credentials of a Git server.

Usage:
  flux create secret git NAME --url URL (--username USER --password PASSWORD|--bearer-token TOKEN) [flags]
  flux create secret git NAME --url ssh://… [--private-key-file FILE] [flags]

For ssh the key is read or made, and the host is asked for its own key.

Flags:
      --url URL                      http, https or ssh address of the repository
  -u, --username, -p, --password     for http and https; for ssh the password opens the key file
      --password-file FILE           read the password from a file
      --password-stdin               read it from standard input
      --bearer-token TOKEN
      --ca-crt-file FILE             certificate authority of the server
      --private-key-file FILE        key for ssh; without it one is made
      --ssh-key-algorithm ALGORITHM  of the key that is made: ecdsa, rsa, ed25519 (default ecdsa)
      --ssh-ecdsa-curve CURVE        p256, p384, p521 (default p384)
      --ssh-rsa-bits BITS            2048 and more, a multiple of 8 (default 2048)
      --label KEY=VALUE
      --export                       print the Secret instead of creating it

Examples:
  flux create secret git my-auth --url=https://github.com/my-org/my-app --username=git --password=TOKEN --export
  flux create secret git my-auth --url=ssh://git@github.com/my-org/my-app --ssh-key-algorithm=ed25519
";

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    let url = required(args, "url", "url is required")?;
    let scheme = address::parsed(url)?;
    let mut secret = secret.labelled(labels(args)?);
    match scheme.as_str() {
        "ssh" => deploy_key::add(args, url, &mut secret)?,
        "http" | "https" => credentials(args, &mut secret)?,
        scheme => return Err(address::unsupported(url, scheme)),
    }
    Ok(secret)
}

fn credentials(args: &Args, secret: &mut Secret) -> Result<(), Failed> {
    let login = args.filled("username").zip(args.filled("password"));
    let bearer = args.filled("bearer-token");
    match (login, bearer) {
        (None, None) => {
            return Err("for Git over HTTP/S the username and password, or a bearer token is required".into());
        }
        (Some(_), Some(_)) => return Err("user credentials and bearer token cannot be used together".into()),
        _ => {}
    }
    let authority = args.text("ca-crt-file").unwrap_or_default();
    let authority = secret::file(authority, "unable to read TLS CA file")?;
    secret.set_some("username", login.map(|(username, _)| username));
    secret.set_some("password", login.map(|(_, password)| password));
    secret.set_some("bearerToken", bearer);
    secret.set_some("ca.crt", authority.as_deref().map(String::as_str));
    Ok(())
}
