//! `flux create secret receiver`: the token of a webhook, and its address.

use rand08::RngCore as _;
use sealfast_source::archive::hex;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::required;
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::Secret;
use crate::flux::{Failed, labels};

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("type", Kind::Checked(receiver_type)),
    Flag::long("hostname", Kind::Text),
    Flag::long("token", Kind::Text),
    Flag::long("email-claim", Kind::Text),
    Flag::long("audience-claim", Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret with the token of a webhook; an annotation tells the address to call.

Usage:
  flux create secret receiver NAME --type TYPE --hostname HOST [flags]

Flags:
      --type TYPE             generic, generic-hmac, github, gitlab, bitbucket, harbor, dockerhub, quay, gcr, nexus, acr,
                              cdevents
      --hostname HOST         where the webhooks come in
      --token TOKEN           (default 32 random bytes, in hex)
      --email-claim EMAIL     service account that calls; required for gcr
      --audience-claim TEXT   audience of its token, for gcr (default the address)
      --label KEY=VALUE
      --export                print the Secret instead of creating it

Examples:
  flux create secret receiver github-hook --type=github --hostname=flux.example.com --export > hook.yaml
";

const TYPES: [&str; 12] = [
    "generic",
    "generic-hmac",
    "github",
    "gitlab",
    "bitbucket",
    "harbor",
    "dockerhub",
    "quay",
    "gcr",
    "nexus",
    "acr",
    "cdevents",
];

fn receiver_type(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("no receiver type given, please specify the receiver type".to_owned());
    }
    if TYPES.contains(&text) {
        return Ok(());
    }
    Err(format!("receiver type '{text}' is not supported, must be one of: {}", TYPES.join(", ")))
}

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    let kind = required(args, "type", "--type is required")?;
    let host = required(args, "hostname", "--hostname is required")?;
    let email = args.filled("email-claim").filter(|_| kind == "gcr");
    if kind == "gcr" && email.is_none() {
        return Err("--email-claim is required for gcr receiver type".into());
    }
    let secret = secret.labelled(labels(args)?);
    let token = match args.filled("token") {
        Some(token) => Zeroizing::new(token.to_owned()),
        None => random_token(),
    };
    let url = format!("https://{host}/hook/{}", path(&token, &secret));
    let mut secret = secret.annotated("notification.toolkit.fluxcd.io/webhook", &url);
    secret.set("token", &token);
    if let Some(email) = email {
        secret.set("email", email);
        secret.set("audience", args.filled("audience-claim").unwrap_or(&url));
    }
    Ok(secret)
}

/// The last part of the address, as the controller that answers computes it.
fn path(token: &str, secret: &Secret) -> String {
    let mut digest = Sha256::new();
    digest.update(token);
    digest.update(secret.name());
    digest.update(secret.namespace());
    hex(&digest.finalize())
}

fn random_token() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand08::rngs::OsRng.fill_bytes(&mut *bytes);
    Zeroizing::new(hex(&*bytes))
}
