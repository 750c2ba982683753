//! `flux create secret notation`: what signatures of artifacts are checked with.

mod policy;

use std::path::Path;

use super::required;
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::{self, Secret};
use crate::flux::{Failed, labels};

pub(super) const FLAGS: &[Flag] =
    &[Flag::long("trust-policy-file", Kind::Text), Flag::long("ca-cert-file", Kind::List)];

pub(super) const HELP: &str = "\
Create a Secret with a trust policy and certificates, for artifacts that were signed with Notation.

Usage:
  flux create secret notation NAME --trust-policy-file FILE --ca-cert-file FILE [--ca-cert-file FILE]… [flags]

Flags:
      --trust-policy-file FILE   the policy, in JSON
      --ca-cert-file FILE        certificate authority; its name ends in .crt or .pem
      --label KEY=VALUE
      --export                   print the Secret instead of creating it

Examples:
  flux create secret notation my-certs --trust-policy-file=trustpolicy.json --ca-cert-file=ca.crt --export
";

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    if args.list("ca-cert-file").is_empty() {
        return Err("--ca-cert-file is required".into());
    }
    let path = required(args, "trust-policy-file", "--trust-policy-file is required")?;
    let mut secret = secret.labelled(labels(args)?);
    let text = secret::file(path, "unable to read trust policy file")?.unwrap_or_default();
    let policy = serde_json::from_str(&text);
    let policy = policy.map_err(|error| format!("failed to unmarshal trust policy {path}: {error}"))?;
    policy::check(&policy).map_err(|why| format!("invalid trust policy: {why}"))?;
    let mut refusals = Vec::new();
    for path in args.list("ca-cert-file") {
        match certificate(path) {
            Ok((name, text)) if secret.public(&name).is_some_and(|known| known != text) => {
                refusals.push(format!("{path}: another file is named {name}, too: rename one of them"));
            }
            Ok((name, text)) => secret.set(&name, &text),
            Err(Failed(why)) => refusals.push(why),
        }
    }
    if !refusals.is_empty() {
        return Err(refusals.join("\n").into());
    }
    secret.set_some("trustpolicy.json", Some(text.as_str()).filter(|text| !text.is_empty()));
    Ok(secret)
}

/// The name of a file, and its text.
fn certificate(path: &str) -> Result<(String, String), Failed> {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !name.ends_with(".crt") && !name.ends_with(".pem") {
        return Err(format!("{name} must end with either .crt or .pem").into());
    }
    let text = secret::file(path, "unable to read TLS CA file")?;
    Ok((name, text.map_or_else(String::new, |text| String::clone(&text))))
}
