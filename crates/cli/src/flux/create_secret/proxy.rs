//! `flux create secret proxy`: the address of a proxy, and who may use it.

use super::required;
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::Secret;
use crate::flux::{Failed, address, labels};

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("address", Kind::Text),
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret with the address of a proxy and its credentials.

Usage:
  flux create secret proxy NAME --address URL [--username USER] [--password PASSWORD] [flags]

Flags:
      --address URL    http, https or socks5 address
  -u, --username, -p, --password
      --password-file FILE, --password-stdin   read the password from there
      --label KEY=VALUE
      --export         print the Secret instead of creating it

Examples:
  flux create secret proxy my-proxy --address=https://proxy.example.com:3128 --username=me --password=word --export
";

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    let mut secret = secret.labelled(labels(args)?);
    let url = required(args, "address", "address is required")?;
    address::check(url).map_err(|why| format!("invalid proxy address: {why}"))?;
    secret.set("address", url);
    secret.set_some("username", args.filled("username"));
    secret.set_some("password", args.filled("password"));
    Ok(secret.typed("Opaque"))
}
