//! `flux build kustomization`: what a Kustomization makes of a local directory.
//!
//! Nothing is decrypted and nothing is written; what is encrypted in a Secret is masked.

use std::path::PathBuf;
use std::process::ExitCode;

use sealfast_kustomize::files::join;

use super::args::{Args, Flag, Kind};
use super::local::plan::{Cluster, Plan};
use super::local::{kustomization_file, mask};
use super::{Failed, checked_namespace, connect, help, wants_help};
use crate::output;

/// Beside those of every local build.
pub(super) const FLAGS: &[Flag] = &[
    Flag::long("dry-run", Kind::Switch),
    Flag::long("ssh-identity", Kind::Text),
    Flag::long("known-hosts", Kind::Text),
];

pub(super) const HELP: &str = "\
Print the objects that a Kustomization makes of a local directory.
The Kustomization is read from the cluster or from a file. Encrypted values of Secrets are masked; nothing is
decrypted, and the directory stays as it is.

Usage:
  flux build kustomization NAME --path DIR [flags]
  flux build ks NAME --path DIR [flags]
  flux build artifact --path PATH [flags]

Flags:
      --path DIR                  directory of the manifests
      --kustomization-file FILE   read the Kustomization from this file
      --dry-run                   ask no cluster; needs --kustomization-file, and passes over substituteFrom
      --ignore-paths PATTERNS     leave out what matches, in the words of .gitignore, separated by commas
      --strict-substitute         fail when a variable without a default is not set
  -r, --recursive                 build the Kustomizations among the objects, too
      --local-sources KEY=DIR     where their sources lie, as GitRepository/NAMESPACE/NAME=DIR, separated by commas
      --in-memory-build           read nothing outside the current directory
      --allow-remote PREFIX       fetch bases whose address starts with this (https:// or ssh://); may be repeated
      --ssh-identity FILE         private key for bases over SSH
      --known-hosts FILE          keys of hosts that are trusted over SSH [default: ~/.ssh/known_hosts]

Examples:
  flux build kustomization my-app --path ./path/to/local/manifests
  flux build kustomization my-app --path ./path/to/local/manifests --kustomization-file ./my-app.yaml --dry-run
  flux build kustomization my-app --path ./path/to/local/manifests --ignore-paths '/to_ignore/**/*.yaml,ignore.yaml'
  flux build ks my-app --path ./apps --recursive --local-sources GitRepository/flux-system/my-repo=./path/to/git
";

/// Runs the command.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if let Some(word) = words.first().filter(|word| !matches!(**word, "kustomization" | "ks")) {
        return Err(format!("unknown command {word:?} for \"flux build\"").into());
    }
    let namespace = checked_namespace(args)?;
    let name = args.names.first().ok_or("kustomization name is required")?;
    let directory = directory(args.text("path").unwrap_or_default())?;
    if args.is_on("dry-run") && args.filled("kustomization-file").is_none() {
        return Err("dry-run mode requires a kustomization file".into());
    }
    let file = kustomization_file(args)?;
    let text = if args.is_on("dry-run") {
        let plan = Plan::parse(args, Cluster::None)?;
        connect::without_client(args, printed(plan, name, &namespace, file, directory))?
    } else {
        connect::with_client(args, |client| async {
            let plan = Plan::parse(args, Cluster::Live(client))?;
            printed(plan, name, &namespace, file, directory).await
        })?
    };
    Ok(output::data(text.as_bytes()))
}

async fn printed(
    plan: Plan,
    name: &str,
    namespace: &str,
    file: Option<PathBuf>,
    directory: PathBuf,
) -> Result<String, Failed> {
    let subject = plan.subject(name, namespace, file.as_deref()).await?;
    let mut text = String::new();
    for object in plan.all(&subject, &directory).await?.iter_mut() {
        mask::unquote(object);
        text.push_str(&sealfast_yaml::json::to_yaml(object));
        text.push_str("---\n");
    }
    Ok(text)
}

/// The absolute directory of the manifests.
fn directory(given: &str) -> Result<PathBuf, Failed> {
    if given.is_empty() {
        return Err("invalid resource path \"\"".into());
    }
    let path =
        std::path::absolute(given).map_err(|error| format!("failed to resolve absolute path: {error}"))?;
    let path = PathBuf::from(join("/", &path.to_string_lossy()));
    if path.is_dir() { Ok(path) } else { Err(format!("invalid resource path {path:?}").into()) }
}
