//! `flux create secret KIND`: what the kinds have in common.
//!
//! Follows: `flux` 2.9. Values go into `stringData`; a Secret that is there already keeps what is not named.

use std::process::ExitCode;

use zeroize::Zeroizing;

use super::args::{Args, Flag, Kind as FlagKind};
use super::secret::Secret;
use super::{Failed, connect, help, namespace, new_name, parse, wants_help};
use crate::output;

mod git;
mod github_app;
mod helm;
mod notation;
mod oci;
mod proxy;
mod receiver;
mod sops;
mod tls;

pub(super) const HELP: &str = "\
Create a Secret as the objects of Flux read it.

Usage:
  flux create secret git|githubapp|helm|notation|oci|proxy|receiver|sops|tls NAME [flags]

Flags of all of them:
      --export           print the Secret instead of creating it
      --label KEY=VALUE

`flux create secret KIND --help` tells the flags of one kind.

Examples:
  flux create secret tls certs --tls-crt-file=client.crt --tls-key-file=client.key --export > certs.yaml
  sops --encrypt --encrypted-regex '^(data|stringData)$' --in-place certs.yaml
";

/// One kind of Secret.
struct Kind {
    /// The word of the command line.
    word: &'static str,
    /// What it is called when it was made.
    told: &'static str,
    flags: &'static [Flag],
    help: &'static str,
    make: fn(&Args, Secret) -> Result<Secret, Failed>,
}

const KINDS: [Kind; 9] = [
    Kind { word: "git", told: "git secret", flags: git::FLAGS, help: git::HELP, make: git::make },
    Kind {
        word: "githubapp",
        told: "githubapp secret",
        flags: github_app::FLAGS,
        help: github_app::HELP,
        make: github_app::make,
    },
    Kind { word: "helm", told: "helm secret", flags: helm::FLAGS, help: helm::HELP, make: helm::make },
    Kind {
        word: "notation",
        told: "notation configuration secret",
        flags: notation::FLAGS,
        help: notation::HELP,
        make: notation::make,
    },
    Kind { word: "oci", told: "oci secret", flags: oci::FLAGS, help: oci::HELP, make: oci::make },
    Kind { word: "proxy", told: "proxy secret", flags: proxy::FLAGS, help: proxy::HELP, make: proxy::make },
    Kind {
        word: "receiver",
        told: "receiver secret",
        flags: receiver::FLAGS,
        help: receiver::HELP,
        make: receiver::make,
    },
    Kind { word: "sops", told: "sops secret", flags: sops::FLAGS, help: sops::HELP, make: sops::make },
    Kind { word: "tls", told: "tls secret", flags: tls::FLAGS, help: tls::HELP, make: tls::make },
];

/// The words for the kinds.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.word)
}

const COMMON: [Flag; 3] = [
    Flag::long("interval", FlagKind::Duration),
    Flag::long("label", FlagKind::List),
    Flag::long("export", FlagKind::Switch),
];

/// Runs the command for the kind that a word names.
pub(super) fn run(word: &str, rest: &[String]) -> Result<ExitCode, Failed> {
    let kind = KINDS.iter().find(|kind| kind.word == word);
    let kind = kind.ok_or_else(|| format!("unknown command {word:?} for \"flux create secret\""))?;
    let args = parse(rest, &[kind.flags, COMMON.as_slice()].concat())?;
    if wants_help(&args) {
        return Ok(help(kind.help));
    }
    let (name, namespace) = (new_name(&args)?, namespace(&args));
    let secret = (kind.make)(&args, Secret::new(name, &namespace))?;
    if args.is_on("export") {
        // One empty line follows all but this kind.
        let end = if kind.word == "tls" { "" } else { "\n" };
        let text = Zeroizing::new([&secret.export(), end].concat());
        return Ok(output::data(text.as_bytes()));
    }
    if let Some(key) = secret.public("identity.pub") {
        output::talk(&format!("✚ deploy key: {}", key.trim_end()));
    }
    connect::with_client(&args, |client| async move { secret.upsert(&client).await })?;
    output::talk(&format!("► {} '{name}' created in '{namespace}' namespace", kind.told));
    Ok(ExitCode::SUCCESS)
}

/// A value that was given and is not empty.
fn required<'a>(args: &'a Args, flag: &str, refusal: &str) -> Result<&'a str, Failed> {
    args.filled(flag).ok_or_else(|| refusal.into())
}
